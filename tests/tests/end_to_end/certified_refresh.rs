//! Sessions that outlive their token, against the certified provider.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{
    browser::Browser,
    certified_provider::{CertifiedProvider, Spoilt},
};

use crate::certified::{ask, log_in, registered_for};

/// The product, registered with the provider, with a clock that can be moved forward, since recent
/// tokens are not refreshed.
struct Story {
    provider: CertifiedProvider,
    browser: Browser,
    ahead: Arc<AtomicU64>,
}

impl Story {
    async fn logged_in() -> Self {
        let ahead = Arc::new(AtomicU64::new(0));
        let put_forward = Arc::clone(&ahead);
        let clock = Clock::from_fn(move || {
            Clock::system().now() + Duration::from_secs(put_forward.load(Ordering::SeqCst))
        });
        let (provider, mut browser) =
            registered_for("openid profile email offline_access", clock).await;
        log_in(&mut browser).await;
        assert!(browser.session().is_some());
        Self { provider, browser, ahead }
    }

    fn pass(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn refresh(&mut self) -> (u16, Value) {
        let answer = self.browser.fetch(Method::POST, "/refresh", &[]).await;
        (answer.status.as_u16(), answer.json())
    }

    async fn call_api(&mut self, token: &Value) -> u16 {
        ask(&mut self.browser, token.as_str().expect("a token")).await.0
    }

    async fn token_requests(&self) -> u64 {
        self.provider.served().await.get("/oauth/token").copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_session_is_refreshed_repeatedly_and_logout_revokes_its_refresh_token() {
    let mut story = Story::logged_in().await;
    for round in 1..=3 {
        story.pass(61);
        let (status, body) = story.refresh().await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(story.call_api(&body["api_key"]).await, 200);
        assert_eq!(story.token_requests().await, 1 + round);
    }
    let body = story.refresh().await.1;
    assert_eq!(story.token_requests().await, 4, "a recent token is returned again");
    let left = story.browser.get("/").await.form_at("form[action='/logout']").submit().await;
    assert!(left.status.is_redirection());
    assert_eq!(story.call_api(&body["api_key"]).await, 401);
    assert_eq!(story.provider.served().await.get("/oauth/revoke"), Some(&1));
}

/// R135, with a provider that really signs the changed token.
#[tokio::test]
async fn r135_a_refreshed_id_token_of_another_user_ends_the_session() {
    for claims in [
        json!({ "sub": "eve@example.com" }),
        json!({ "iss": "https://evil.example/" }),
        json!({ "nonce": "another" }),
    ] {
        let mut story = Story::logged_in().await;
        story.pass(61);
        story.provider.spoil_next_id_token(Spoilt::Claims(claims.clone())).await;
        let (status, body) = story.refresh().await;
        assert_eq!((status, &body["code"]), (401, &json!("session_ended")), "{claims}");
        assert_eq!(story.browser.session(), None);
        assert_eq!(story.provider.served().await.get("/oauth/revoke"), Some(&1));
    }
}
