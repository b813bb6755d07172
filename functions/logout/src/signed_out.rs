//! `GET /signed-out`, to which the provider returns after a logout, and the page of a logout that
//! skipped the provider.

use http::{StatusCode, header};
use serde_json::json;
use shared::{
    clock::Timestamp,
    crypto::secret,
    names::LogEvent,
    pages::{Action, MessageKind, MessagePage, respond},
    web::{
        cookie::RequestCookies,
        query::Query,
        request::{Request, Response},
    },
};

use crate::{Logout, LogoutError};

impl Logout {
    /// Shows whether this browser still has a session, no matter who sent it here and with which
    /// `state` (R109). The page confirms the end of the provider's session only if `state` matches the
    /// one that this browser took to the provider (RP-Initiated Logout §3).
    pub(crate) async fn signed_out(&self, request: &Request, now: Timestamp) -> Response {
        let signed_in = match self.is_signed_in(request, now).await {
            Ok(signed_in) => signed_in,
            Err(error) => return self.responder.failure(request, &LogoutError::Read(error)),
        };
        let is_complete = self.is_complete(request);
        let mut response = if !respond::wants_page(request) {
            let code = if signed_in { "signed_in" } else { "signed_out" };
            self.responder.json(StatusCode::OK, &json!({ "code": code }))
        } else if signed_in {
            self.message(
                "You are still logged in",
                &["This browser still has a valid session."],
                Action { label: "Go to your key", href: "/" },
            )
        } else {
            let text = if is_complete {
                "Your session has ended here and at the identity provider, and your API key with it."
            } else {
                "Your session here has ended, and your API key with it."
            };
            let action = Action { label: "Log in again", href: "/" };
            self.message("You are logged out", &[text], action)
        };
        if is_complete {
            tracing::info!(
                event = LogEvent::LogoutCompleted.name(),
                "the provider's session was ended too"
            );
            response.headers_mut().append(header::SET_COOKIE, self.cookies.clear_logout_state());
        }
        response
    }

    /// The page of a logout after which the provider's session goes on, and the reason.
    pub(crate) fn logged_out_here(&self, reason: &str) -> Response {
        self.message(
            "You are logged out here",
            &["Your session here has ended, and your API key with it.", reason],
            Action { label: "Go to the login page", href: "/" },
        )
    }

    fn is_complete(&self, request: &Request) -> bool {
        let cookies = RequestCookies::of(request.headers());
        let query = Query::of(request.uri());
        match (self.cookies.logout_state(&cookies), query.once("state")) {
            (Some(sent), Ok(Some(returned))) => secret::equal(sent, returned),
            _ => false,
        }
    }

    fn message(&self, title: &str, text: &[&str], action: Action<'_>) -> Response {
        self.responder.page(StatusCode::OK, |nonce| {
            MessagePage {
                nonce,
                kind: MessageKind::Ok,
                title,
                text,
                quote: None,
                account: None,
                action: Some(action),
                request_id: None,
            }
            .render()
        })
    }
}
