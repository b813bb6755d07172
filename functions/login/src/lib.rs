//! `GET /`: the login page, or the key page for a logged-in user. `GET /login`: starts a login with a
//! redirect to the provider (OpenID Connect Core §3.1.2.1).

mod config;
mod home;
mod start;

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use shared::{
    clock::Timestamp,
    crypto::random::Random,
    dependencies::Dependencies,
    discovery::{keys::Keys, login_methods::LoginMethods},
    pages::respond::Responder,
    session::Sessions,
    web::{
        cookie::CookieJar,
        request::{Function, Request, Response},
    },
};

pub use config::{Connections, LoginConfig};

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
                Arc::clone(&dependencies.store),
                application,
            ),
            random: dependencies.random.clone(),
            responder: Responder::new(&application.issuer, &config.base_url, &dependencies.random),
            sessions: Sessions::new(
                Arc::clone(&dependencies.store),
                config.limits,
                dependencies.random.clone(),
            ),
            config,
        }
    }
}

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
            _ => self.responder.not_found(&request),
        }
    }
}
