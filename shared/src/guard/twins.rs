//! Two guards that live through the same: one remembers what it has seen, the other forgets it before
//! every request. Nobody may be able to tell them apart.

use std::time::Duration;

use http::header;
use proptest::prelude::*;
use serde_json::json;
use tokio::runtime::Builder;

use super::*;
use crate::{
    error::Failure,
    jwt::{
        LoginClaims,
        testing::{TestKey, key_set_document},
    },
    provider::testing::FakeProvider,
    random::Random,
    secret::Digest,
    session::{RefreshGrant, Renewability, SessionContents},
    store::{Owner, SessionStore, memory::MemoryStore},
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// How long tokens live here: shorter than sessions, longer than key sets stay young.
const TOKEN_LIFETIME: u64 = 900;

/// A token that the provider signed.
#[derive(Clone)]
struct Token {
    text: String,
    expires_at: Timestamp,
    /// Whether it was a login's or a refresh's. It is only once: a nonce is a login's own.
    is_used: bool,
}

/// What happens to both. Tokens, keys and sessions are named by a number that is taken modulo how
/// many there are.
#[derive(Clone, Debug)]
enum Event {
    /// The provider signs a token.
    Sign {
        signer: usize,
        names_key: bool,
    },
    /// A token becomes a session's, which can be refreshed or not.
    Begin {
        token: usize,
        is_renewable: bool,
    },
    /// A token is shown, whole or with another's signature.
    Show {
        token: usize,
        signature_of: Option<usize>,
    },
    /// A session's cookie is shown.
    ShowCookie {
        session: usize,
    },
    /// A session is refreshed, with a token that was signed.
    Refresh {
        session: usize,
        token: usize,
    },
    /// A session is ended.
    End {
        session: usize,
    },
    /// Time passes; a clock that was ahead is set back.
    Pass {
        seconds: u64,
    },
    SetBack {
        seconds: u64,
    },
    /// The provider publishes these keys of `KEYS`, or does not answer.
    Publish {
        keys: Vec<usize>,
    },
    Fail,
    /// Whether the provider says that it signs with EdDSA.
    Advertise {
        ed25519: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let number = || 0_usize..8;
    prop_oneof![
        4 => (number(), prop::bool::weighted(0.8))
            .prop_map(|(signer, names_key)| Event::Sign { signer, names_key }),
        4 => (number(), any::<bool>())
            .prop_map(|(token, is_renewable)| Event::Begin { token, is_renewable }),
        12 => number().prop_map(|token| Event::Show { token, signature_of: None }),
        1 => (number(), number())
            .prop_map(|(token, other)| Event::Show { token, signature_of: Some(other) }),
        2 => number().prop_map(|session| Event::ShowCookie { session }),
        3 => (number(), number()).prop_map(|(session, token)| Event::Refresh { session, token }),
        2 => number().prop_map(|session| Event::End { session }),
        4 => prop_oneof![0..40_u64, 500..700_u64, Just(100_000)]
            .prop_map(|seconds| Event::Pass { seconds }),
        1 => (0..1_000_u64).prop_map(|seconds| Event::SetBack { seconds }),
        3 => prop::collection::vec(number(), 0..4).prop_map(|keys| Event::Publish { keys }),
        1 => Just(Event::Fail),
        1 => prop::bool::weighted(0.7).prop_map(|ed25519| Event::Advertise { ed25519 }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_guard_with_a_memory_answers_as_one_without(
        events in prop::collection::vec(event(), 1..60),
        require_session: bool,
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(live_through(&events, require_session))?;
    }
}

/// What is known of a token does not outlive its session: no claims lie in memory for nothing.
#[tokio::test]
async fn a_token_is_forgotten_with_its_session() {
    let key = TestKey::ed25519("one");
    let mut world = World::new(true, false).await;
    world.provider.set_algorithms(vec!["EdDSA"]);
    world.provider.set_key_set(Some(key_set_document(&[&key])));
    let text = key.sign(&claims("auth0|ada", NOW));
    let shown = request(header::AUTHORIZATION, &format!("Bearer {text}"));
    let expires_at = NOW + Duration::from_secs(TOKEN_LIFETIME);
    world.begin(&Token { text, expires_at, is_used: false }, false, NOW).await;
    assert!(world.answer(&shown, NOW).await.starts_with("{\"sub\""));
    assert_eq!(world.guard.keys.remembered(), 1);
    let secret = world.secret(0).unwrap();
    world.guard.sessions.end(secret.digest(), NOW).await.unwrap();
    assert!(world.answer(&shown, NOW).await.starts_with("401 Unauthorized session_ended"));
    assert_eq!(world.guard.keys.remembered(), 0);
}

async fn live_through(events: &[Event], require_session: bool) -> Result<(), TestCaseError> {
    // Two keys under one name, one of another type.
    let keys = [
        TestKey::ed25519("one"),
        TestKey::ed25519("one"),
        TestKey::ed25519("two"),
        TestKey::p256("ec"),
    ];
    let mut twins =
        [World::new(require_session, false).await, World::new(require_session, true).await];
    let (mut now, mut tokens) = (NOW, Vec::<Token>::new());
    for twin in &twins {
        twin.provider.set_algorithms(vec!["EdDSA", "ES256"]);
        twin.provider.set_key_set(Some(key_set_document(&keys.each_ref())));
    }
    for (step, event) in events.iter().enumerate() {
        let index = |number: usize| number % tokens.len().max(1);
        let token = |number: usize| tokens.get(index(number)).cloned();
        // Nobody logs in by a token that has expired.
        let unused =
            |number: usize| token(number).filter(|token| !token.is_used && now < token.expires_at);
        match event {
            Event::Sign { signer, names_key } => {
                let key = &keys[signer % keys.len()];
                let mut header = key.header();
                if !names_key {
                    header.as_object_mut().unwrap().remove("kid");
                }
                let text = key.sign_with_header(&header, &claims(&format!("auth0|{step}"), now));
                let expires_at = now + Duration::from_secs(TOKEN_LIFETIME);
                tokens.push(Token { text, expires_at, is_used: false });
            }
            Event::Begin { token: number, is_renewable } => {
                let Some(token) = unused(*number) else { continue };
                for twin in &mut twins {
                    twin.begin(&token, *is_renewable, now).await;
                }
                let index = index(*number);
                tokens[index].is_used = true;
            }
            Event::Show { token: number, signature_of } => {
                let Some(Token { text: mut shown, .. }) = token(*number) else { continue };
                if let Some(other) = signature_of.and_then(token) {
                    let signed = shown.rsplit_once('.').unwrap().0;
                    shown = format!("{signed}.{}", other.text.rsplit_once('.').unwrap().1);
                }
                let request = request(header::AUTHORIZATION, &format!("Bearer {shown}"));
                let answers =
                    [twins[0].answer(&request, now).await, twins[1].answer(&request, now).await];
                prop_assert_eq!(&answers[0], &answers[1], "step {}", step);
            }
            Event::ShowCookie { session } => {
                let mut answers = Vec::new();
                for twin in &twins {
                    let Some(secret) = twin.secret(*session) else { continue };
                    let cookie = format!("__Host-session={}", secret.expose());
                    answers.push(twin.answer(&request(header::COOKIE, &cookie), now).await);
                }
                prop_assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "step {}", step);
            }
            Event::Refresh { session, token: number } => {
                let Some(token) = unused(*number) else { continue };
                let mut outcomes = Vec::new();
                for twin in &twins {
                    outcomes.push(twin.refresh(*session, &token, now).await);
                }
                prop_assert_eq!(outcomes[0], outcomes[1], "step {}", step);
                let index = index(*number);
                tokens[index].is_used |= outcomes[0];
            }
            Event::End { session } => {
                for twin in &twins {
                    if let Some(secret) = twin.secret(*session) {
                        twin.guard.sessions.end(secret.digest(), now).await.unwrap();
                    }
                }
            }
            Event::Pass { seconds } => now = now + Duration::from_secs(*seconds),
            Event::SetBack { seconds } => now = now - Duration::from_secs(*seconds),
            Event::Publish { keys: numbers } => {
                let published: Vec<_> =
                    numbers.iter().map(|number| &keys[number % keys.len()]).collect();
                twins
                    .iter()
                    .for_each(|twin| twin.provider.set_key_set(Some(key_set_document(&published))));
            }
            Event::Fail => twins.iter().for_each(|twin| twin.provider.set_key_set(None)),
            Event::Advertise { ed25519 } => {
                let algorithms = if *ed25519 { vec!["EdDSA", "ES256"] } else { vec!["ES256"] };
                twins.iter().for_each(|twin| twin.provider.set_algorithms(algorithms.clone()));
            }
        }
        // Nor does the provider notice.
        let fetches = twins
            .each_ref()
            .map(|twin| (twin.provider.metadata_fetches(), twin.provider.key_set_fetches()));
        prop_assert_eq!(fetches[0], fetches[1], "step {}", step);
    }
    Ok(())
}

const ISSUER: &str = "https://tenant.auth0.com/";
const CLIENT: &str = "the-client";

/// A guard with a store and a provider of its own.
struct World {
    guard: Guard,
    provider: Arc<FakeProvider>,
    secrets: Vec<SessionSecret>,
    is_forgetful: bool,
}

impl World {
    async fn new(require_session: bool, is_forgetful: bool) -> Self {
        let require_session = require_session.to_string();
        let mut settings = Settings::from_values([
            ("AUTH_HOST", ISSUER),
            ("BASE_URL", "https://api.example.com"),
            ("CLIENT_ID", CLIENT),
            ("REQUIRE_SESSION", &*require_session),
            ("SESSION_IDLE", "30m"),
            ("SESSION_LIFETIME", "2h"),
        ]);
        let config = GuardConfig::from_settings(&mut settings).unwrap();
        let issuer = config.application.issuer.clone();
        let provider = Arc::new(FakeProvider::new(issuer.clone()));
        let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::without_sweeps());
        let seams = Seams {
            keys: Arc::new(Keys::new(
                Arc::<FakeProvider>::clone(&provider),
                Arc::clone(&store),
                issuer,
            )),
            store,
            provider: Arc::<FakeProvider>::clone(&provider),
            random: Random::system(),
        };
        let guard = Guard::new(config, &seams);
        Self { guard, provider, secrets: Vec::new(), is_forgetful }
    }

    /// What whoever sends `request` is told.
    async fn answer(&self, request: &Request, now: Timestamp) -> String {
        if self.is_forgetful {
            self.guard.keys.forget_all();
            self.guard.sessions.forget_all();
        }
        match self.guard.authenticate(request, &Rules::default(), now).await {
            Ok(principal) => format!(
                "{:?} {:?} {} {:?}",
                principal.user,
                principal.scopes,
                principal.is_person,
                principal.session.map(|session| (session.ends_at, session.renews_at))
            ),
            Err(refusal) => {
                let public = refusal.public();
                format!("{} {} {:?} {:?}", public.status, public.code, public.message, refusal)
            }
        }
    }

    async fn begin(&mut self, token: &Token, is_renewable: bool, now: Timestamp) {
        let owner = Owner { subject: Digest::of("ada"), provider_session: None, issued_at: now };
        let contents = contents(token);
        let sessions = &self.guard.sessions;
        let begun = if is_renewable {
            sessions.begin_renewable(owner, &contents, &grant(), None, now).await
        } else {
            sessions.begin(owner, &contents, None, now).await
        };
        self.secrets.push(begun.unwrap().0);
    }

    /// Whether there was a session to refresh.
    async fn refresh(&self, session: usize, token: &Token, now: Timestamp) -> bool {
        let Some(secret) = self.secret(session) else { return false };
        let sessions = &self.guard.sessions;
        let Some(Renewability::Renewable(renewable)) =
            sessions.renewable(secret, now).await.unwrap()
        else {
            return false;
        };
        let until = now + Duration::from_secs(20);
        let Some(held) = sessions.lease(*renewable, until, now).await.unwrap() else {
            return false;
        };
        let next = "refresh token".to_owned().into();
        let renewed = sessions.renew(&held, contents(token), next, None, now).await;
        if renewed.is_err() {
            sessions.give_up(&held, now).await.unwrap();
        }
        renewed.is_ok()
    }

    fn secret(&self, session: usize) -> Option<&SessionSecret> {
        self.secrets.get(session % self.secrets.len().max(1))
    }
}

fn request(name: header::HeaderName, value: &str) -> Request {
    let request = http::Request::builder().uri("/protected").header(name, value);
    request.body(bytes::Bytes::new()).unwrap()
}

fn claims(subject: &str, now: Timestamp) -> Value {
    json!({
        "iss": ISSUER,
        "sub": subject,
        "aud": CLIENT,
        "iat": now.as_unix(),
        "exp": now.as_unix() + TOKEN_LIFETIME,
    })
}

fn contents(token: &Token) -> SessionContents {
    SessionContents {
        user: json!({ "sub": "auth0|ada" }).as_object().unwrap().clone(),
        id_token: token.text.clone().into(),
        api_key: token.text.clone().into(),
        api_key_expires_at: token.expires_at,
        provider_session: None,
        scopes: vec!["read".to_owned()],
    }
}

fn grant() -> RefreshGrant {
    let login = json!({ "subject": "auth0|ada", "issued_at": NOW, "amr": [] });
    RefreshGrant {
        refresh_token: "refresh token".to_owned().into(),
        login: serde_json::from_value::<LoginClaims>(login).unwrap(),
        granted: vec!["read".to_owned()],
    }
}
