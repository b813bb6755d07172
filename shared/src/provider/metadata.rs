//! The discovery document.

use serde::Deserialize;
use url::Url;

use crate::{issuer::Issuer, jwt::Algorithm};

use super::{ClientAuthentication, ProviderError, error_response::one_line};

/// The fields of the provider's metadata that are used (OpenID Connect Discovery §3).
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The provider that the document describes.
    pub issuer: Issuer,
    /// The endpoint that a browser is sent to for the login.
    pub authorization_endpoint: Url,
    /// The endpoint that redeems codes.
    pub token_endpoint: Url,
    /// The address of the signing keys.
    pub jwks_uri: Url,
    /// The endpoint that a browser is sent to for the logout (RP-Initiated Logout §2.1). Auth0
    /// publishes it only for tenants created since November 2023.
    pub end_session_endpoint: Option<Url>,
    /// The endpoint that revokes refresh tokens (RFC 7009 §2), if the provider has one.
    pub revocation_endpoint: Option<Url>,
    /// The endpoint with the claims about the user (OpenID Connect Core §5.3), if the provider has one. It
    /// may be on any host, because it is not requested by default; its host is checked at the request.
    pub userinfo_endpoint: Option<Url>,
    /// The algorithms that its tokens may be signed with: RS256 always (Discovery §3), plus those that
    /// it advertises and we support.
    pub algorithms: Vec<Algorithm>,
    /// How the application authenticates unless `CLIENT_AUTH` is set: as the provider offers, in the form
    /// where there is a choice.
    pub client_authentication: ClientAuthentication,
    /// Whether every authorization response contains `iss` (RFC 9207 §3). If so, a response without it
    /// comes from another provider.
    pub authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Parses a discovery document that was fetched for `issuer`.
    ///
    /// # Errors
    ///
    /// When it is not a discovery document, belongs to another issuer, or has an endpoint on a host that
    /// is not the issuer's.
    pub fn parse(bytes: &[u8], issuer: &Issuer) -> Result<Self, ProviderError> {
        let document: DiscoveryDocument = serde_json::from_slice(bytes)
            .map_err(|error| ProviderError::Malformed(format!("metadata: {error}")))?;
        if document.issuer != issuer.as_str() {
            return Err(ProviderError::WrongIssuer {
                expected: issuer.as_str().into(),
                received: one_line(&document.issuer, LONGEST_ISSUER).into(),
            });
        }
        let own = |name: &'static str, url: String| {
            let url = Url::parse(&url)
                .map_err(|_| ProviderError::Malformed(format!("metadata: `{name}` is no URL")))?;
            if issuer.owns(&url) { Ok(url) } else { Err(ProviderError::ForeignEndpoint(name)) }
        };
        let mut algorithms = vec![Algorithm::Rs256];
        for name in &document.id_token_signing_alg_values_supported {
            if let Some(algorithm) = Algorithm::from_name(name)
                && !algorithms.contains(&algorithm)
            {
                algorithms.push(algorithm);
            }
        }
        Ok(Self {
            issuer: issuer.clone(),
            authorization_endpoint: own("authorization_endpoint", document.authorization_endpoint)?,
            token_endpoint: own("token_endpoint", document.token_endpoint)?,
            jwks_uri: own("jwks_uri", document.jwks_uri)?,
            end_session_endpoint: document
                .end_session_endpoint
                .map(|url| own("end_session_endpoint", url))
                .transpose()?,
            revocation_endpoint: document
                .revocation_endpoint
                .map(|url| own("revocation_endpoint", url))
                .transpose()?,
            userinfo_endpoint: document.userinfo_endpoint.and_then(|url| Url::parse(&url).ok()),
            algorithms,
            client_authentication: match &document.token_endpoint_auth_methods_supported {
                // Auth0 offers both.
                None if issuer.is_auth0() => ClientAuthentication::Post,
                Some(offered) if offered.iter().any(|name| name == "client_secret_post") => {
                    ClientAuthentication::Post
                }
                // The default of Discovery §3.
                None | Some(_) => ClientAuthentication::Basic,
            },
            authorization_response_iss_parameter_supported: document
                .authorization_response_iss_parameter_supported,
        })
    }
}

/// The maximum length of a foreign issuer in the log, in characters.
const LONGEST_ISSUER: usize = 200;

