//! Compares an identity provider's settings with those of the functions. Each finding names the place
//! in Auth0's dashboard where it is mended.
//!
//! It sends what a login and a logout would send, with an invented code and an invented refresh token.
//! It does not log in. What only a login shows is reported as not checked.

mod access_tokens;
mod credentials;
mod finding;
mod login_methods;
mod published;
pub mod stack;
mod urls;

use std::time::Duration;

use http::Request;
use login::{Connections, requested_scope};
use secrecy::SecretString;
use shared::{
    clock::Clock,
    crypto::random::Random,
    guard::OrganizationPolicy,
    provider::{
        ClientAuthentication, ClientCredentials, HttpProvider, ProviderError,
        application::Application,
    },
    settings::Settings,
    web::base_url::BaseUrl,
};
use tokio::time::timeout;
use url::Url;

use crate::network::network;

pub use self::finding::{Finding, Verdict};

/// How long the quick part of an examination may take.
const QUICK: Duration = Duration::from_secs(4);

/// The settings of the functions, and the provider to compare them with.
pub struct Doctor {
    application: Application,
    /// The URL under which browsers reach the functions, without a trailing slash.
    base_url: String,
    credentials: Option<ClientCredentials>,
    connections: Connections,
    organization: OrganizationPolicy,
    scope: String,
    provider: HttpProvider,
    clock: Clock,
    random: Random,
}

impl Doctor {
    /// Reads the settings that the functions compare with the provider's. `CLIENT_SECRET` may be
    /// missing: an operator need not know it.
    pub fn from_settings(settings: &mut Settings, clock: Clock, random: Random) -> Option<Self> {
        let application = Application::from_settings(settings);
        let is_auth0 = application.as_ref().is_none_or(|application| application.issuer.is_auth0());
        let connections = Connections::from_settings(settings, is_auth0);
        let authentication = ClientAuthentication::from_settings(settings);
        let organization = OrganizationPolicy::from_settings(settings);
        let scope = requested_scope(settings);
        let network = network(settings);
        let base_url = match BaseUrl::from_settings(settings) {
            Some(BaseUrl::Fixed(origin)) => Some(origin),
            Some(BaseUrl::Gateway) => {
                let what = "is not set: the URL of the deployment, or use --stack-file";
                settings.fault("BASE_URL", what);
                None
            }
            None => None,
        };
        let application = application?;
        let credentials = settings.value_of("CLIENT_SECRET").map(|secret| ClientCredentials {
            client_id: application.client_id.clone(),
            client_secret: SecretString::from(secret),
            authentication: authentication.unwrap_or_default(),
        });
        let provider = HttpProvider::over(application.issuer.clone(), network?);
        Some(Self {
            base_url: base_url?,
            credentials,
            connections: connections?,
            organization: organization?,
            scope: scope?,
            provider,
            application,
            clock,
            random,
        })
    }

    /// Makes every check, and passes each finding to `report`. Returns whether nothing is wrong.
    pub async fn examine(&self, mut report: impl FnMut(&Finding)) -> bool {
        let mut wrong = 0;
        let mut report = |finding: Finding| {
            wrong += usize::from(finding.verdict == Verdict::Wrong);
            report(&finding);
        };
        match self.discovery().await {
            Ok((metadata, finding)) => {
                report(finding);
                report(self.clock().await);
                report(self.keys(&metadata).await);
                report(Self::end_session(&metadata));
                report(self.callback_url(&metadata).await);
                report(self.logout_url(&metadata).await);
                self.exchanges(&metadata).await.into_iter().for_each(&mut report);
                self.access_tokens(&metadata).await.into_iter().for_each(&mut report);
                report(self.login_methods().await);
            }
            Err(finding) => {
                report(finding);
                report(Finding::not_checked("everything else", "it needs the discovery document"));
            }
        }
        wrong == 0
    }

    /// Checks discovery, keys and the clock, within a few seconds.
    pub async fn examine_quickly(&self, mut report: impl FnMut(&Finding)) {
        let checks = async {
            match self.discovery().await {
                Ok((metadata, finding)) => {
                    report(&finding);
                    report(&self.clock().await);
                    report(&self.keys(&metadata).await);
                }
                Err(finding) => report(&finding),
            }
        };
        if timeout(QUICK, checks).await.is_err() {
            let because = format!("no answer within {} s", QUICK.as_secs());
            report(&Finding::not_checked("the rest", because));
        }
    }

    /// Requests a page of the provider as a browser without cookies does.
    async fn page(&self, url: &Url) -> Result<http::Response<Vec<u8>>, ProviderError> {
        let request = Request::get(url.as_str()).body(Vec::new());
        self.provider
            .ask(request.map_err(|error| ProviderError::Malformed(error.to_string()))?)
            .await
    }

    fn callback(&self) -> String {
        format!("{}/callback", self.base_url)
    }

    fn requests_refresh_tokens(&self) -> bool {
        self.scope.split(' ').any(|scope| scope == "offline_access")
    }
}
