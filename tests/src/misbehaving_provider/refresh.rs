//! The provider's refresh tokens. Each works once; reuse revokes its whole family.

use std::{collections::HashMap, mem, sync::Arc};

use axum::{
    Form, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Value, json};
use shared::{crypto::random::Random, testing::tokens::changed};

use super::{CLIENT_ID, CLIENT_SECRET, Endpoint, Grant, MisbehavingProvider};
use crate::gate::Gate;

/// The state and configuration of refresh tokens.
#[derive(Debug, Default)]
pub(super) struct Refreshing {
    /// By token: the index of its family, and whether the token was used.
    pub(super) tokens: HashMap<String, (usize, bool)>,
    /// One for each login: its grant, until revoked.
    families: Vec<Option<Grant>>,
    gate: Option<Arc<Gate>>,
    /// Whether the application lacks the grant type.
    is_forbidden: bool,
    is_reuse_allowed: bool,
    revocation_endpoint: Endpoint,
    revoked: Vec<String>,
}

impl MisbehavingProvider {
    /// Changes claims of the ID tokens of refreshes from now on; `null` removes one.
    pub fn change_refreshed_claims(&self, changes: Value) {
        self.state().of_refreshes.claims = changes;
    }

    /// Changes claims of the access tokens of refreshes from now on; `null` removes one.
    pub fn change_refreshed_access_token_claims(&self, changes: Value) {
        self.state().of_refreshes.access_token_claims = changes;
    }

    /// Changes members of the token responses of refreshes from now on; `null` removes one.
    pub fn change_refresh_response(&self, changes: Value) {
        self.state().of_refreshes.response = changes;
    }

    /// Accepts a refresh token that was used before, as a provider without rotation does.
    pub fn allow_reuse(&self) {
        self.state().refreshing.is_reuse_allowed = true;
    }

    /// Makes each refresh from now on wait at the gate after its refresh token is used up.
    pub fn hold_refreshes(&self) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.state().refreshing.gate = Some(Arc::clone(&gate));
        gate
    }

    /// Takes the grant type from the application.
    pub fn forbid_refreshes(&self) {
        self.state().refreshing.is_forbidden = true;
    }

    /// Makes further refreshes skip the gate.
    pub fn let_refreshes_pass(&self) {
        self.state().refreshing.gate = None;
    }

    pub(super) async fn wait_at_the_gate(&self) {
        let gate = self.state().refreshing.gate.clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
    }

    /// Sets how the revocation endpoint responds from now on.
    pub fn set_revocation_endpoint(&self, behaviour: Endpoint) {
        self.state().refreshing.revocation_endpoint = behaviour;
    }

    /// The tokens that were revoked, in order.
    pub fn revoked(&self) -> Vec<String> {
        self.state().refreshing.revoked.clone()
    }

    /// The number of refresh requests.
    pub fn refreshes(&self) -> usize {
        let is_refresh = |form: &&HashMap<String, String>| form["grant_type"] == "refresh_token";
        self.state().token_requests.iter().filter(is_refresh).count()
    }

    /// Revokes every refresh token, as an administrator does, or as a thief's reuse causes.
    pub fn revoke_all(&self) {
        self.state().refreshing.families.fill(None);
    }
}

impl Refreshing {
    /// Adds the first refresh token of a login to the response, if the login requested one.
    pub(super) fn begin_family(&mut self, grant: &Grant, response: &mut Value) {
        let scope = grant.request["scope"].as_str();
        if scope.split(' ').any(|scope| scope == "offline_access") {
            self.families.push(Some(grant.clone()));
            response["refresh_token"] = self.issue(self.families.len() - 1).into();
            response["scope"] = scope.into();
        }
    }

    fn issue(&mut self, family: usize) -> String {
        let token = format!("refresh-{}", Random::system().token());
        self.tokens.insert(token.clone(), (family, false));
        token
    }

    /// Uses up a token and returns its family.
    fn rotate(&mut self, token: &str) -> Option<(usize, Grant)> {
        let (family, is_used) = self.tokens.get_mut(token)?;
        let family = *family;
        if mem::replace(is_used, true) && !self.is_reuse_allowed {
            self.families[family] = None;
        }
        Some((family, self.families[family].clone()?))
    }

    fn revoke(&mut self, token: &str) {
        if let Some((family, _)) = self.tokens.get(token) {
            self.families[*family] = None;
        }
        self.revoked.push(token.to_owned());
    }
}

pub(super) async fn exchange(
    provider: &MisbehavingProvider,
    form: &HashMap<String, String>,
) -> Response {
    let refused =
        |error: &str| (StatusCode::FORBIDDEN, Json(json!({ "error": error }))).into_response();
    if !is_client(form) {
        return refused("invalid_client");
    }
    if provider.state().refreshing.is_forbidden {
        return refused("unauthorized_client");
    }
    let rotated = provider.state().refreshing.rotate(&form["refresh_token"]);
    let Some((family, grant)) = rotated else { return refused("invalid_grant") };
    provider.wait_at_the_gate().await;
    let mut response = provider.tokens(&grant, true);
    let state = &mut provider.state();
    response["refresh_token"] = state.refreshing.issue(family).into();
    response = changed(response, &state.of_refreshes.response);
    state.last = Some(response.clone());
    Json(response).into_response()
}

pub(super) async fn revoke(
    State(provider): State<MisbehavingProvider>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let behaviour = provider.state().refreshing.revocation_endpoint;
    if behaviour != Endpoint::Works {
        return behaviour.answer(Value::Null, provider.endless_bytes).await;
    }
    if !is_client(&form) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    provider.state().refreshing.revoke(&form["token"]);
    StatusCode::OK.into_response()
}

fn is_client(form: &HashMap<String, String>) -> bool {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    field("client_id") == CLIENT_ID && field("client_secret") == CLIENT_SECRET
}