#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_document_is_parsed_and_only_supported_algorithms_are_kept() {
        let algorithms = json!(["HS256", "PS256", "none", "RS256"]);
        let metadata = with("id_token_signing_alg_values_supported", algorithms).unwrap();
        assert_eq!(metadata.algorithms, [Algorithm::Rs256, Algorithm::Ps256]);
        assert_eq!(metadata.jwks_uri.as_str(), "https://tenant.auth0.com/.well-known/jwks.json");
        assert_eq!(metadata.end_session_endpoint, None);
        assert!(!metadata.authorization_response_iss_parameter_supported);
    }

    #[test]
    fn r195_the_error_contains_the_expected_and_the_received_issuer_on_one_bounded_line() {
        let long = format!("https://evil/{}", "a".repeat(10_000));
        for (received, shown) in [
            ("https://tenant.auth0.com", "https://tenant.auth0.com"),
            ("https://evil/\r\n\u{202e}x", "https://evil/ x"),
            (&long, &long[..200]),
        ] {
            let message = with("issuer", received.into()).unwrap_err().to_string();
            let named = format!("expected `https://tenant.auth0.com/`, received `{shown}`");
            assert!(message.ends_with(&named), "{message}");
        }
    }

    /// R71.
    #[test]
    fn r071_an_endpoint_on_another_origin_is_refused() {
        let endpoints = [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "end_session_endpoint",
            "revocation_endpoint",
        ];
        for name in endpoints {
            for url in [
                "http://tenant.auth0.com/x",
                "https://evil/x",
                "https://169.254.169.254/x",
                "https://localhost/x",
                "https://tenant.auth0.com:8443/x",
                "https://user@tenant.auth0.com/x",
                "file:///etc/passwd",
            ] {
                let refused = with(name, url.into()).unwrap_err();
                let named =
                    matches!(refused, ProviderError::ForeignEndpoint(found) if found == name);
                assert!(named, "{name} {url}");
            }
        }
    }

    #[test]
    fn the_form_carries_the_secret_unless_only_the_header_is_offered() {
        use ClientAuthentication::{Basic, Post};
        for (offered, expected) in [
            (json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]), Post),
            (json!(["client_secret_post"]), Post),
            (json!(["client_secret_basic"]), Basic),
            (json!(["private_key_jwt"]), Basic),
            (Value::Null, Post),
        ] {
            let metadata = with("token_endpoint_auth_methods_supported", offered).unwrap();
            assert_eq!(metadata.client_authentication, expected);
        }
        let issuer = Issuer::parse("https://login.example.com/realms/main").unwrap();
        let mut document = document();
        document["issuer"] = issuer.as_str().into();
        let document = document.to_string().replace("tenant.auth0.com", "login.example.com");
        let metadata = Metadata::parse(document.as_bytes(), &issuer).unwrap();
        assert_eq!(metadata.client_authentication, Basic);
    }

    /// R39.
    #[test]
    fn r039_a_text_that_is_not_a_discovery_document_is_malformed() {
        let mut wrong_type = document();
        wrong_type["jwks_uri"] = json!(7);
        let mut missing = document();
        missing.as_object_mut().unwrap().remove("token_endpoint");
        for text in
            ["".into(), "<html>".into(), "[]".into(), wrong_type.to_string(), missing.to_string()]
        {
            let refused = Metadata::parse(String::as_bytes(&text), &issuer()).unwrap_err();
            assert!(matches!(refused, ProviderError::Malformed(_)), "{text}");
        }
    }

    fn issuer() -> Issuer {
        Issuer::parse("tenant.auth0.com").unwrap()
    }

    /// The metadata of a valid document, with `value` as its member `name`.
    fn with(name: &str, value: Value) -> Result<Metadata, ProviderError> {
        let mut document = document();
        document[name] = value;
        Metadata::parse(document.to_string().as_bytes(), &issuer())
    }

    fn document() -> Value {
        json!({
            "issuer": "https://tenant.auth0.com/",
            "authorization_endpoint": "https://tenant.auth0.com/authorize",
            "token_endpoint": "https://tenant.auth0.com/oauth/token",
            "jwks_uri": "https://tenant.auth0.com/.well-known/jwks.json",
        })
    }
}
