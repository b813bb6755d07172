//! Two processes with equal stores: one caches pointers, the other starts with an empty cache for each
//! request. Their answers are the same.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use tokio::runtime::Builder;

use crate::{
    clock::Timestamp,
    crypto::{random::Random, secret::SessionSecret},
    session::{
        Renewability, SessionContents, SessionLimits, Sessions, TokenSession,
        tests::{NOW, grant, owner},
    },
    store::{SessionStore, memory::MemoryStore},
};

const LIMITS: SessionLimits =
    SessionLimits { idle: Duration::from_secs(1_800), lifetime: Duration::from_secs(7_200) };

/// An event for both processes. Sessions and tokens are given by number, modulo how many there are.
#[derive(Clone, Debug)]
enum Event {
    /// A login with a new token.
    Begin { is_renewable: bool },
    /// A request with a token.
    Show { token: usize },
    /// A request with a session's cookie.
    ShowCookie { session: usize },
    /// A refresh with a new token.
    Refresh { session: usize },
    /// A session ends.
    End { session: usize },
    /// Time passes.
    Pass { seconds: u64 },
    /// A clock that was ahead is set back.
    SetBack { seconds: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let number = || 0_usize..8;
    prop_oneof![
        4 => any::<bool>().prop_map(|is_renewable| Event::Begin { is_renewable }),
        12 => number().prop_map(|token| Event::Show { token }),
        2 => number().prop_map(|session| Event::ShowCookie { session }),
        3 => number().prop_map(|session| Event::Refresh { session }),
        2 => number().prop_map(|session| Event::End { session }),
        4 => prop_oneof![0..40_u64, 500..700_u64, Just(100_000)]
            .prop_map(|seconds| Event::Pass { seconds }),
        1 => (0..1_000_u64).prop_map(|seconds| Event::SetBack { seconds }),
    ]
}

proptest! {
    #[test]
    fn a_process_that_caches_pointers_answers_like_one_that_does_not(
        events in prop::collection::vec(event(), 1..60),
    ) {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(replay(&events))?;
    }
}

async fn replay(events: &[Event]) -> Result<(), TestCaseError> {
    let mut processes = [Process::new(false), Process::new(true)];
    let (mut now, mut tokens) = (NOW, 0);
    for (step, event) in events.iter().enumerate() {
        let mut answers = Vec::new();
        for process in &mut processes {
            answers.push(process.answer(event, tokens, now).await);
        }
        prop_assert_eq!(&answers[0], &answers[1], "step {}", step);
        match event {
            Event::Begin { .. } | Event::Refresh { .. } => tokens += 1,
            Event::Pass { seconds } => now = now + Duration::from_secs(*seconds),
            Event::SetBack { seconds } => now = now - Duration::from_secs(*seconds),
            _ => {}
        }
    }
    Ok(())
}

struct Process {
    sessions: Sessions,
    store: Arc<dyn SessionStore>,
    secrets: Vec<SessionSecret>,
    is_forgetful: bool,
}

impl Process {
    fn new(is_forgetful: bool) -> Self {
        let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::without_sweeps());
        let sessions = Sessions::new(Arc::clone(&store), LIMITS, Random::system());
        Self { sessions, store, secrets: Vec::new(), is_forgetful }
    }

    async fn answer(&mut self, event: &Event, tokens: usize, now: Timestamp) -> String {
        if self.is_forgetful {
            self.sessions = Sessions::new(Arc::clone(&self.store), LIMITS, Random::system());
        }
        let secret = |session: usize| self.secrets.get(session % self.secrets.len().max(1));
        match event {
            Event::Begin { is_renewable } => {
                let (owner, contents) = (owner(), contents(tokens, now));
                let begun = if *is_renewable {
                    self.sessions.begin_renewable(owner, &contents, &grant(), None, now).await
                } else {
                    self.sessions.begin(owner, &contents, None, now).await
                };
                self.secrets.push(begun.unwrap().0);
                String::new()
            }
            Event::Show { token } => {
                let token = (token % tokens.max(1)).to_string();
                match self.sessions.by_token(&token, now).await.unwrap() {
                    TokenSession::Live(session) => format!("{:?}", session.ends_at),
                    TokenSession::Ended => "ended".to_owned(),
                    TokenSession::Unknown => "unknown".to_owned(),
                }
            }
            Event::ShowCookie { session } => {
                let Some(secret) = secret(*session) else { return String::new() };
                let session = self.sessions.by_cookie(secret, now).await.unwrap();
                format!("{:?}", session.map(|session| session.ends_at))
            }
            Event::Refresh { session } => {
                let Some(secret) = secret(*session) else { return String::new() };
                self.refresh(secret, tokens, now).await.to_string()
            }
            Event::End { session } => {
                let Some(secret) = secret(*session) else { return String::new() };
                self.sessions.end(secret.digest(), now).await.unwrap().to_string()
            }
            Event::Pass { .. } | Event::SetBack { .. } => String::new(),
        }
    }

    /// Returns whether the session was refreshed.
    async fn refresh(&self, secret: &SessionSecret, token: usize, now: Timestamp) -> bool {
        let renewability = self.sessions.renewable(secret, now).await.unwrap();
        let Some(Renewability::Renewable(renewable)) = renewability else { return false };
        let until = now + Duration::from_secs(20);
        let Some(held) = self.sessions.lease(*renewable, until, now).await.unwrap() else {
            return false;
        };
        let next = "refresh token".to_owned().into();
        self.sessions.renew(&held, contents(token, now), next, None, now).await.is_ok()
    }
}

/// Contents whose token expires before the session ends.
fn contents(token: usize, now: Timestamp) -> SessionContents {
    let contents = crate::session::tests::contents(&token.to_string());
    SessionContents { api_key_expires_at: now + Duration::from_secs(900), ..contents }
}
