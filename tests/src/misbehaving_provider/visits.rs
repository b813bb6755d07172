//! The pages of the provider that browsers visit.

use std::collections::HashMap;

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use url::Url;

use super::MisbehavingProvider;

/// A page that browsers visit.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum VisitedPage {
    /// `/authorize` without an audience.
    Login,
    /// `/authorize` with an audience.
    LoginForApi,
    /// `/oidc/logout` and `/v2/logout`.
    Logout,
}

/// How a page responds.
#[derive(Clone, Copy, Debug, Default)]
pub enum Visit {
    /// Correctly: it goes on to the login form, or back after a logout.
    #[default]
    Works,
    /// With this status and text.
    Shows(u16, &'static str),
    /// With a redirect back to the application, with this `error` and `error_description`.
    Returns(&'static str, &'static str),
    /// With a redirect to this URL.
    LeadsTo(&'static str),
}

impl MisbehavingProvider {
    /// Sets how `page` responds from now on.
    pub fn set_visit(&self, page: VisitedPage, behaviour: Visit) {
        self.state().visits.insert(page, behaviour);
    }

    fn visit(&self, page: VisitedPage, usual: &str, return_to: &str) -> Response {
        let behaviour = self.state().visits.get(&page).copied().unwrap_or_default();
        match behaviour {
            Visit::Works => Redirect::to(usual).into_response(),
            Visit::Shows(status, text) => {
                (StatusCode::from_u16(status).unwrap(), text).into_response()
            }
            Visit::Returns(error, description) => {
                let parameters = [("error", error), ("error_description", description)];
                let url = Url::parse_with_params(return_to, parameters).unwrap();
                Redirect::to(url.as_str()).into_response()
            }
            Visit::LeadsTo(url) => Redirect::to(url).into_response(),
        }
    }
}

type Parameters = Query<HashMap<String, String>>;

pub(super) async fn authorize(
    State(provider): State<MisbehavingProvider>,
    Query(query): Parameters,
) -> Response {
    let page = match query.contains_key("audience") {
        true => VisitedPage::LoginForApi,
        false => VisitedPage::Login,
    };
    provider.visit(page, "/u/login?state=1", &query["redirect_uri"])
}

pub(super) async fn logout(
    State(provider): State<MisbehavingProvider>,
    Query(query): Parameters,
) -> Response {
    let return_to = query.get("post_logout_redirect_uri").or_else(|| query.get("returnTo"));
    let return_to = return_to.unwrap();
    provider.visit(VisitedPage::Logout, return_to, return_to)
}
