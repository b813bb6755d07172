//! The settings of a local run, with assumed values for settings that are missing.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use secrecy::SecretString;
use shared::{clock::Clock, crypto::random::Random, issuer::Issuer, settings::Settings};

use crate::identity_provider::{
    IdentityProvider, Options, StartError, Surroundings, is_plain_loopback,
};

/// The settings of a local run, besides those of the functions.
#[derive(Debug)]
pub struct LocalRun {
    /// The URL under which the bundle is reached.
    pub base_url: String,
    /// The loopback port on which the bundle listens.
    pub port: u16,
    /// The development provider, unless the settings name another one.
    pub provider: Option<DevelopmentProvider>,
    /// The assumed settings, one sentence each.
    pub assumptions: Vec<String>,
}

/// How the development provider is started.
#[derive(Debug)]
pub struct DevelopmentProvider {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The settings of its application.
    pub options: Options,
}

impl LocalRun {
    /// Reads `HOST`, `PORT` and the development provider's settings, and assumes values for missing
    /// settings that the functions need.
    ///
    /// Inside Lambda this is a fault: a memory store and a provider without passwords must not run
    /// there (R178).
    pub fn from_settings(settings: &mut Settings, random: &Random) -> Option<Self> {
        if settings.inside_lambda() {
            settings.fault("AWS_LAMBDA_FUNCTION_NAME", "names a function inside Lambda: `local` is for local runs, deploy the functions instead");
            return None;
        }
        let host =
            settings.with_default("HOST", "localhost".to_owned(), |text| {
                match Issuer::parse(&format!("http://{text}")) {
                    Ok(origin) if origin.url().port().is_none() && origin.url().path() == "/" => {
                        Ok(text.to_owned())
                    }
                    _ => Err("must be a name of this machine, such as `localhost`"),
                }
            });
        let port = port(settings, "PORT", DEFAULT_PORT);
        let provider_port = port_after(settings, port);
        let token_lifetime =
            settings.optional("TOKEN_LIFETIME", |text| match humantime::parse_duration(text) {
                Ok(lifetime) if lifetime >= Duration::from_secs(1) => Ok(lifetime),
                _ => Err("must be a time span such as `2m` or `10h`"),
            });
        let mut assumptions = Vec::new();
        let mut assume = |settings: &mut Settings, variable: &str, value: String, because: &str| {
            if !settings.is_set(variable) {
                assumptions.push(format!("{variable} is not set: {because}"));
            }
            settings.assume(variable, value);
        };
        // A fault in one variable must not cause faults in variables that depend on it.
        let host_name = host.as_deref().unwrap_or("localhost");
        let address = format!("http://{host_name}:{}", port.unwrap_or(DEFAULT_PORT));
        // As a browser writes it: in lower case, and without the port that http implies.
        let base_url = Issuer::parse(&address).map_or(address, |origin| origin.origin());
        assume(settings, "BASE_URL", base_url.clone(), &base_url);
        if !settings.is_set("SECRET_KEY_ARN") {
            let because = "a random one, so logins under way end with this process";
            assume(settings, "SECRET_KEY", random.token(), because);
        }
        let because = "sessions are in memory and end with this process";
        assume(settings, "SESSION_STORE", "memory".to_owned(), because);
        let needs_provider = !settings.is_set("AUTH_HOST");
        if needs_provider {
            let issuer =
                format!("http://localhost:{}/", provider_port.unwrap_or(DEFAULT_PROVIDER_PORT));
            let because =
                format!("the development identity provider at {}", issuer.trim_end_matches('/'));
            if settings.value_of("RESPONSE_MODE") == Some("form_post") {
                settings.fault("RESPONSE_MODE", "must be `query` with the development provider");
            }
            assume(settings, "AUTH_HOST", issuer, &because);
            let client_id = "development-client".to_owned();
            assume(settings, "CLIENT_ID", client_id, "the development provider's application");
            let because = "a random one, known to the development provider";
            assume(settings, "CLIENT_SECRET", random.token(), because);
            let scope = "openid profile email";
            let because = format!("`{scope}`, so that the sample users have names and pictures");
            assume(settings, "SCOPE", scope.to_owned(), &because);
        }
        host?;
        let (port, provider_port, token_lifetime) = (port?, provider_port?, token_lifetime.ok()?);
        let base_url = settings.value_of("BASE_URL")?.trim_end_matches('/').to_owned();
        let provider =
            needs_provider.then(|| provider(settings, &base_url, provider_port, token_lifetime));
        Some(Self { base_url, port, provider, assumptions })
    }

