//! A fake provider that returns configured responses and counts requests.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;

use crate::{
    issuer::Issuer,
    provider::{
        AuthorizationCodeGrant, ErrorResponse, IdentityProvider, ProviderError, RedeemError,
        RefreshResponse, RefreshTokenGrant, TokenResponse, UserInfoResponse,
        login_method::LoginMethod,
    },
};

/// A provider without a network. Requests without a configured response fail.
#[derive(Debug)]
pub struct FakeProvider {
    issuer: Issuer,
    responses: Mutex<Responses>,
    key_set_fetches: AtomicUsize,
    login_method_fetches: AtomicUsize,
    metadata_fetches: AtomicUsize,
}

#[derive(Debug)]
struct Responses {
    algorithms: Vec<&'static str>,
    delay: Duration,
    key_set: Option<Value>,
    login_methods: Option<Value>,
    metadata_available: bool,
    token_response: Option<TokenResponse>,
}

impl FakeProvider {
    /// A provider with metadata only.
    pub const fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            responses: Mutex::new(Responses {
                algorithms: Vec::new(),
                delay: Duration::ZERO,
                key_set: None,
                login_methods: None,
                metadata_available: true,
                token_response: None,
            }),
            key_set_fetches: AtomicUsize::new(0),
            login_method_fetches: AtomicUsize::new(0),
            metadata_fetches: AtomicUsize::new(0),
        }
    }

    /// Sets the advertised `algorithms` by name.
    pub fn set_algorithms(&self, algorithms: Vec<&'static str>) {
        self.responses().algorithms = algorithms;
    }

    /// Sets the delay of each response.
    pub fn set_delay(&self, delay: Duration) {
        self.responses().delay = delay;
    }

    /// Sets the JWKS document; `None` makes its endpoint fail.
    pub fn set_key_set(&self, key_set: Option<Value>) {
        self.responses().key_set = key_set;
    }

    /// Sets the script with `login_methods`; `None` makes its endpoint fail.
    pub fn set_login_methods(&self, login_methods: Option<&[LoginMethod]>) {
        let strategy = |method: &LoginMethod| json!({ "name": method.strategy, "connections": [{ "name": method.connection }] });
        let strategies = |methods: &[LoginMethod]| methods.iter().map(strategy).collect::<Value>();
        self.responses().login_methods = login_methods.map(strategies);
    }

    /// Sets whether the discovery document is available.
    pub fn set_metadata_available(&self, available: bool) {
        self.responses().metadata_available = available;
    }

    /// Returns `response` for the next code, and refuses later ones.
    pub fn set_token_response(&self, response: Option<TokenResponse>) {
        self.responses().token_response = response;
    }

    /// The number of requests for the key set.
    pub fn key_set_fetches(&self) -> usize {
        self.key_set_fetches.load(Ordering::SeqCst)
    }

    /// The number of requests for the login methods.
    pub fn login_method_fetches(&self) -> usize {
        self.login_method_fetches.load(Ordering::SeqCst)
    }

    /// The number of requests for the metadata.
    pub fn metadata_fetches(&self) -> usize {
        self.metadata_fetches.load(Ordering::SeqCst)
    }

    fn responses(&self) -> MutexGuard<'_, Responses> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self) {
        let delay = self.responses().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }
}

#[async_trait]
impl IdentityProvider for FakeProvider {
    async fn metadata(&self) -> Result<Vec<u8>, ProviderError> {
        self.metadata_fetches.fetch_add(1, Ordering::SeqCst);
        self.wait().await;
        let responses = self.responses();
        if !responses.metadata_available {
            return Err(ProviderError::Status(500));
        }
        let issuer = self.issuer.as_str();
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}authorize"),
            "token_endpoint": format!("{issuer}oauth/token"),
            "jwks_uri": format!("{issuer}.well-known/jwks.json"),
            "end_session_endpoint": format!("{issuer}oidc/logout"),
            "revocation_endpoint": format!("{issuer}oauth/revoke"),
            "id_token_signing_alg_values_supported": responses.algorithms,
        });
        Ok(document.to_string().into())
    }

    async fn key_set(&self, _jwks_uri: &Url) -> Result<Vec<u8>, ProviderError> {
        self.key_set_fetches.fetch_add(1, Ordering::SeqCst);
        let key_set = self.responses().key_set.clone().ok_or(ProviderError::Status(500));
        self.wait().await;
        Ok(key_set?.to_string().into())
    }

    async fn redeem(
        &self,
        _token_endpoint: &Url,
        _grant: AuthorizationCodeGrant<'_>,
    ) -> Result<TokenResponse, RedeemError> {
        self.wait().await;
        let response = self.responses().token_response.take();
        response.ok_or_else(|| RedeemError::Refused(ErrorResponse::of_query("invalid_grant", None)))
    }

    async fn refresh(
        &self,
        _token_endpoint: &Url,
        _grant: RefreshTokenGrant<'_>,
    ) -> Result<RefreshResponse, RedeemError> {
        Err(RedeemError::Refused(ErrorResponse::of_query("invalid_grant", None)))
    }

    async fn revoke(
        &self,
        _revocation_endpoint: &Url,
        _grant: RefreshTokenGrant<'_>,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::Status(500))
    }

    async fn user_info(
        &self,
        _userinfo_endpoint: &Url,
        _access_token: &SecretString,
    ) -> Result<UserInfoResponse, ProviderError> {
        Err(ProviderError::Status(500))
    }

    async fn login_methods(&self, _client_id: &str) -> Result<Vec<u8>, ProviderError> {
        self.login_method_fetches.fetch_add(1, Ordering::SeqCst);
        self.wait().await;
        let strategies =
            self.responses().login_methods.clone().ok_or(ProviderError::Status(500))?;
        Ok(format!("Auth0.setClient({});", json!({ "strategies": strategies })).into())
    }
}
