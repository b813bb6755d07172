//! Builds the URL that ends the provider's session.

use shared::provider::Metadata;
use url::Url;

/// Identifies the provider's session.
#[derive(Debug)]
pub struct ProviderSession<'a> {
    /// The application.
    pub client_id: &'a str,
    /// The ID token of the session that was ended here.
    pub id_token: Option<&'a str>,
    /// The provider's session id, the claim `sid`.
    pub session_id: Option<&'a str>,
}

/// A redirect that ends the provider's session.
#[derive(Debug)]
pub struct ProviderLogout {
    /// The URL to redirect the browser to.
    pub url: String,
    /// The `state` that the provider returns, if the endpoint supports it.
    pub state: Option<String>,
}

impl<'a> ProviderSession<'a> {
    /// The same session, identified by its `sid` only, for a response that must not contain a token.
    pub(crate) fn without_token(&self) -> Self {
        Self { id_token: None, ..*self }
    }

    /// Builds the URL that ends the session and then returns to `return_to`. It is the end-session
    /// endpoint from the provider's metadata (RP-Initiated Logout §2), or else Auth0's older
    /// `/v2/logout`.
    ///
    /// The URL contains nothing from a request and no access token (R107, R108). The older endpoint
    /// accepts no `state`, and its `returnTo` must match an allowed URL exactly.
    pub fn logout(
        &self,
        metadata: &Metadata,
        return_to: &str,
        state: Option<String>,
    ) -> ProviderLogout {
        match &metadata.end_session_endpoint {
            Some(endpoint) => {
                let url = self.end_session_url(endpoint, return_to, state.as_deref());
                ProviderLogout { url: url.into(), state }
            }
            None => {
                let mut url = metadata.issuer.url().clone();
                url.set_path("/v2/logout");
                url.query_pairs_mut()
                    .append_pair("client_id", self.client_id)
                    .append_pair("returnTo", return_to);
                ProviderLogout { url: url.into(), state: None }
            }
        }
    }

    fn end_session_url(&self, endpoint: &Url, return_to: &str, state: Option<&str>) -> Url {
        let with_hint = |hint: Option<(&str, &str)>| {
            let mut url = endpoint.clone();
            let mut query = url.query_pairs_mut();
            query.extend_pairs(hint);
            query
                .append_pair("client_id", self.client_id)
                .append_pair("post_logout_redirect_uri", return_to)
                .extend_pairs(state.map(|state| ("state", state)));
            drop(query);
            url
        };
        self.id_token
            .map(|id_token| with_hint(Some(("id_token_hint", id_token))))
            .filter(|url| url.as_str().len() <= MAXIMUM_LENGTH)
            .unwrap_or_else(|| with_hint(self.session_id.map(|sid| ("logout_hint", sid))))
    }
}

/// Some servers and proxies reject longer URLs (R113).
const MAXIMUM_LENGTH: usize = 6_144;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::issuer::Issuer;

    use super::*;

    fn metadata(end_session_endpoint: Option<&str>) -> Metadata {
        let mut document = json!({
            "issuer": "https://tenant.auth0.com/",
            "authorization_endpoint": "https://tenant.auth0.com/authorize",
            "token_endpoint": "https://tenant.auth0.com/oauth/token",
            "jwks_uri": "https://tenant.auth0.com/.well-known/jwks.json",
        });
        if let Some(endpoint) = end_session_endpoint {
            document["end_session_endpoint"] = endpoint.into();
        }
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        Metadata::parse(document.to_string().as_bytes(), &issuer).unwrap()
    }

    fn logout_url(endpoint: Option<&str>, id_token: &str) -> String {
        let session = ProviderSession {
            client_id: "client",
            id_token: Some(id_token),
            session_id: Some("sid-1"),
        };
        session.logout(&metadata(endpoint), RETURN_TO, Some("st".to_owned())).url
    }

    const RETURN_TO: &str = "https://us.example/signed-out";
    const END_SESSION: Option<&str> = Some("https://tenant.auth0.com/oidc/logout");

    #[test]
    fn r107_the_advertised_endpoint_gets_the_id_token_as_hint() {
        assert_eq!(
            logout_url(END_SESSION, "a.b.c"),
            "https://tenant.auth0.com/oidc/logout?id_token_hint=a.b.c&client_id=client\
             &post_logout_redirect_uri=https%3A%2F%2Fus.example%2Fsigned-out&state=st"
        );
    }

    #[test]
    fn r101_without_token_the_url_names_the_session_by_its_id() {
        let session = ProviderSession {
            client_id: "client",
            id_token: Some("a.b.c"),
            session_id: Some("sid-1"),
        };
        let ProviderLogout { url, .. } =
            session.without_token().logout(&metadata(END_SESSION), RETURN_TO, None);
        assert!(
            url.contains("?logout_hint=sid-1&client_id=client&") && !url.contains("a.b.c"),
            "{url}"
        );
    }

    #[test]
    fn without_an_end_session_endpoint_auth0s_older_logout_url_is_used() {
        assert_eq!(
            logout_url(None, "a.b.c"),
            "https://tenant.auth0.com/v2/logout?client_id=client&returnTo=https%3A%2F%2Fus.example%2Fsigned-out"
        );
    }

    /// A `state` that is not sent does not come back, so it must not be expected.
    #[test]
    fn r109_the_state_is_kept_only_if_the_url_contains_it() {
        let session = ProviderSession { client_id: "client", id_token: None, session_id: None };
        let logout =
            |endpoint| session.logout(&metadata(endpoint), RETURN_TO, Some("st".to_owned()));
        assert_eq!(logout(END_SESSION).state.as_deref(), Some("st"));
        assert!(logout(END_SESSION).url.ends_with("&state=st"));
        assert_eq!(logout(None).state, None);
        let logout = session.logout(&metadata(END_SESSION), RETURN_TO, None);
        assert!(logout.state.is_none() && !logout.url.contains("state"), "{}", logout.url);
    }

    #[test]
    fn r113_the_session_id_replaces_a_token_that_is_too_long_for_a_url() {
        let url = logout_url(END_SESSION, &"x".repeat(MAXIMUM_LENGTH));
        assert!(
            url.contains("?logout_hint=sid-1&client_id=client&") && !url.contains("id_token_hint"),
            "{url}"
        );
    }
}