    /// Listens on the bundle's port. Records a fault of `PORT` if that fails.
    #[cfg(feature = "backends")]
    pub fn listen(&self, settings: &mut Settings) -> Option<tokio::net::TcpListener> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        crate::backends::listen(address)
            .map_err(|error| unusable_port(settings, "PORT", address, &error))
            .ok()
    }

    /// Checks that the ports of the bundle and the provider are free. Records a fault of `PORT` or
    /// `PROVIDER_PORT` otherwise.
    pub fn check_ports(&self, settings: &mut Settings) {
        let bundle = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let provider = self.provider.as_ref().map(|provider| ("PROVIDER_PORT", provider.address));
        for (variable, address) in [("PORT", bundle)].into_iter().chain(provider) {
            if let Err(error) = TcpListener::bind(address) {
                unusable_port(settings, variable, address, &error);
            }
        }
    }
}

impl DevelopmentProvider {
    /// Binds the port. Records a fault of `PROVIDER_PORT` if that fails.
    pub async fn bind(self, settings: &mut Settings) -> Option<IdentityProvider> {
        let surroundings = Surroundings::of(settings);
        let (clock, random) = (Clock::system(), Random::system());
        IdentityProvider::bind(self.address, self.options, surroundings, clock, random)
            .await
            .map_err(|error| match error {
                StartError::Bind { address, source } => {
                    unusable_port(settings, "PROVIDER_PORT", address, &source);
                }
                error => settings.fault("PROVIDER_PORT", error),
            })
            .ok()
    }
}

/// Records a fault of `variable`: listening at `address` failed.
pub(crate) fn unusable_port(
    settings: &mut Settings,
    variable: &'static str,
    address: SocketAddr,
    error: &io::Error,
) {
    let port = address.port();
    if error.kind() == io::ErrorKind::AddrInUse {
        let mend = "end that program, or set another port";
        settings.fault(variable, format_args!("{port} is taken by another program: {mend}"));
    } else {
        settings.fault(variable, format_args!("{port} cannot be listened on: {error}"));
    }
}

/// The message at the start: the assumed settings and the address to open.
impl fmt::Display for LocalRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for assumption in &self.assumptions {
            writeln!(f, "{assumption}")?;
        }
        write!(f, "\nOpen {}/ in a browser.\n", self.base_url)
    }
}

fn provider(
    settings: &Settings,
    base_url: &str,
    port: u16,
    token_lifetime: Option<Duration>,
) -> DevelopmentProvider {
    let text = |variable| settings.value_of(variable).unwrap_or_default();
    let mut options = Options::new(text("CLIENT_ID"), SecretString::from(text("CLIENT_SECRET")));
    options.redirect_uris = vec![format!("{base_url}/callback")];
    options.logout_uris = vec![format!("{base_url}/signed-out")];
    // Logout tokens are sent over plain HTTP, so they must stay on this machine.
    options.backchannel_logout_uri =
        Some(format!("{base_url}/backchannel-logout")).filter(|uri| is_plain_loopback(uri));
    options.audiences = settings.value_of("AUDIENCE").map(str::to_owned).into_iter().collect();
    options.requires_organization = settings.value_of("ORGANIZATION") == Some("required");
    options.token_lifetime = token_lifetime;
    DevelopmentProvider { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), options }
}

const DEFAULT_PORT: u16 = 9_000;
const DEFAULT_PROVIDER_PORT: u16 = 9_100;

/// The provider's port. It differs from the bundle's port, because a function that sends a request to
/// its own port while it serves one would wait for itself.
fn port_after(settings: &mut Settings, port_of_bundle: Option<u16>) -> Option<u16> {
    let provider_port = port(settings, "PROVIDER_PORT", DEFAULT_PROVIDER_PORT)?;
    if Some(provider_port) == port_of_bundle {
        settings.fault("PROVIDER_PORT", "must be another port than PORT");
        return None;
    }
    Some(provider_port)
}

