//! The API of `AUDIENCE` and its access tokens.

use shared::provider::Metadata;

use super::{
    Doctor, Finding,
    finding::{API, APPLICATION},
    urls::{Reception, refused},
};

impl Doctor {
    pub(super) async fn access_tokens(&self, metadata: &Metadata) -> Vec<Finding> {
        let Some(audience) = self.application.audience.as_deref() else {
            return vec![
                Finding::warning(
                    "audience",
                    "AUDIENCE is not set, so the API key is the ID token",
                    "Auth0 → Applications → APIs: create an API; its identifier is AUDIENCE",
                ),
                Finding::only_by_login(
                    "signature",
                    "the algorithm of ID tokens",
                    format!("{APPLICATION} → Settings → Advanced → OAuth: RS256"),
                ),
            ];
        };
        let finding = match self.request_login(metadata, Some(audience)).await {
            Ok(Reception::Accepted) => {
                Finding::fine("audience", format!("{audience} is an API of the provider"))
            }
            Ok(Reception::Returned(error)) => {
                let is_unknown = error
                    .description()
                    .is_some_and(|text| text.to_lowercase().contains("service not found"));
                match is_unknown {
                    true => Finding::wrong(
                        "audience",
                        format!("{audience} is no API of this tenant"),
                        "Auth0 → Applications → APIs: create it; AUDIENCE is its identifier exactly",
                    ),
                    false => refused("audience", "a login for it", &error),
                }
            }
            Ok(Reception::Shown(..)) => {
                Finding::not_checked("audience", "the provider shows an error page")
            }
            Err(error) => Finding::failed("audience", &error),
        };
        let mut findings = vec![
            finding,
            Finding::only_by_login(
                "access token",
                "whether it is a JWT that is signed and not encrypted",
                format!("{API} → Signing Algorithm RS256, JSON Web Encryption off"),
            ),
            Finding::only_by_login(
                "RBAC",
                "whether permissions are in the access token",
                format!("{API} → Enable RBAC, Add Permissions in the Access Token"),
            ),
        ];
        if self.requests_refresh_tokens() {
            findings.push(Finding::only_by_login(
                "offline access",
                "whether the API allows refresh tokens",
                format!("{API} → Allow Offline Access"),
            ));
        }
        findings
    }
}
