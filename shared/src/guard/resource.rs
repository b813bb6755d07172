//! Protected resource metadata (RFC 9728): a client that knows only the API learns which provider
//! issues its tokens.

use http::{HeaderValue, header};
use serde_json::{Value, json};

use crate::{provider::application::Application, web::error::Public};

/// The path of the metadata. The path of the resource follows it (§3.1).
pub const PATH: &str = "/.well-known/oauth-protected-resource";

/// Scopes of OpenID Connect, which concern the login and no API.
const LOGIN_SCOPES: [&str; 6] =
    ["openid", "profile", "email", "address", "phone", "offline_access"];

/// The API as a protected resource.
pub struct ProtectedResource<'a> {
    application: &'a Application,
    resource: &'a str,
    origin: &'a str,
    path: &'a str,
}

impl<'a> ProtectedResource<'a> {
    /// The resource that `AUDIENCE` names.
    ///
    /// `None` if that is not an address under `origin`. A client must reject metadata whose
    /// `resource` is not the address that it called (§3.3), and Auth0 issues tokens for no other
    /// name than `AUDIENCE`.
    pub fn of(application: &'a Application, origin: &'a str) -> Option<Self> {
        let resource = application.audience.as_deref()?;
        let path = resource.strip_prefix(origin)?;
        let is_address = path.is_empty() || path.starts_with('/');
        (is_address && !path.contains(['?', '#'])).then_some(Self {
            application,
            resource,
            origin,
            path: if path == "/" { "" } else { path },
        })
    }

    /// Whether `path` is the path of the metadata.
    pub fn is_at(&self, path: &str) -> bool {
        path.strip_prefix(PATH) == Some(self.path)
    }

    /// The metadata (§2), with those of the requested `scopes` that concern an API.
    pub fn metadata(&self, scopes: &str) -> Value {
        let scopes = scopes.split(' ').filter(|scope| !LOGIN_SCOPES.contains(scope));
        json!({
            "resource": self.resource,
            "authorization_servers": [self.application.issuer.as_str()],
            "scopes_supported": scopes.collect::<Vec<_>>(),
            "bearer_methods_supported": ["header"],
        })
    }

    /// Adds the address of the metadata to the challenge of `public` (§5.1).
    pub(super) fn point_out(&self, public: &mut Public) {
        let Self { origin, path, .. } = self;
        let challenges =
            public.headers.iter_mut().filter(|(name, _)| *name == header::WWW_AUTHENTICATE);
        for (_, challenge) in challenges {
            let text = challenge.to_str().unwrap_or(r#"Bearer realm="api""#);
            let text = format!(r#"{text}, resource_metadata="{origin}{PATH}{path}""#);
            if let Ok(value) = HeaderValue::try_from(text) {
                *challenge = value;
            }
        }
    }
}
