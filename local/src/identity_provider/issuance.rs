//! Issues tokens for the token endpoint.

use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::{clock::Timestamp, jwt::MULTI_FACTOR};

use super::{
    keys::KeyError,
    organizations::Organization,
    provider::Provider,
    scope::Scope,
    state::{Grant, ProviderState},
};

/// A successful token response (RFC 6749 §5.1, OIDC Core §3.1.3.3).
///
/// It has no `Debug`, because all fields are secret.
#[derive(Serialize)]
pub(super) struct Tokens {
    access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: Scope,
    expires_in: u64,
    token_type: &'static str,
}

/// The kind of grant for which tokens are issued.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Occasion {
    /// A code from a login.
    Login,
    /// A refresh token. The ID token has no `sid` and no `nonce`, as at Auth0, because the session may
    /// have ended long ago.
    Refresh,
}

/// Issues tokens for `scope`, which is the grant's scope or a part of it.
pub(super) fn issue(
    provider: &Provider,
    state: &mut ProviderState,
    (grant_id, grant): (&str, &Grant),
    scope: Scope,
    occasion: Occasion,
    now: Timestamp,
) -> Result<Tokens, KeyError> {
    let lifetime = provider.options.access_token_lifetime();
    let access_token = match &grant.request.audience {
        // Opaque to the client, as at Auth0.
        None => provider.random.token(),
        Some(audience) => {
            provider.key.sign(&access_token_claims(provider, grant, audience, &scope, now))?
        }
    };
    state.record_access_token(access_token.clone(), (grant_id, scope.clone()), now + lifetime, now);
    let id_token = match scope.contains("openid") {
        true => Some(provider.key.sign(&id_token_claims(provider, grant, &scope, occasion, now))?),
        false => None,
    };
    let refresh_token = grant
        .request
        .scope
        .contains("offline_access")
        .then(|| state.issue_refresh_token(grant_id, &provider.random, now));
    Ok(Tokens {
        access_token,
        refresh_token,
        id_token,
        scope,
        expires_in: lifetime.as_secs(),
        token_type: "Bearer",
    })
}

fn id_token_claims(
    provider: &Provider,
    grant: &Grant,
    scope: &Scope,
    occasion: Occasion,
    now: Timestamp,
) -> Map<String, Value> {
    let mut claims = grant.session.user.claims(scope, grant.session.authenticated_at);
    claims.insert("iss".into(), provider.issuer.as_str().into());
    claims.insert("aud".into(), provider.options.client_id.as_str().into());
    claims.insert("iat".into(), now.as_unix().into());
    let expires_at = now + provider.options.id_token_lifetime();
    claims.insert("exp".into(), expires_at.as_unix().into());
    if occasion == Occasion::Login {
        claims.insert("sid".into(), grant.session.id.as_str().into());
        if let Some(nonce) = &grant.request.nonce {
            claims.insert("nonce".into(), nonce.as_str().into());
        }
        // Only what the client asked for. The login form stated it, or an earlier one of the session.
        if let Some(class) = grant.request.classes.first() {
            claims.insert("acr".into(), class.as_str().into());
        }
        if grant.request.classes.iter().any(|class| class == MULTI_FACTOR) {
            claims.insert("amr".into(), json!(["mfa"]));
        }
    }
    if grant.request.wants_auth_time {
        claims.insert("auth_time".into(), grant.session.authenticated_at.as_unix().into());
    }
    claims.extend(organization_claims(grant));
    claims
}

/// Auth0's own profile, not RFC 9068: `typ` is `JWT` and the client is in `azp`.
fn access_token_claims(
    provider: &Provider,
    grant: &Grant,
    audience: &str,
    scope: &Scope,
    now: Timestamp,
) -> Map<String, Value> {
    let expires_at = now + provider.options.access_token_lifetime();
    let mut claims = organization_claims(grant);
    for (name, value) in [
        ("iss", json!(provider.issuer)),
        ("sub", json!(grant.session.user.subject)),
        ("aud", json!([audience, provider.endpoint("userinfo")])),
        ("iat", json!(now.as_unix())),
        ("exp", json!(expires_at.as_unix())),
        ("azp", json!(provider.options.client_id)),
        ("scope", json!(scope)),
    ] {
        claims.insert(name.into(), value);
    }
    claims
}

fn organization_claims(grant: &Grant) -> Map<String, Value> {
    let mut claims = Map::new();
    if let Some(Organization { id, name }) = &grant.request.organization {
        claims.insert("org_id".into(), id.as_str().into());
        claims.extend(name.map(|name| ("org_name".into(), name.into())));
    }
    claims
}
