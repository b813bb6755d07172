//! The four functions in one process.

use callback::{Callback, CallbackConfig};
use http::{HeaderMap, Method, header};
use login::{Login, LoginConfig};
use logout::Logout;
use protected::Protected;
use shared::{
    base_url::BaseUrl,
    clock::Timestamp,
    config::Settings,
    guard::GuardConfig,
    request::{Request, Response},
    respond::Responder,
    seams::Seams,
};

/// Every function, plugged into the same store and the same provider.
#[derive(Debug)]
pub struct Bundle {
    base_url: BaseUrl,
    callback: Callback,
    login: Login,
    logout: Logout,
    protected: Protected,
    responder: Responder,
}

/// The settings of every function.
#[derive(Debug)]
pub struct BundleConfig {
    callback: CallbackConfig,
    guard: GuardConfig,
    login: LoginConfig,
}

impl BundleConfig {
    /// Reads what the functions use.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let callback = CallbackConfig::from_settings(settings);
        let guard = GuardConfig::from_settings(settings);
        let login = LoginConfig::from_settings(settings);
        Some(Self { callback: callback?, guard: guard?, login: login? })
    }
}

impl Bundle {
    /// The functions with `config`, plugged into `seams`.
    pub fn new(config: BundleConfig, seams: &Seams) -> Self {
        let base_url = config.guard.base_url.clone();
        Self {
            callback: Callback::new(config.callback, seams),
            login: Login::new(config.login, seams),
            logout: Logout::new(config.guard.clone(), seams),
            responder: Responder::new(
                config.guard.application.issuer.clone(),
                base_url.clone(),
                seams.random.clone(),
            ),
            protected: Protected::new(config.guard, seams),
            base_url,
        }
    }

    /// Hands `request` to the function that serves its path, as the gateway does when deployed.
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response {
        if let Some(address) = self.own_address(&request) {
            return self.responder.see_other(&address);
        }
        let path = request.uri().path();
        let is_served_by = |paths: &[&str]| paths.contains(&path);
        if is_served_by(&login::PATHS) {
            self.login.handle(request, now).await
        } else if is_served_by(&callback::PATHS) {
            self.callback.handle(request, now).await
        } else if is_served_by(&protected::PATHS) {
            self.protected.handle(request, now).await
        } else if is_served_by(&logout::PATHS) {
            self.logout.handle(request, now).await
        } else {
            self.responder.not_found(&request)
        }
    }

    /// Where a browser should have gone that opened a page by another of this machine's names, say
    /// `127.0.0.1` for `localhost`: the callback will not be told the cookies set here.
    fn own_address(&self, request: &Request) -> Option<String> {
        let BaseUrl::Fixed(origin) = &self.base_url else { return None };
        let is_elsewhere = host(request.headers())
            .is_some_and(|host| origin.split_once("://").is_some_and(|(_, own)| own != host));
        let is_page =
            matches!(request.uri().path(), "/" | "/login") && request.method() == Method::GET;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        (is_elsewhere && is_page && !self.base_url.is_https()).then(|| format!("{origin}{path}"))
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}
