//! `GET /`: the login page, or the key page for a logged-in user. `GET /login`: starts a login with a
//! redirect to the provider (OpenID Connect Core §3.1.2.1).
//! `GET /.well-known/oauth-protected-resource`: the metadata of the API (RFC 9728).

mod config;
mod home;
mod start;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use shared::{
    clock::Timestamp,
    crypto::random::Random,
    dependencies::Dependencies,
    discovery::{keys::Keys, login_methods::LoginMethods},
    guard::resource::{self, ProtectedResource},
    pages::respond::Responder,
    session::Sessions,
    web::{
        cookie::CookieJar,
        request::{Function, Request, Response},
    },
};

pub use config::{Connections, LoginConfig, requested_scope};

/// The login function.
#[derive(Debug)]
pub struct Login {
    config: LoginConfig,
    cookies: CookieJar,
    keys: Arc<Keys>,
    methods: LoginMethods,
    random: Random,
    responder: Responder,
    sessions: Sessions,
}

impl Login {
    /// Creates the function from `config` and `dependencies`.
    pub fn new(config: LoginConfig, dependencies: &Dependencies) -> Self {
        let application = &config.application;
        Self {
            cookies: CookieJar::new(&config.base_url),
            keys: Arc::clone(&dependencies.keys),
            methods: LoginMethods::new(
                Arc::clone(&dependencies.provider),
                dependencies.store.clone(),
                application,
            ),
            random: dependencies.random.clone(),
            responder: Responder::new(&application.issuer, &config.base_url, &dependencies.random)
                .branded(config.branding.clone()),
            sessions: dependencies.sessions(config.limits),
            config,
        }
    }
}

impl Login {
    /// The metadata of the API, if `AUDIENCE` is its address.
    fn resource_metadata(&self, request: &Request) -> Response {
        let LoginConfig { application, base_url, origins, scope, .. } = &self.config;
        let origin = base_url.resolve(request).unwrap_or_default();
        let resource = ProtectedResource::of(application, &origin)
            .filter(|resource| resource.is_at(request.uri().path()));
        let mut response = match (resource, request.method()) {
            (None, _) => return self.responder.not_found(request),
            (Some(_), &Method::OPTIONS) => {
                return self.responder.preflight(request, origins, METADATA_METHODS);
            }
            (Some(resource), &Method::GET | &Method::HEAD) => {
                self.responder.json(StatusCode::OK, &resource.metadata(scope))
            }
            (Some(_), _) => self.responder.method_not_allowed(request, METADATA_METHODS),
        };
        origins.share(request, &mut response);
        response
    }
}

const METADATA_METHODS: &str = "GET, HEAD, OPTIONS";

/// Also serves requests without a route.
#[async_trait]
impl Function for Login {
    fn paths(&self) -> &'static [&'static str] {
        &["/", "/login"]
    }

    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        match (request.uri().path(), request.method()) {
            ("/", &Method::GET | &Method::HEAD) => self.home(&request, now).await,
            ("/", _) => self.responder.method_not_allowed(&request, "GET, HEAD"),
            ("/login", &Method::GET) => self.start(&request, now).await,
            ("/login", _) => self.responder.method_not_allowed(&request, "GET"),
            (path, _) if path.starts_with(resource::PATH) => self.resource_metadata(&request),
            _ => self.responder.not_found(&request),
        }
    }
}
