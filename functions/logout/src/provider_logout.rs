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

/// What is left to do at the provider after a logout here.
pub(crate) enum AtProvider {
    /// The provider offers no logout, so its session goes on.
    NotOffered,
    /// The browser is sent there.
    Redirect(ProviderLogout),
    /// The provider is unavailable, so its session goes on (R111).
    Unreachable,
}

impl AtProvider {
    pub(crate) const fn redirect(&self) -> Option<&ProviderLogout> {
        match self {
            Self::Redirect(logout) => Some(logout),
            Self::NotOffered | Self::Unreachable => None,
        }
    }
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

    /// Builds the URL that ends the session and then returns to `return_to`. `None` if the provider
    /// offers no such URL.
    ///
    /// | provider | URL |
    /// |---|---|
    /// | Cognito | its `/logout`, which accepts no hint and no `state` |
    /// | with `end_session_endpoint` in its metadata | that endpoint (RP-Initiated Logout §2) |
    /// | Auth0, also under a custom domain | its older `/v2/logout`, which accepts no `state` |
    /// | any other, such as Google | none |
    ///
    /// The URL contains nothing from a request and no access token (R107, R108).
    pub fn logout(
        &self,
        metadata: &Metadata,
        return_to: &str,
        state: Option<String>,
    ) -> Option<ProviderLogout> {
        let issuer = &metadata.issuer;
        let own_way = |endpoint: &Url, path, return_parameter| {
            let mut url = endpoint.clone();
            url.set_path(path);
            url.query_pairs_mut()
                .append_pair("client_id", self.client_id)
                .append_pair(return_parameter, return_to);
            ProviderLogout { url: url.into(), state: None }
        };
        match &metadata.end_session_endpoint {
            // Its hosted pages have a domain that the issuer does not have.
            _ if issuer.is_cognito() => {
                Some(own_way(&metadata.authorization_endpoint, "/logout", "logout_uri"))
            }
            Some(endpoint) => {
                let url = self.end_session_url(endpoint, return_to, state.as_deref());
                Some(ProviderLogout { url: url.into(), state })
            }
            None if issuer.is_auth0() => Some(own_way(issuer.url(), "/v2/logout", "returnTo")),
            None => None,
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
    use serde_json::{Value, json};
    use shared::{issuer::Issuer, settings::Settings};

    use super::*;

    fn logout_url(endpoint: Option<&str>, id_token: &str) -> String {
        let session = ProviderSession { id_token: Some(id_token), ..of_session() };
        session.logout(&metadata(endpoint), RETURN_TO, Some("st".to_owned())).unwrap().url
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
        let session = ProviderSession { id_token: Some("a.b.c"), ..of_session() };
        let ProviderLogout { url, .. } =
            session.without_token().logout(&metadata(END_SESSION), RETURN_TO, None).unwrap();
        assert!(
            url.contains("?logout_hint=sid-1&client_id=client&") && !url.contains("a.b.c"),
            "{url}"
        );
    }

    /// https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html
    #[test]
    fn cognitos_logout_gets_its_own_parameter_whatever_the_metadata_names() {
        let (issuer, domain) = (
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1",
            "https://example.auth.eu-central-1.amazoncognito.com",
        );
        for end_session_endpoint in [Value::Null, json!(format!("{domain}/logout"))] {
            let metadata = document(issuer, domain, &end_session_endpoint);
            let url = anyone().logout(&metadata, RETURN_TO, None).unwrap().url;
            assert_eq!(
                url,
                format!(
                    "{domain}/logout?client_id=client&logout_uri=https%3A%2F%2Fus.example%2Fsigned-out"
                )
            );
        }
    }

    /// R111.
    #[test]
    fn r111_a_provider_that_offers_no_logout_gets_no_guessed_url() {
        let (issuer, host) = ("https://login.example.com/realms/main", "https://login.example.com");
        assert!(anyone().logout(&document(issuer, host, &Value::Null), RETURN_TO, None).is_none());
    }

    fn anyone() -> ProviderSession<'static> {
        ProviderSession { client_id: "client", id_token: None, session_id: None }
    }

    fn of_session() -> ProviderSession<'static> {
        ProviderSession { session_id: Some("sid-1"), ..anyone() }
    }

    fn metadata(end_session_endpoint: Option<&str>) -> Metadata {
        let origin = "https://tenant.auth0.com";
        document(&format!("{origin}/"), origin, &json!(end_session_endpoint))
    }

    /// The metadata of `issuer` with its endpoints at `origin`.
    fn document(issuer: &str, origin: &str, end_session_endpoint: &Value) -> Metadata {
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{origin}/oauth2/authorize"),
            "token_endpoint": format!("{origin}/oauth2/token"),
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "end_session_endpoint": end_session_endpoint,
        });
        let host = origin.trim_start_matches("https://");
        let mut settings =
            Settings::from_values([("AUTH_HOST", issuer), ("AUTH_ENDPOINT_HOSTS", host)]);
        let issuer = Issuer::from_settings(&mut settings, "").unwrap();
        Metadata::parse(document.to_string().as_bytes(), &issuer).unwrap()
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
        let logout = |endpoint| {
            anyone().logout(&metadata(endpoint), RETURN_TO, Some("st".to_owned())).unwrap()
        };
        assert_eq!(logout(END_SESSION).state.as_deref(), Some("st"));
        assert!(logout(END_SESSION).url.ends_with("&state=st"));
        assert_eq!(logout(None).state, None);
        let logout = anyone().logout(&metadata(END_SESSION), RETURN_TO, None).unwrap();
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