/// A port number, `default` if not set.
pub(crate) fn port(settings: &mut Settings, variable: &'static str, default: u16) -> Option<u16> {
    settings.with_default(variable, default, |text| match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("must be a port number"),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use shared::dependencies::Dependencies;

    use super::*;
    use crate::bundle::BundleConfig;

    fn run(values: &[(&str, &str)]) -> Result<LocalRun, String> {
        let run = Settings::from_values(values.iter().copied()).read(|settings| {
            let run = LocalRun::from_settings(settings, &Random::system());
            BundleConfig::from_settings(settings);
            Dependencies::from_settings(settings);
            run
        });
        run.map_err(|error| error.to_string())
    }

    #[test]
    fn without_settings_it_runs_and_reports_its_assumptions() {
        let run = run(&[]).unwrap();
        assert_eq!(run.base_url, "http://localhost:9000");
        let provider = run.provider.unwrap();
        assert!(provider.address.ip().is_loopback());
        assert_eq!(provider.options.redirect_uris, ["http://localhost:9000/callback"]);
        assert_eq!(
            provider.options.backchannel_logout_uri.as_deref(),
            Some("http://localhost:9000/backchannel-logout")
        );
        let said = run.assumptions.join("\n");
        for variable in [
            "AUTH_HOST",
            "BASE_URL",
            "CLIENT_ID",
            "CLIENT_SECRET",
            "SCOPE",
            "SECRET_KEY",
            "SESSION_STORE",
        ] {
            assert!(said.contains(variable), "{said}");
        }
        assert!(!said.contains(provider.options.client_secret.expose_secret()));
    }

    #[test]
    fn the_base_url_is_normalized_as_browsers_do() {
        assert_eq!(run(&[("PORT", "80")]).unwrap().base_url, "http://localhost");
        assert_eq!(run(&[("HOST", "LOCALHOST")]).unwrap().base_url, "http://localhost:9000");
    }

    /// The development provider sends no token over a network.
    #[test]
    fn a_bundle_behind_a_proxy_receives_no_logout_tokens() {
        for base_url in ["https://localhost:9443", "https://api.example.com"] {
            let provider = run(&[("BASE_URL", base_url)]).unwrap().provider.unwrap();
            assert_eq!(provider.options.backchannel_logout_uri, None, "{base_url}");
        }
    }

    #[test]
    fn an_auth0_application_needs_its_credentials_and_no_development_provider() {
        let message = run(&[("AUTH_HOST", "tenant.auth0.com")]).unwrap_err();
        for variable in ["CLIENT_ID", "CLIENT_SECRET"] {
            assert!(message.contains(&format!("{variable} is not set")), "{message}");
        }
        let auth0 = [("AUTH_HOST", "tenant.auth0.com"), ("CLIENT_ID", "id")];
        let run = run(&[&auth0[..], &[("CLIENT_SECRET", "hunter2")]].concat()).unwrap();
        assert!(run.provider.is_none());
    }

    #[test]
    fn a_setting_that_does_not_fit_the_development_provider_is_a_fault() {
        for (variable, value, expected) in [
            // Its error would reach the browser as a `GET` that the callback does not serve.
            ("RESPONSE_MODE", "form_post", "RESPONSE_MODE must be `query`"),
            ("PORT", "9100", "PROVIDER_PORT must be another port"),
        ] {
            let message = run(&[(variable, value)]).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    /// The faults mention the configured key only, not an assumed one.
    #[test]
    fn no_key_is_assumed_if_one_is_configured() {
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-AbCdEf";
        let message = run(&[("SECRET_KEY_ARN", arn)]).unwrap_err();
        assert!(!message.contains("must not be set beside"), "{message}");
    }

    #[test]
    fn r178_it_refuses_to_run_inside_lambda() {
        let message = run(&[("LAMBDA_TASK_ROOT", "/var/task")]).unwrap_err();
        assert!(message.contains("`local` is for local runs"), "{message}");
    }

    #[test]
    fn r177_all_invalid_settings_are_reported_together_without_their_values() {
        let message = run(&[
            ("PORT", "hunter2"),
            ("PROVIDER_PORT", "0"),
            ("HOST", "a b"),
            ("TOKEN_LIFETIME", "soon"),
        ])
        .unwrap_err();
        let named: Vec<_> =
            message.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(named, ["HOST", "PORT", "PROVIDER_PORT", "TOKEN_LIFETIME"]);
        assert!(!message.contains("hunter2"));
    }
}
