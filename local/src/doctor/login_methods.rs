//! The login methods of the application.

use login::Connections;
use shared::{
    provider::{IdentityProvider as _, ProviderError, login_method::parse_script},
    web::error::chain,
};

use super::{Doctor, Finding, finding::APPLICATION};

impl Doctor {
    /// Compares the methods that the provider offers with `CONNECTIONS`.
    pub(super) async fn login_methods(&self) -> Finding {
        const CHECK: &str = "login methods";
        if !self.application.issuer.is_auth0() {
            return Finding::not_checked(CHECK, "only Auth0 publishes them");
        }
        let mend = format!("{APPLICATION} → Connections");
        if matches!(&self.connections, Connections::Listed(listed) if listed.is_empty()) {
            return Finding::fine(CHECK, "one plain button, as CONNECTIONS says");
        }
        let offered = match self.provider.login_methods(&self.application.client_id).await {
            Ok(script) => parse_script(&script)
                .ok_or_else(|| ProviderError::Malformed("no list of login methods".to_owned())),
            Err(error) => Err(error),
        };
        let offered = match (offered, &self.connections) {
            (Ok(offered), _) => offered,
            (Err(error), Connections::Listed(_)) => return Finding::failed(CHECK, &error),
            (Err(error), Connections::AskProvider) => {
                let what = format!(
                    "the list is unavailable, so the login page has one plain button: {}",
                    chain(&error)
                );
                return Finding::warning(CHECK, what, "set CONNECTIONS, or `none` for one button");
            }
        };
        if offered.is_empty() {
            return Finding::wrong(CHECK, "the application has none", mend);
        }
        let is_offered = |name: &str| offered.iter().any(|method| method.connection == name);
        if let Connections::Listed(listed) = &self.connections {
            let missing: Vec<_> = listed
                .iter()
                .map(|method| method.connection.as_str())
                .filter(|name| !is_offered(name))
                .collect();
            if !missing.is_empty() {
                let what = format!("CONNECTIONS lists some that are off: {}", missing.join(", "));
                return Finding::wrong(CHECK, what, mend);
            }
        }
        let names: Vec<_> = offered.iter().map(|method| method.connection.as_str()).collect();
        Finding::fine(CHECK, names.join(", "))
    }
}
