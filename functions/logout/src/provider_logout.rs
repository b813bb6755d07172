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

impl<'a> ProviderSession<'a> {
    /// The same, named by its `sid` alone, for an answer in which no token may stand.
    pub(crate) fn without_token(&self) -> Self {
        Self { id_token: None, ..*self }
    }

    /// The address that ends it and then returns to `return_to`: the end-session endpoint of the
    /// provider's metadata (RP-Initiated Logout §2), else Auth0's older `/v2/logout`.
    ///
    /// Nothing in it comes from a request, and no access token is in it (R107, R108).
    pub(crate) fn logout_url(&self, metadata: &Metadata, return_to: &str, state: &str) -> Url {
        let Some(endpoint) = &metadata.end_session_endpoint else {
            let mut url = metadata.issuer.url().clone();
            url.set_path("/v2/logout");
            url.query_pairs_mut()
                .append_pair("client_id", self.client_id)
                .append_pair("returnTo", return_to);
            return url;
        };
        let with_hint = |hint: Option<(&str, &str)>| {
            let mut url = endpoint.clone();
            let mut query = url.query_pairs_mut();
            query.extend_pairs(hint);
            query
                .append_pair("client_id", self.client_id)
                .append_pair("post_logout_redirect_uri", return_to)
                .append_pair("state", state);
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
        session.logout_url(&metadata(endpoint), "https://us.example/signed-out", "st").into()
    }

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
        let url = session.without_token().logout_url(
            &metadata(END_SESSION),
            "https://us.example/signed-out",
            "st",
        );
        assert!(
            url.as_str().contains("?logout_hint=sid-1&client_id=client&")
                && !url.as_str().contains("a.b.c"),
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

    #[test]
    fn r113_a_token_that_is_too_long_for_an_address_gives_way_to_the_session_id() {
        let url = logout_url(END_SESSION, &"x".repeat(MAXIMUM_LENGTH));
        assert!(
            url.contains("?logout_hint=sid-1&client_id=client&") && !url.contains("id_token_hint"),
            "{url}"
        );
    }
}
