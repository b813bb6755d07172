//! The client secret, its authentication method and the grant types.

use shared::{
    provider::{
        AuthorizationCodeGrant, ClientAuthentication, ClientCredentials, ErrorMeaning,
        ErrorResponse, IdentityProvider as _, Metadata, RedeemError, RefreshTokenGrant,
    },
    web::error::chain,
};

use super::{Doctor, Finding, finding::APPLICATION, urls::refused};

/// What the token endpoint answers to an invented code or refresh token.
enum Answer {
    /// The credentials and the grant type are accepted; only the token is not.
    OnlyGrantRejected,
    SecretRejected,
    GrantTypeRejected,
    Other(ErrorResponse),
    Failed(String),
}

impl Answer {
    fn of<T>(answer: Result<T, RedeemError>) -> Self {
        let error = match answer {
            Ok(_) => return Self::Failed("the provider accepts an invented token".to_owned()),
            Err(RedeemError::Refused(error)) => error,
            Err(other) => return Self::Failed(chain(&other)),
        };
        match (error.meaning(), &*error.words().error) {
            (ErrorMeaning::GrantOver, _) => Self::OnlyGrantRejected,
            (ErrorMeaning::WrongSecret, _) => Self::SecretRejected,
            (_, "unauthorized_client" | "unsupported_grant_type") => Self::GrantTypeRejected,
            _ => Self::Other(error),
        }
    }
}

impl Doctor {
    /// Sends an invented code, and an invented refresh token if logins request one.
    pub(super) async fn exchanges(&self, metadata: &Metadata) -> Vec<Finding> {
        let Some(credentials) = &self.credentials else {
            return vec![Finding::not_checked("client secret", "CLIENT_SECRET is not set")];
        };
        let used = credentials.authentication(metadata);
        let answer = self.redeem_invented_code(metadata, credentials, used).await;
        let is_secret_accepted = matches!(answer, Answer::OnlyGrantRejected);
        let mut findings = match answer {
            Answer::OnlyGrantRejected => vec![
                Finding::fine(
                    "client secret",
                    format!("accepted, by Client Secret {}", name(used)),
                ),
                Finding::fine("authorization code", "the grant type is allowed"),
            ],
            Answer::SecretRejected => vec![self.rejected_secret(metadata, credentials).await],
            Answer::GrantTypeRejected => {
                vec![forbidden("authorization code", "Authorization Code")]
            }
            Answer::Other(error) => vec![refused("client secret", "the code exchange", &error)],
            Answer::Failed(because) => vec![Finding::not_checked("client secret", because)],
        };
        if self.requests_refresh_tokens() {
            findings.push(match is_secret_accepted {
                true => self.refresh_token(metadata, credentials).await,
                false => Finding::not_checked("refresh token", "the code exchange fails already"),
            });
        }
        findings
    }

    async fn refresh_token(&self, metadata: &Metadata, credentials: &ClientCredentials) -> Finding {
        let token = self.random.token();
        let grant = RefreshTokenGrant {
            refresh_token: &token,
            credentials,
            authentication: credentials.authentication(metadata),
        };
        match Answer::of(self.provider.refresh(&metadata.token_endpoint, grant).await) {
            Answer::OnlyGrantRejected => {
                Finding::fine("refresh token", "the grant type is allowed")
            }
            Answer::GrantTypeRejected => forbidden("refresh token", "Refresh Token"),
            Answer::Other(error) => refused("refresh token", "the refresh", &error),
            Answer::SecretRejected => Finding::not_checked(
                "refresh token",
                "the provider rejects the client secret that it has just accepted",
            ),
            Answer::Failed(because) => Finding::not_checked("refresh token", because),
        }
    }

    /// Tells a wrong secret from a wrong authentication method: sends the secret by the other method.
    async fn rejected_secret(
        &self,
        metadata: &Metadata,
        credentials: &ClientCredentials,
    ) -> Finding {
        let used = credentials.authentication(metadata);
        let other = match used {
            ClientAuthentication::Basic => ClientAuthentication::Post,
            ClientAuthentication::Post => ClientAuthentication::Basic,
        };
        match self.redeem_invented_code(metadata, credentials, other).await {
            Answer::OnlyGrantRejected => Finding::wrong(
                "client secret",
                format!(
                    "accepted by Client Secret {} alone, but the functions use {}",
                    name(other),
                    name(used)
                ),
                format!(
                    "{APPLICATION} → Credentials → Authentication Method: Client Secret {}",
                    name(used)
                ),
            ),
            _ => Finding::wrong(
                "client secret",
                "CLIENT_SECRET is not this application's, or another authentication method is set",
                format!(
                    "{APPLICATION} → Settings → Client Secret; Credentials → Client Secret {}",
                    name(used)
                ),
            ),
        }
    }

    async fn redeem_invented_code(
        &self,
        metadata: &Metadata,
        credentials: &ClientCredentials,
        authentication: ClientAuthentication,
    ) -> Answer {
        let (code, code_verifier) = (self.random.token(), self.random.token());
        let grant = AuthorizationCodeGrant {
            code: &code,
            redirect_uri: &self.callback(),
            code_verifier: &code_verifier,
            credentials,
            authentication,
        };
        Answer::of(self.provider.redeem(&metadata.token_endpoint, grant).await)
    }
}

/// The name of the method in Auth0's dashboard.
const fn name(authentication: ClientAuthentication) -> &'static str {
    match authentication {
        ClientAuthentication::Basic => "(Basic)",
        ClientAuthentication::Post => "(Post)",
    }
}

fn forbidden(check: &'static str, name: &str) -> Finding {
    Finding::wrong(
        check,
        "the application may not use this grant type",
        format!("{APPLICATION} → Settings → Advanced → Grant Types: {name}"),
    )
}
