//! The endpoint and the credentials of an AWS service.

use std::error::Error;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use url::Url;

use crate::{crypto::tls::Network, settings::Settings};

use super::{
    call::{ATTEMPT_TIMEOUT, ATTEMPTS, BACKOFF},
    connector::Connector,
};

/// An AWS service, identified by the variable that overrides its endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) endpoint_variable: &'static str,
}

/// A service's region, and the credentials of the process.
///
/// They are read only from the environment, where Lambda sets them. Profiles, single sign-on and the
/// metadata service are not used. Lambda's credentials remain valid as long as the process.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    region: Region,
    credentials: Credentials,
    /// Overrides the region's own endpoint.
    endpoint: Option<Url>,
    pub(crate) network: Network,
}

impl Connection {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and the
    /// endpoint of `service` or else `AWS_ENDPOINT_URL`.
    pub(crate) fn from_settings(settings: &mut Settings, service: Service) -> Option<Self> {
        let region = settings.required("AWS_REGION", "where AWS is asked", region_name);
        let access_key_id = text(settings, "AWS_ACCESS_KEY_ID");
        let secret_access_key = text(settings, "AWS_SECRET_ACCESS_KEY");
        let session_token =
            settings.optional("AWS_SESSION_TOKEN", |text| Ok::<_, &str>(text.to_owned()));
        let own_endpoint = settings.optional(service.endpoint_variable, endpoint_url);
        let any_endpoint = settings.optional("AWS_ENDPOINT_URL", endpoint_url);
        let credentials = Credentials::new(
            access_key_id?,
            secret_access_key?,
            session_token.ok()?,
            None,
            "environment",
        );
        let endpoint = own_endpoint.ok()?.or(any_endpoint.ok()?);
        #[cfg(not(feature = "benchmark"))]
        let network = Network::default();
        #[cfg(feature = "benchmark")]
        let network = benchmark_network(settings)?;
        Some(Self { region: region?, credentials, endpoint, network })
    }

    /// The region of the service.
    #[cfg(feature = "secrets-manager")]
    pub(crate) fn region(&self) -> &str {
        self.region.as_ref()
    }

    /// The SDK configuration for a client of the service.
    ///
    /// # Errors
    ///
    /// When this machine's TLS cannot be set up.
    pub(crate) fn sdk_config(&self) -> Result<SdkConfig, Box<dyn Error + Send + Sync>> {
        // Only emulators are accessed by plain HTTP.
        let is_plain_http =
            self.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http");
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        let retries =
            RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF);
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .http_client(Connector::new(!is_plain_http, &self.network)?)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(timeouts)
            .retry_config(retries)
            // It monitors the throughput of long bodies; ours are short, and attempts have a timeout.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        builder.set_endpoint_url(self.endpoint.clone().map(String::from));
        Ok(builder.build())
    }
}

/// The network to the emulated table of a benchmark, whose authority is in `SSL_CERT_FILE`. Inside
/// Lambda the variable is ignored.
#[cfg(feature = "benchmark")]
fn benchmark_network(settings: &mut Settings) -> Option<Network> {
    use rustls::{
        RootCertStore,
        pki_types::{CertificateDer, pem::PemObject as _},
    };
    if settings.inside_lambda() {
        return Some(Network::default());
    }
    let roots = settings.optional("SSL_CERT_FILE", |path| {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(path).map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        Ok::<_, String>(roots)
    });
    Some(Network::new(roots.ok()?, None))
}

fn text(settings: &mut Settings, variable: &'static str) -> Option<String> {
    let what = "part of the credentials that AWS is asked with";
    settings.required(variable, what, |text| Ok::<_, &str>(text.to_owned()))
}

/// Checks the region, which becomes part of a host name.
fn region_name(text: &str) -> Result<Region, &'static str> {
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        Ok(Region::new(text.to_owned()))
    } else {
        Err("must be a region such as `eu-central-1`")
    }
}

fn endpoint_url(text: &str) -> Result<Url, &'static str> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or("must be an `https://` or `http://` URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service = Service { endpoint_variable: "AWS_ENDPOINT_URL_DYNAMODB" };

    const COMPLETE: [(&str, &str); 4] = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "swordfish"),
    ];

    fn read(more: &[(&str, &str)]) -> Option<Connection> {
        let mut settings = Settings::from_values([&COMPLETE, more].concat());
        Connection::from_settings(&mut settings, SERVICE)
    }

    fn faults(values: &[(&str, &str)]) -> String {
        let settings = Settings::from_values(values.iter().copied());
        let read = settings.read(|settings| Connection::from_settings(settings, SERVICE));
        read.unwrap_err().to_string()
    }

    #[test]
    fn the_variables_that_lambda_sets_are_enough() {
        let connection = read(&[]).unwrap();
        assert_eq!(connection.region.as_ref(), "eu-central-1");
        assert_eq!(connection.credentials.access_key_id(), "AKIDEXAMPLE");
        assert_eq!(connection.credentials.secret_access_key(), "hunter2");
        assert_eq!(connection.credentials.session_token(), Some("swordfish"));
        assert_eq!(connection.endpoint, None);
    }

    #[test]
    fn the_endpoint_of_a_service_overrides_that_of_all_services() {
        let endpoint = |more: &[_]| read(more).unwrap().endpoint.unwrap().to_string();
        let any = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/");
        let own = ("AWS_ENDPOINT_URL_DYNAMODB", "https://127.0.0.1:2/");
        assert_eq!(endpoint(&[any]), any.1);
        assert_eq!(endpoint(&[any, own]), own.1);
        let other = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://127.0.0.1:3/");
        assert_eq!(endpoint(&[any, other]), any.1);
    }

    #[test]
    fn all_missing_variables_are_reported_together() {
        assert_eq!(
            faults(&[]),
            "the configuration cannot be used:\n  \
             AWS_ACCESS_KEY_ID is not set: part of the credentials that AWS is asked with\n  \
             AWS_REGION is not set: where AWS is asked\n  \
             AWS_SECRET_ACCESS_KEY is not set: part of the credentials that AWS is asked with"
        );
    }

    #[test]
    fn invalid_variables_are_reported_without_their_values() {
        let bad = [
            ("AWS_REGION", "evil.example/", "must be a region"),
            ("AWS_ENDPOINT_URL", "localhost", "must be an `https://`"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "file:///etc/passwd", "must be an `https://`"),
        ];
        for (variable, value, expected) in bad {
            let message = faults(&[&COMPLETE[..], &[(variable, value)]].concat());
            assert!(message.contains(&format!("{variable} {expected}")), "{message}");
            assert!(!message.contains(value), "{message}");
        }
    }

    #[test]
    fn r179_debug_output_hides_the_credentials() {
        let shown = format!("{:?}", read(&[]).unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }
}
