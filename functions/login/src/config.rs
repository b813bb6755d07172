//! The settings of the login function.

use shared::{
    guard::{EmailPolicy, OrganizationPolicy, RouteRules},
    jwt,
    login::{cookies::LoginCookies, request::ResponseMode},
    pages::Branding,
    provider::{application::Application, login_method::LoginMethod},
    secrets::stored_secret::SecretSource,
    session::SessionLimits,
    settings::{Settings, all_of},
    web::{base_url::BaseUrl, cors::AllowedOrigins},
};

/// The settings of the login function.
#[derive(Debug)]
pub struct LoginConfig {
    /// The application at the identity provider.
    pub application: Application,
    /// The URL under which the bundle is reached.
    pub base_url: BaseUrl,
    /// The name, the logo and the colour on the pages.
    pub branding: Branding,
    /// The origins that may read the metadata of the API.
    pub origins: AllowedOrigins,
    /// The login methods on the login page.
    pub connections: Connections,
    /// How long sessions live.
    pub limits: SessionLimits,
    /// Seals login attempts into cookies.
    pub login_cookies: LoginCookies,
    /// The organization to which a login must belong.
    pub organization: OrganizationPolicy,
    /// How the provider sends its response to the callback.
    pub response_mode: ResponseMode,
    /// What each route requires. A login may be started for one of them.
    pub routes: Option<RouteRules>,
    /// The requested scopes, separated by spaces (RFC 6749 §3.3).
    pub scope: String,
    /// Whether the key page shows the token.
    pub show_key: bool,
}

/// Which login methods the login page lists.
#[derive(Debug)]
pub enum Connections {
    /// The methods that the provider offers.
    AskProvider,
    /// A fixed list. An empty list shows a single login button.
    Listed(Vec<LoginMethod>),
}

impl LoginConfig {
    /// Reads the settings of the login function.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let application = Application::from_settings(settings);
        let is_auth0 = application.as_ref().is_none_or(|application| application.issuer.is_auth0());
        let scope = requested_scope(settings);
        let email = EmailPolicy::from_settings(settings);
        if let (Some(scope), Some(email)) = (&scope, email)
            && !email.is_empty()
            && !scope.split(' ').any(|scope| scope == "email")
        {
            settings.fault("SCOPE", "must contain `email`, because people need certain addresses");
        }
        let secrets = SecretSource::from_settings(settings);
        all_of!(Self {
            application,
            base_url: BaseUrl::from_settings(settings),
            branding: Branding::from_settings(settings),
            connections: Connections::from_settings(settings, is_auth0),
            limits: SessionLimits::from_settings(settings),
            login_cookies: LoginCookies::from_settings(settings, &secrets, base_url.as_ref()),
            organization: OrganizationPolicy::from_settings(settings),
            origins: AllowedOrigins::from_settings(settings),
            response_mode: ResponseMode::from_settings(settings),
            routes: RouteRules::from_settings(settings).ok(),
            scope,
            show_key: settings.flag("SHOW_KEY", true),
        })
    }
}

impl Connections {
    /// Reads `CONNECTIONS`. Only Auth0 publishes a list.
    pub fn from_settings(settings: &mut Settings, is_auth0: bool) -> Option<Self> {
        let default = if is_auth0 { Self::AskProvider } else { Self::Listed(Vec::new()) };
        settings.with_default("CONNECTIONS", default, |text| {
            if text == "none" {
                return Ok(Self::Listed(Vec::new()));
            }
            let methods: Option<Vec<_>> =
                text.split(',').map(|name| LoginMethod::named(name.trim())).collect();
            methods
                .map(Self::Listed)
                .ok_or("must be `none` or a comma-separated list of connection names")
        })
    }
}

/// Reads `SCOPE`: the scopes that a login requests, separated by spaces.
pub fn requested_scope(settings: &mut Settings) -> Option<String> {
    settings.with_default("SCOPE", "openid email".to_owned(), |text| {
        let scopes: Vec<_> = text.split_whitespace().collect();
        if !scopes.contains(&"openid") {
            return Err("must contain `openid`");
        }
        if !scopes.iter().all(|scope| jwt::is_scope(scope)) {
            return Err("must be scopes separated by spaces");
        }
        Ok(scopes.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use shared::texts::{Language, Texts};

    use super::*;

    static ENGLISH: &Texts = Language::English.texts();

    fn read(values: &[(&str, &str)]) -> Result<LoginConfig, String> {
        let required = [
            ("AUTH_HOST", "tenant.auth0.com"),
            ("CLIENT_ID", "client"),
            ("SECRET_KEY", "GJ5cWzkR8xHc1vXq9tYb3nMf7sLd2pQa"),
        ];
        let settings = Settings::from_values(required.iter().chain(values).copied());
        settings.read(LoginConfig::from_settings).map_err(|error| error.to_string())
    }

    #[test]
    fn optional_settings_have_defaults() {
        let config = read(&[]).unwrap();
        assert_eq!(config.scope, "openid email");
        assert!(config.show_key);
        assert!(matches!(config.connections, Connections::AskProvider));
        assert_eq!(config.base_url, BaseUrl::Gateway);
    }

    #[test]
    fn a_scope_without_openid_is_a_fault() {
        assert_eq!(read(&[("SCOPE", "openid  profile")]).unwrap().scope, "openid profile");
        let domains = ("ALLOWED_EMAIL_DOMAINS", "example.com");
        assert!(
            read(&[("SCOPE", "openid"), domains])
                .unwrap_err()
                .contains("SCOPE must contain `email`")
        );
        assert!(read(&[("SCOPE", "openid email"), domains]).is_ok());
        assert!(read(&[("SCOPE", "email")]).unwrap_err().contains("SCOPE must contain `openid`"));
        assert!(read(&[("SCOPE", "openid a\"b")]).unwrap_err().contains("SCOPE"));
    }

    #[test]
    fn only_auth0_is_asked_for_its_login_methods() {
        for other in [("PROVIDER_NAME", "Example"), ("AUTH_HOST", "https://a.example/realms/b")] {
            let connections = read(&[other]).unwrap().connections;
            assert!(matches!(connections, Connections::Listed(methods) if methods.is_empty()));
        }
    }

    #[test]
    fn connections_are_a_list_or_the_word_none() {
        let Connections::Listed(methods) =
            read(&[("CONNECTIONS", "github, Username-Password-Authentication")])
                .unwrap()
                .connections
        else {
            panic!("not listed")
        };
        assert_eq!(
            methods.iter().map(|method| method.label(ENGLISH)).collect::<Vec<_>>(),
            ["GitHub", "Email and password"]
        );
        let Connections::Listed(none) = read(&[("CONNECTIONS", "none")]).unwrap().connections
        else {
            panic!("not listed")
        };
        assert!(none.is_empty());
        assert!(read(&[("CONNECTIONS", "a b<c>")]).unwrap_err().contains("CONNECTIONS"));
    }

    #[test]
    fn r177_every_fault_is_reported_together() {
        let message = read(&[
            ("AUTH_HOST", "http://tenant.auth0.com"),
            ("SECRET_KEY", "hunter2"),
            ("BASE_URL", "api"),
            ("SHOW_KEY", "maybe"),
        ])
        .unwrap_err();
        for variable in ["AUTH_HOST", "SECRET_KEY", "BASE_URL", "SHOW_KEY"] {
            assert!(message.contains(variable), "{message}");
        }
        assert!(!message.contains("hunter2"));
    }
}
