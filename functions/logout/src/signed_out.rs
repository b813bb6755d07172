//! `GET /signed-out`, to which the provider returns after a logout, and the page of a logout that
//! skipped the provider.

use http::{StatusCode, header};
use serde_json::json;
use shared::{
    clock::Timestamp,
    crypto::secret,
    names::LogEvent,
    pages::{Action, MessageKind, MessagePage, respond},
    texts::Text,
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
                request,
                |texts| texts.logout.still_logged_in,
                &[|texts| texts.logout.still_logged_in_why],
                |texts| texts.actions.to_key,
            )
        } else {
            let text: Text = if is_complete {
                |texts| texts.logout.ended_everywhere
            } else {
                |texts| texts.logout.ended_here
            };
            self.message(
                request,
                |texts| texts.logout.logged_out,
                &[text],
                |texts| texts.actions.log_in_again,
            )
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
    pub(crate) fn logged_out_here(&self, request: &Request, reason: Text) -> Response {
        self.message(
            request,
            |texts| texts.logout.logged_out_here,
            &[|texts| texts.logout.ended_here, reason],
            |texts| texts.actions.to_login_page,
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

    /// A page of success, with a link to the start page.
    fn message(&self, request: &Request, title: Text, text: &[Text], label: Text) -> Response {
        self.responder.page(request, StatusCode::OK, |frame| {
            let paragraphs: Vec<_> = text.iter().map(|text| text(frame.texts)).collect();
            MessagePage {
                frame,
                kind: MessageKind::Ok,
                title: title(frame.texts),
                text: &paragraphs,
                quote: None,
                account: None,
                action: Some(Action { label: label(frame.texts), href: "/" }),
                request_id: None,
            }
            .render()
        })
    }
}
