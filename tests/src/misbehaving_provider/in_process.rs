//! The provider without a network, for stories in which simulated time passes.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use axum::{Form, body::to_bytes, extract::State, response::Response};
use http::{HeaderMap, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use shared::provider::{
    AuthorizationCodeGrant, ClientCredentials, ErrorResponse, IdentityProvider, ProviderError,
    RedeemError, RefreshResponse, RefreshTokenGrant, TokenResponse, UserInfoResponse,
};
use url::Url;

use super::{MisbehavingProvider, refresh, user_info};

/// Calls the provider's handlers instead of its endpoints.
pub(crate) struct InProcess(pub(crate) MisbehavingProvider);

#[async_trait]
impl IdentityProvider for InProcess {
    async fn metadata(&self) -> Result<Vec<u8>, ProviderError> {
        document(super::metadata(self.state()).await).await
    }

    async fn key_set(&self, _: &Url) -> Result<Vec<u8>, ProviderError> {
        document(super::key_set(self.state()).await).await
    }

    async fn redeem(
        &self,
        _: &Url,
        grant: AuthorizationCodeGrant<'_>,
    ) -> Result<TokenResponse, RedeemError> {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", grant.code),
            ("redirect_uri", grant.redirect_uri),
            ("code_verifier", grant.code_verifier),
        ];
        TokenResponse::parse(&self.tokens(&parameters, grant.credentials).await?)
    }

    async fn refresh(
        &self,
        _: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<RefreshResponse, RedeemError> {
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token)];
        RefreshResponse::parse(&self.tokens(&parameters, grant.credentials).await?)
    }

    async fn revoke(&self, _: &Url, grant: RefreshTokenGrant<'_>) -> Result<(), ProviderError> {
        let form = form(&[("token", grant.refresh_token)], grant.credentials);
        document(refresh::revoke(self.state(), form).await).await.map(drop)
    }

    async fn user_info(
        &self,
        _: &Url,
        access_token: &SecretString,
    ) -> Result<UserInfoResponse, ProviderError> {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", access_token.expose_secret());
        headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
        let response = user_info::user_info(self.state(), Uri::default(), headers).await;
        Ok(UserInfoResponse::Json(document(response).await?))
    }

    async fn login_methods(&self, _: &str) -> Result<Vec<u8>, ProviderError> {
        document(super::script(self.state()).await).await
    }
}

impl InProcess {
    fn state(&self) -> State<MisbehavingProvider> {
        State(self.0.clone())
    }

    async fn tokens(
        &self,
        parameters: &[(&str, &str)],
        credentials: &ClientCredentials,
    ) -> Result<Vec<u8>, RedeemError> {
        let response =
            super::token(self.state(), HeaderMap::new(), form(parameters, credentials)).await;
        let is_refused = response.status().is_client_error();
        document(response).await.map_err(|error| {
            if is_refused {
                return RedeemError::Refused(ErrorResponse::of_query("invalid_grant", None));
            }
            RedeemError::Unavailable { retry_after: None, said: None, source: Some(error) }
        })
    }
}

fn form(
    parameters: &[(&str, &str)],
    credentials: &ClientCredentials,
) -> Form<HashMap<String, String>> {
    let own = [
        ("client_id", credentials.client_id.as_str()),
        ("client_secret", credentials.client_secret.expose_secret()),
    ];
    let all = parameters.iter().chain(&own);
    Form(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

async fn document(response: Response) -> Result<Vec<u8>, ProviderError> {
    if response.status() != StatusCode::OK {
        return Err(ProviderError::Status(response.status().as_u16()));
    }
    Ok(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}
