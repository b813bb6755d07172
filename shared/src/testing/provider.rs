//! A provider for tests that answers what it is told, and counts what it is asked.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;

use crate::{discovery::login_methods::LoginMethod, issuer::Issuer};

use crate::provider::{
    AuthorizationCodeGrant, ErrorResponse, IdentityProvider, ProviderError, RedeemError,
    RefreshResponse, RefreshTokenGrant, TokenResponse,
};

/// A provider without a network. What it has not been given, it fails to answer.
#[derive(Debug)]
pub struct FakeProvider {
    issuer: Issuer,
    answers: Mutex<Answers>,
    key_set_fetches: AtomicUsize,
    login_method_fetches: AtomicUsize,
    metadata_fetches: AtomicUsize,
}

#[derive(Debug)]
struct Answers {
    algorithms: Vec<&'static str>,
    delay: Duration,
    key_set: Option<Value>,
    login_methods: Option<Value>,
    metadata_available: bool,
    token_response: Option<TokenResponse>,
}

impl FakeProvider {
    /// A provider that has metadata and nothing else yet.
    pub const fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            answers: Mutex::new(Answers {
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

    /// Advertises `algorithms`, by their names.
    pub fn set_algorithms(&self, algorithms: Vec<&'static str>) {
        self.answers().algorithms = algorithms;
    }

    /// Takes so long for each answer.
    pub fn set_delay(&self, delay: Duration) {
        self.answers().delay = delay;
    }

    /// Publishes this JWKS document; `None` makes its endpoint fail.
    pub fn set_key_set(&self, key_set: Option<Value>) {
        self.answers().key_set = key_set;
    }

    /// Publishes a script with `login_methods`; `None` makes it fail.
    pub fn set_login_methods(&self, login_methods: Option<&[LoginMethod]>) {
        let strategy = |method: &LoginMethod| json!({ "name": method.strategy, "connections": [{ "name": method.connection }] });
        let strategies = |methods: &[LoginMethod]| methods.iter().map(strategy).collect::<Value>();
        self.answers().login_methods = login_methods.map(strategies);
    }

    /// Whether the discovery document can be had.
    pub fn set_metadata_available(&self, available: bool) {
        self.answers().metadata_available = available;
    }

    /// Answers the next code with `response`, and refuses those after it.
    pub fn set_token_response(&self, response: Option<TokenResponse>) {
        self.answers().token_response = response;
    }

    /// How often the key set was asked for.
    pub fn key_set_fetches(&self) -> usize {
        self.key_set_fetches.load(Ordering::SeqCst)
    }

    /// How often the login methods were asked for.
    pub fn login_method_fetches(&self) -> usize {
        self.login_method_fetches.load(Ordering::SeqCst)
    }

    /// How often the metadata was asked for.
    pub fn metadata_fetches(&self) -> usize {
        self.metadata_fetches.load(Ordering::SeqCst)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self) {
        let delay = self.answers().delay;
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
        let answers = self.answers();
        if !answers.metadata_available {
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
            "id_token_signing_alg_values_supported": answers.algorithms,
        });
        Ok(document.to_string().into())
    }

    async fn key_set(&self, _jwks_uri: &Url) -> Result<Vec<u8>, ProviderError> {
        self.key_set_fetches.fetch_add(1, Ordering::SeqCst);
        let key_set = self.answers().key_set.clone().ok_or(ProviderError::Status(500));
        self.wait().await;
        Ok(key_set?.to_string().into())
    }

    async fn redeem(
        &self,
        _token_endpoint: &Url,
        _grant: AuthorizationCodeGrant<'_>,
    ) -> Result<TokenResponse, RedeemError> {
        self.wait().await;
        let response = self.answers().token_response.take();
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

    async fn login_methods(&self, _client_id: &str) -> Result<Vec<u8>, ProviderError> {
        self.login_method_fetches.fetch_add(1, Ordering::SeqCst);
        self.wait().await;
        let strategies = self.answers().login_methods.clone().ok_or(ProviderError::Status(500))?;
        Ok(format!("Auth0.setClient({});", json!({ "strategies": strategies })).into())
    }
}
