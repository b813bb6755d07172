//! Runs all functions in one process.

use std::collections::BTreeMap;

use async_trait::async_trait;
use callback::{Callback, CallbackConfig};
use http::{HeaderMap, Method, header};
use login::{Login, LoginConfig};
use logout::{Logout, LogoutConfig};
use refresh::{Refresh, RefreshConfig};
use shared::{
    clock::Timestamp,
    dependencies::Dependencies,
    guard::{GuardConfig, Guarded, ProtectedFunction},
    pages::respond::Responder,
    settings::{Settings, all_of},
    web::{
        base_url::BaseUrl,
        request::{Function, Request, Response},
    },
};

/// Makes a function.
type Make = fn(&Guarding<'_>) -> Box<dyn Function>;

/// The functions made from `functions/protected`, each with the name of its crate.
const GUARDED: &[(&str, Make)] = &[
    // `local/new-function` adds a line for each new function.
    ("protected", |guarding| guarding.function(protected::Protected)),
];

/// The crates that a local run logs.
pub fn programs() -> Vec<&'static str> {
    let guarded = GUARDED.iter().map(|(name, _)| *name);
    ["callback", "local", "login", "logout", "refresh"].into_iter().chain(guarded).collect()
}

/// What the functions of [`GUARDED`] are made with.
struct Guarding<'a> {
    config: GuardConfig,
    dependencies: &'a Dependencies,
}

impl Guarding<'_> {
    fn function(&self, protected: impl ProtectedFunction + 'static) -> Box<dyn Function> {
        Box::new(Guarded::new(protected, self.config.clone(), self.dependencies))
    }
}

/// All functions, with the same store and the same provider.
pub struct Bundle {
    base_url: BaseUrl,
    /// Each function with the name of its binary.
    functions: Vec<(&'static str, Box<dyn Function>)>,
    responder: Responder,
}

/// The settings of every function.
#[derive(Debug)]
pub struct BundleConfig {
    callback: CallbackConfig,
    guard: GuardConfig,
    login: LoginConfig,
    logout: LogoutConfig,
    refresh: RefreshConfig,
}

impl BundleConfig {
    /// Reads the settings of all functions.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        all_of!(Self {
            callback: CallbackConfig::from_settings(settings),
            guard: GuardConfig::from_settings(settings),
            login: LoginConfig::from_settings(settings),
            logout: LogoutConfig::from_settings(settings),
            refresh: RefreshConfig::from_settings(settings),
        })
    }
}

impl Bundle {
    /// Creates the functions from `config` and `dependencies`.
    pub fn new(config: BundleConfig, dependencies: &Dependencies) -> Self {
        let guarding = Guarding { config: config.guard, dependencies };
        let mut functions: Vec<(_, Box<dyn Function>)> = vec![
            ("callback", Box::new(Callback::new(config.callback, dependencies))),
            ("login", Box::new(Login::new(config.login, dependencies))),
            ("logout", Box::new(Logout::new(config.logout, dependencies))),
            ("refresh", Box::new(Refresh::new(config.refresh, dependencies))),
        ];
        functions.extend(GUARDED.iter().map(|(name, make)| (*name, make(&guarding))));
        let GuardConfig { application, base_url, .. } = guarding.config;
        Self {
            functions,
            responder: Responder::new(&application.issuer, &base_url, &dependencies.random),
            base_url,
        }
    }

    /// The function with this binary.
    pub fn function(&self, binary: &str) -> Option<&dyn Function> {
        let found = self.functions.iter().find(|(name, _)| *name == binary);
        found.map(|(_, function)| &**function)
    }

    /// The binary that serves each path, as a gateway must route it.
    pub fn routes(&self) -> BTreeMap<&'static str, &'static str> {
        let functions = self.functions.iter();
        functions
            .flat_map(|(name, function)| function.paths().iter().map(|path| (*path, *name)))
            .collect()
    }

    fn own_address(&self, request: &Request) -> Option<String> {
        let BaseUrl::Fixed(origin) = &self.base_url else { return None };
        own_address(origin, request)
    }
}

#[async_trait]
impl Function for Bundle {
    fn paths(&self) -> &'static [&'static str] {
        &["/", "/{*path}"]
    }

    /// Passes `request` to the function that serves its path, as the gateway of a deployment does.
    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        if let Some(address) = self.own_address(&request) {
            return self.responder.see_other(&address);
        }
        let serves = |path: &str| {
            self.functions.iter().find(|(_, function)| function.paths().contains(&path))
        };
        // The function of `/` also serves requests without a route, as in `template.yaml`.
        match serves(request.uri().path()).or_else(|| serves("/")) {
            Some((_, function)) => function.handle(request, now).await,
            None => self.responder.not_found(&request),
        }
    }
}

/// The address under `origin` if the browser used another name of this machine, for example
/// `127.0.0.1` for `localhost`. The callback would not receive the cookies set under that name.
pub(crate) fn own_address<B>(origin: &str, request: &http::Request<B>) -> Option<String> {
    let own = origin.strip_prefix("http://")?;
    let is_elsewhere = host(request.headers()).is_some_and(|host| own != host);
    let is_page = matches!(request.uri().path(), "/" | "/login") && request.method() == Method::GET;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    (is_elsewhere && is_page).then(|| format!("{origin}{path}"))
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}
