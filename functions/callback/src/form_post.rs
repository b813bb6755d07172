//! `POST /callback`: the provider's response as a form (OAuth 2.0 Form Post Response Mode).
//!
//! A page of the provider sends the form, so the browser withholds our `Lax` cookies: the login's
//! and the session's. The response is therefore a page that sends the same form once more, from our
//! own origin.
//!
//! A login cookie with `SameSite=None` would not be enough. Without the session's cookie the login
//! could not end the session that it replaces (R36), nor notice one that it must not replace (R189).
//!
//! The form from our own origin proves as little as a `GET` does. A login is finished only for the
//! `state` in this browser's sealed cookie (R15).

use http::StatusCode;
use shared::{
    clock::Timestamp,
    pages::ContinuePage,
    web::{
        cors::AllowedOrigins,
        form,
        query::Query,
        request::{Request, Response},
        same_origin,
    },
};

use crate::{Callback, CallbackError};

impl Callback {
    pub(crate) async fn receive(&self, request: &Request, now: Timestamp) -> Response {
        match self.read_form(request) {
            Ok((form, true)) => self.finish(request, &form, now).await,
            Ok((form, false)) => self.pass_on(request, &form),
            Err(error) => self.responder.failure(request, &error),
        }
    }

    /// The form, and whether our own page sent it.
    fn read_form(&self, request: &Request) -> Result<(Query, bool), CallbackError> {
        let form = form::parse(request, MAXIMUM_FORM)?;
        let own = self.config.base_url.resolve(request)?;
        let is_own = same_origin::is_proven(request, &own, &AllowedOrigins::default());
        // A browser that does not name the origin of our own page would repeat the form forever.
        if !is_own && form.contains(CONTINUED) {
            return Err(CallbackError::UnknownState);
        }
        Ok((form, is_own))
    }

    fn pass_on(&self, request: &Request, form: &Query) -> Response {
        let passed_on =
            PARAMETERS.iter().flat_map(|name| form.all(name).map(|value| (*name, value)));
        let fields: Vec<_> = passed_on.chain([(CONTINUED, "yes")]).collect();
        self.responder.page(request, StatusCode::OK, |frame| {
            ContinuePage { frame, action: "/callback", fields: &fields }.render()
        })
    }
}

/// The parameters that a login reads.
const PARAMETERS: [&str; 5] = ["code", "error", "error_description", "iss", "state"];

/// The field that our own page adds.
const CONTINUED: &str = "continued";

/// The longest form, in bytes (R33).
const MAXIMUM_FORM: usize = 64 * 1024;
