//! The provider's UserInfo endpoint.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use shared::testing::tokens::{TEST_KEY, TestKey, changed};
use tokio::time::sleep;

use super::{CLIENT_ID, MisbehavingProvider, TOO_LONG};

/// How the UserInfo endpoint responds. Claims change the usual ones; `null` removes one.
#[derive(Clone, Debug)]
pub enum UserInfoAnswer {
    /// In JSON, with these claims.
    Claims(Value),
    /// As a token that is signed like this, with these claims.
    Signed(SignedBy, Value),
    /// In JSON, with this text.
    Text(&'static str),
    /// With this status.
    Fails(u16),
    /// After every client's timeout.
    Silent,
}

/// In JSON, with the usual claims.
impl Default for UserInfoAnswer {
    fn default() -> Self {
        Self::Claims(Value::Null)
    }
}

/// How a UserInfo response is signed.
#[derive(Clone, Debug)]
pub enum SignedBy {
    /// By the provider.
    Provider,
    /// By an attacker's key with the same key id.
    Attacker,
    /// By the provider, under a header with these changes.
    Header(Value),
}

impl MisbehavingProvider {
    /// Sets how the UserInfo endpoint responds from now on.
    pub fn answer_user_info(&self, answer: UserInfoAnswer) {
        self.state().user_info = answer;
    }

    /// The header `authorization` and the query of each request to the UserInfo endpoint.
    pub fn user_info_requests(&self) -> Vec<(String, Option<String>)> {
        self.state().user_info_requests.clone()
    }
}

pub(super) async fn user_info(
    State(provider): State<MisbehavingProvider>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default().to_owned();
    let (answer, user) = {
        let mut state = provider.state();
        let query = uri.query().map(str::to_owned);
        state.user_info_requests.push((authorization.clone(), query));
        let user = authorization.strip_prefix("Bearer ").and_then(|it| state.access_tokens.get(it));
        (state.user_info.clone(), user.copied())
    };
    let Some(user) = user else { return StatusCode::UNAUTHORIZED.into_response() };
    let mut claims = json!({
        "sub": user.subject,
        "name": user.name,
        "email": user.email,
        "email_verified": true,
        "picture": user.picture,
    });
    match answer {
        UserInfoAnswer::Claims(changes) => {
            claims = changed(claims, &changes);
            Json(claims).into_response()
        }
        UserInfoAnswer::Signed(signed_by, changes) => {
            claims["iss"] = provider.issuer.as_str().into();
            claims["aud"] = CLIENT_ID.into();
            claims = changed(claims, &changes);
            let mut header = TEST_KEY.header();
            let token = match signed_by {
                SignedBy::Provider => TEST_KEY.sign_with_header(&header, &claims),
                SignedBy::Attacker => TestKey::rsa("test").sign_with_header(&header, &claims),
                SignedBy::Header(changes) => {
                    header = changed(header, &changes);
                    TEST_KEY.sign_with_header(&header, &claims)
                }
            };
            ([(header::CONTENT_TYPE, "application/jwt")], token).into_response()
        }
        UserInfoAnswer::Text(text) => {
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        UserInfoAnswer::Fails(status) => StatusCode::from_u16(status).unwrap().into_response(),
        UserInfoAnswer::Silent => {
            sleep(TOO_LONG).await;
            StatusCode::NO_CONTENT.into_response()
        }
    }
}
