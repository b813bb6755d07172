//! The recorded shapes of other providers: `tests/shapes/NAME.json`.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use shared::{
    clock::Clock,
    testing::tokens::{TEST_KEY, changed, key_set_document},
};
use url::Url;

use super::{MisbehavingProvider, Paths, listen};

/// What a provider publishes and issues, as its documentation prints it. Names and keys are our own.
///
/// | member | contents |
/// |---|---|
/// | `sources` | the addresses of the documentation |
/// | `settings` | the settings that the provider needs, beside `AUTH_HOST` and `AUTH_ENDPOINT_HOSTS` |
/// | `metadata` | the discovery document |
/// | `key` | members of the key that differ from those of our test key; `null` removes one |
/// | `header`, `id_token`, `access_token` | members that differ from Auth0's; `null` removes one |
#[derive(Clone, Debug)]
pub struct Shape(Value);

impl Shape {
    /// The shape in `tests/shapes/NAME.json`.
    #[must_use]
    pub fn recorded(name: &str) -> Self {
        let text = fs::read_to_string(Self::folder().join(format!("{name}.json"))).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// The shape with these members.
    #[must_use]
    pub const fn of(members: Value) -> Self {
        Self(members)
    }

    /// The names of all recorded shapes.
    #[must_use]
    pub fn names() -> BTreeSet<String> {
        fs::read_dir(Self::folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    fn folder() -> std::path::PathBuf {
        crate::project().join("tests/shapes")
    }

    /// The settings that the provider needs, beside `AUTH_HOST` and `AUTH_ENDPOINT_HOSTS`.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let settings = self.0["settings"].as_object().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        settings.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// The same shape with each of `origins` replaced.
    fn at(&self, origins: &[(String, String)]) -> Self {
        let mut text = self.0.to_string();
        for (from, to) in origins {
            text = text.replace(from, to);
        }
        Self(serde_json::from_str(&text).unwrap())
    }

    fn issuer(&self) -> &str {
        self.0["metadata"]["issuer"].as_str().unwrap()
    }

    /// The address in this member of the metadata.
    fn url(&self, name: &str) -> Option<Url> {
        self.0["metadata"][name].as_str().map(|url| url.parse().unwrap())
    }
}

/// The members of the metadata that name addresses.
const ENDPOINTS: [&str; 6] = [
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "end_session_endpoint",
    "revocation_endpoint",
    "userinfo_endpoint",
];

impl MisbehavingProvider {
    /// Starts a provider of this shape, with the endpoints on other hosts than the issuer's on a second
    /// port. Also returns the hosts for `AUTH_ENDPOINT_HOSTS`.
    pub async fn in_shape(clock: Clock, shape: &Shape) -> (Self, String) {
        let (own, own_origin) = listen().await;
        let (other, other_origin) = listen().await;
        let origin = |url: &Url| url.origin().ascii_serialization();
        let issuer_origin = origin(&shape.issuer().parse().unwrap());
        let endpoints = ENDPOINTS.iter().filter_map(|name| shape.url(name));
        let mut others: BTreeSet<_> = endpoints.map(|url| origin(&url)).collect();
        others.remove(&issuer_origin);
        let has_others = !others.is_empty();
        let others = others.into_iter().map(|from| (from, other_origin.clone()));
        let origins: Vec<_> = [(issuer_origin, own_origin)].into_iter().chain(others).collect();
        let shape = shape.at(&origins);

        let provider = Self::new(clock, shape.issuer().to_owned());
        {
            let part = |name: &str| shape.0[name].clone();
            let mut state = provider.state();
            state.metadata = shape.0["metadata"].clone();
            for name in ENDPOINTS {
                state.metadata.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
            }
            state.sends_issuer =
                state.metadata["authorization_response_iss_parameter_supported"] == true;
            state.keys = key_set_document(&[&TEST_KEY]);
            state.keys["keys"][0] = changed(state.keys["keys"][0].take(), &part("key"));
            state.key_id = shape.0["key"]["kid"].as_str().map(str::to_owned);
            state.header = part("header");
            state.of_logins.claims = part("id_token");
            state.of_logins.access_token_claims = part("access_token");
        }
        let path = |name| shape.url(name).map(|url: Url| url.path().to_owned());
        let paths = Paths {
            metadata: format!(
                "{}/.well-known/openid-configuration",
                Url::parse(shape.issuer()).unwrap().path().trim_end_matches('/')
            ),
            keys: path("jwks_uri").unwrap(),
            token: path("token_endpoint").unwrap(),
            revocation: path("revocation_endpoint").unwrap_or_else(|| "/none".to_owned()),
            user_info: path("userinfo_endpoint").unwrap(),
        };
        provider.serve(own, &paths);
        provider.serve(other, &paths);
        let hosts = other_origin.trim_start_matches("http://").to_owned();
        (provider, if has_others { hosts } else { String::new() })
    }
}
