//! The client secret, its authentication method and the grant types.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, header};
use secrecy::ExposeSecret as _;
use shared::{
    provider::{
        AuthorizationCodeGrant, ClientCredentials, ErrorMeaning, ErrorResponse,
        IdentityProvider as _, Metadata, ProviderError, RedeemError, RefreshTokenGrant,
    },
    web::error::chain,
};
use url::form_urlencoded;

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
        let code = self.random.token();
        let (callback, verifier) = (self.callback(), self.random.token());
        let grant = AuthorizationCodeGrant {
            code: &code,
            redirect_uri: &callback,
            code_verifier: &verifier,
            credentials,
            authentication: credentials.authentication(metadata),
        };
        let answer = Answer::of(self.provider.redeem(&metadata.token_endpoint, grant).await);
        let is_secret_accepted = matches!(answer, Answer::OnlyGrantRejected);
        let mut findings = match answer {
            Answer::OnlyGrantRejected => vec![
                Finding::fine("client secret", "accepted, by Client Secret (Post)"),
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
        let authentication = credentials.authentication(metadata);
        let grant = RefreshTokenGrant { refresh_token: &token, credentials, authentication };
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
        match self.is_accepted_by_basic(metadata, credentials).await {
            Ok(true) => Finding::wrong(
                "client secret",
                "accepted by Client Secret (Basic) alone, but the functions use (Post)",
                format!(
                    "{APPLICATION} → Credentials → Authentication Method: Client Secret (Post)"
                ),
            ),
            Ok(false) | Err(_) => Finding::wrong(
                "client secret",
                "CLIENT_SECRET is not this application's, or another authentication method is set",
                format!(
                    "{APPLICATION} → Settings → Client Secret; Credentials → Client Secret (Post)"
                ),
            ),
        }
    }

    /// Sends an invented code with the secret by `client_secret_basic` (RFC 6749 §2.3.1).
    async fn is_accepted_by_basic(
        &self,
        metadata: &Metadata,
        credentials: &ClientCredentials,
    ) -> Result<bool, ProviderError> {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let [id, secret]: [String; 2] =
            [&credentials.client_id, credentials.client_secret.expose_secret()].map(encode);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", &self.random.token())
            .append_pair("redirect_uri", &self.callback())
            .append_pair("code_verifier", &self.random.token())
            .finish();
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
        let request = Request::post(metadata.token_endpoint.as_str())
            .header(header::AUTHORIZATION, basic)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .map_err(|error| ProviderError::Malformed(error.to_string()))?;
        let response = self.provider.ask(request).await?;
        let error = ErrorResponse::of_body(response.status(), response.body());
        Ok(error.is_some_and(|error| error.meaning() == ErrorMeaning::GrantOver))
    }
}

fn forbidden(check: &'static str, name: &str) -> Finding {
    Finding::wrong(
        check,
        "the application may not use this grant type",
        format!("{APPLICATION} → Settings → Advanced → Grant Types: {name}"),
    )
}
