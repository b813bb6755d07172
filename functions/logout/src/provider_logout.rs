//! Where the provider's own session is ended.

use shared::provider::Metadata;
use url::Url;

/// What is known of the provider's session.
pub(crate) struct ProviderSession<'a> {
    pub(crate) client_id: &'a str,
    /// The ID token of the session that was ended here.
    pub(crate) id_token: Option<&'a str>,
    /// Its `sid`.
    pub(crate) session_id: Option<&'a str>,
}

/// A browser's way to the end of the provider's session.
pub(crate) struct ProviderLogout {
    /// Where it goes.
    pub(crate) url: String,
    /// What comes back with it, if anything does.
    pub(crate) state: Option<String>,
}

impl<'a> ProviderSession<'a> {
    /// The same, named by its `sid` alone, for an answer in which no token may stand.
    pub(crate) fn without_token(&self) -> Self {
        Self { id_token: None, ..*self }
    }

    /// The address that ends it and then returns to `return_to`: the end-session endpoint of the
    /// provider's metadata (RP-Initiated Logout §2), else Auth0's older `/v2/logout`.
    ///
    /// Nothing in it comes from a request, and no access token is in it (R107, R108). The older
    /// address takes no `state`, and its `returnTo` must be the allowed one to the letter.
    pub(crate) fn logout(
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

/// Servers and proxies begin to refuse longer addresses (R113).
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
    fn r101_where_no_token_may_stand_the_session_is_named_by_its_id() {
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
    fn an_older_tenant_gets_auth0s_own_form() {
        assert_eq!(
            logout_url(None, "a.b.c"),
            "https://tenant.auth0.com/v2/logout?client_id=client&returnTo=https%3A%2F%2Fus.example%2Fsigned-out"
        );
    }

    /// What does not come back must not be waited for.
    #[test]
    fn r109_a_state_is_kept_where_it_is_sent() {
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
    fn r113_a_token_that_is_too_long_for_an_address_gives_way_to_the_session_id() {
        let url = logout_url(END_SESSION, &"x".repeat(MAXIMUM_LENGTH));
        assert!(
            url.contains("?logout_hint=sid-1&client_id=client&") && !url.contains("id_token_hint"),
            "{url}"
        );
    }
}
