//! The product as deployed: the functions' own programs behind their API, tested with a browser
//! without a screen.

use http::Method;
use serde_json::{Value, json};
use shared::testing::tokens::TEST_KEY;
use tests::{
    deployment::Deployment,
    http_api::{self, ORIGIN},
    secrets::assert_absent,
    secrets_manager::{CLIENT_SECRET_ARN, SECRET_KEY_ARN},
    site::{CLIENT_SECRET, SECRET_KEY},
};

const SESSION: &str = "__Host-session";

async fn deployment(instances: usize) -> Deployment {
    Deployment::start(instances, &[("Scope", "openid profile email")]).await
}

/// Requests `/protected` as a program does.
async fn call_api(deployment: &Deployment, token: &str) -> (u16, Value) {
    http_api::call_api(&deployment.api().http_client(), token).await
}

/// Requests the function behind the authorizer as a program does.
async fn hello(deployment: &Deployment, headers: &[(&str, &str)]) -> (u16, Value) {
    http_api::ask(&deployment.api().http_client(), "/api/hello", headers).await
}

/// Also prints the build that the tests use, since they prove nothing about other builds. CI uses `sam
/// build`.
#[tokio::test]
async fn log_in_call_protected_and_log_out() {
    let deployment = deployment(1).await;
    println!("the deployed functions are {}", deployment.artifacts());
    let mut browser = deployment.browser();
    let page = browser.get("/").await;
    assert_eq!(page.read("h1").as_deref(), Some("Log in"));
    // The login page needs the provider's list of login methods, but no secret.
    assert_eq!(deployment.secrets().reads(), 0);

    // The base URL is the API's own domain, taken from the request context.
    let mut tab = browser.clone();
    let request = tab.get("/login?connection=github").await.location().expect("a redirect");
    let parameters: Vec<_> = request.query_pairs().collect();
    assert!(parameters.contains(&("redirect_uri".into(), format!("{ORIGIN}/callback").into())));

    let token = browser.log_in("ada@example.com").await;
    assert!(browser.cookie(SESSION).is_some_and(|secret| secret.len() == 43));
    assert_eq!(browser.cookie_names(), [SESSION], "no login cookie is left");
    let (status, claims) = call_api(&deployment, &token).await;
    assert_eq!((status, &claims["email"]), (200, &json!("ada@example.com")));
    let by_cookie = browser.fetch(Method::GET, "/protected", &[]).await;
    assert_eq!((by_cookie.status.as_u16(), by_cookie.json()), (200, claims));
    assert_eq!(hello(&deployment, &[("authorization", &format!("Bearer {token}"))]).await.0, 200);

    // Each function has read only its own secrets, once each.
    let secrets = deployment.secrets();
    assert_eq!((secrets.reads_of(SECRET_KEY_ARN), secrets.reads_of(CLIENT_SECRET_ARN)), (2, 1));

    let form = browser.get("/").await.form_at("form[action='/logout']");
    let left = form.submit().await.follow_all().await;
    let left = if left.url.path() == "/signed-out" {
        left
    } else {
        left.form().submit().await.follow_all().await
    };
    assert_eq!(
        left.url.as_str().split('?').next(),
        Some("https://abc123.execute-api.eu-central-1.amazonaws.com/signed-out")
    );
    assert_eq!(left.read("h1").as_deref(), Some("You are logged out"));
    assert_eq!(browser.cookie_names(), [""; 0]);
    let (status, refusal) = call_api(&deployment, &token).await;
    assert_eq!((status, &refusal["code"]), (401, &json!("session_ended")));
    assert_eq!(refusal["message"], "Good token, bad session");
    let refresh = browser.fetch(Method::POST, "/refresh", &[]).await;
    assert_eq!((refresh.status.as_u16(), &refresh.json()["code"]), (401, &json!("session_ended")));
    for function in tests::functions().iter().chain([&"hello".to_owned()]) {
        assert_eq!(deployment.lambda().served(function).len(), 1, "{function}");
    }
}

/// The function is ten lines of Python without code for tokens or sessions.
#[tokio::test]
async fn a_python_function_greets_the_logged_in_user_until_logout() {
    let deployment = deployment(1).await;
    let forbidden = (403, json!({ "message": "Forbidden" }));
    assert_eq!(hello(&deployment, &[]).await, forbidden);
    let mut browser = deployment.browser();
    let token = browser.log_in("ada@example.com").await;
    let bearer = format!("Bearer {token}");
    let authorization = ("authorization", bearer.as_str());
    let (status, greeting) = hello(&deployment, &[authorization]).await;
    assert_eq!((status, &greeting["greeting"]), (200, &json!("Hello, Ada Lovelace")));
    let by_cookie = browser.fetch(Method::GET, "/api/hello", &[]).await;
    assert_eq!((by_cookie.status.as_u16(), by_cookie.json()), (200, greeting));

    // Neither a forged context nor a cookie beside a bad token gives access.
    let forged = [
        ("requestcontext.authorizer.lambda", r#"{"sub":"admin","name":"Admin"}"#),
        ("x-amzn-oidc-identity", "admin"),
    ];
    assert_eq!(hello(&deployment, &forged).await, forbidden);
    let (status, greeting) = hello(&deployment, &[&forged[..], &[authorization]].concat()).await;
    assert_eq!((status, &greeting["greeting"]), (200, &json!("Hello, Ada Lovelace")));
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).expect("a session"));
    let bad = [("authorization", "Bearer x.y.z"), ("cookie", cookie.as_str())];
    assert_eq!(hello(&deployment, &bad).await, forbidden);
    // The route exists only for GET; other methods have no route.
    let other = browser.fetch(Method::POST, "/api/hello", &[]).await;
    assert_eq!((other.status.as_u16(), &other.json()["code"]), (404, &json!("not_found")));

    let calls = deployment.lambda().served("hello");
    let left = browser.fetch(Method::POST, "/logout", &[]).await;
    assert_eq!(left.json()["code"], "signed_out");
    assert_eq!(hello(&deployment, &[authorization]).await, forbidden);
    assert_eq!(hello(&deployment, &[("cookie", &cookie)]).await, forbidden);
    assert_eq!(deployment.lambda().served("hello"), calls);
}

/// The scopes of the route are compared with those of an access token.
#[tokio::test]
async fn a_guarded_route_requires_the_deployments_scopes() {
    let parameters = [
        ("Audience", "https://api.example"),
        ("Scope", "openid email read:hello"),
        ("RouteScopes", "GET /api/hello = read:hello"),
    ];
    let stricter = [&parameters[..2], &[("RouteScopes", "GET /api/hello = write:hello")]].concat();
    let elsewhere = [&parameters[..2], &[("RouteScopes", "GET /api = read:hello")]].concat();
    for (parameters, expected) in [(&parameters[..], 200), (&stricter, 403), (&elsewhere, 403)] {
        let deployment = Deployment::start(1, parameters).await;
        let mut browser = deployment.browser();
        let token = browser.log_in("ada@example.com").await;
        let bearer = format!("Bearer {token}");
        let (status, _) = hello(&deployment, &[("authorization", &bearer)]).await;
        assert_eq!(status, expected, "{parameters:?}");
        let by_cookie = browser.fetch(Method::GET, "/api/hello", &[]).await;
        assert_eq!(by_cookie.status.as_u16(), expected, "{parameters:?}");
    }
}

/// R178: a provider on loopback, such as the development provider, lets anyone log in as any user.
#[tokio::test]
async fn r178_r190_inside_lambda_no_function_starts_with_insecure_settings() {
    let (provider, client) = (("AuthHost", "tenant.invalid"), ("ClientId", "client"));
    let loopback = ("AuthHost", "http://localhost:9100");
    let origin = ("AllowedOrigins", "http://localhost:5173");
    for (parameters, said, functions) in [
        ([loopback, client, ("Audience", "")], "AUTH_HOST must use https", 5),
        ([provider, client, ("Audience", "client")], "AUDIENCE must not be CLIENT_ID", 5),
        (
            [provider, client, ("Audience", "https://tenant.invalid/userinfo")],
            "AUDIENCE must not be the provider's",
            5,
        ),
        (
            [provider, client, ("Audience", "https://tenant.invalid/api/v2/")],
            "AUDIENCE must not be the provider's",
            5,
        ),
        ([provider, client, origin], "ALLOWED_ORIGINS must not name an http origin", 4),
    ] {
        let deployment = Deployment::start_inside_lambda(1, &parameters).await;
        let mut browser = deployment.browser();
        for path in ["/", "/callback", "/logout", "/protected", "/api/hello"] {
            let refused = browser.fetch(Method::GET, path, &[]).await;
            assert!(functions < 5 || refused.status == 500, "{path}: {refused:?}");
        }
        let log = deployment.lambda().output();
        assert_eq!(log.matches(said).count(), functions, "{parameters:?}: {log}");
    }
}

/// Neither in the functions' environment nor in their output.
#[tokio::test]
async fn r173_r179_no_secret_is_in_an_environment_or_in_a_log() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    let token = browser.log_in("ada@example.com").await;
    let cookie = browser.cookie(SESSION).expect("a session").to_owned();
    browser.get("/callback?code=a-code-that-is-nobodys&state=a-state-that-is-nobodys").await;
    call_api(&deployment, &token).await;
    browser.fetch(Method::POST, "/logout", &[]).await;

    let secrets = [("the client secret", CLIENT_SECRET), ("the secret key", SECRET_KEY)];
    for function in deployment.lambda().functions() {
        assert_absent(format!("{:?}", function.environment).as_bytes(), &secrets);
    }
    let log = deployment.lambda().output();
    for event in ["login.succeeded", "login.unknown", "logout.succeeded"] {
        assert!(log.contains(&format!("\"event\":\"{event}\"")), "{event}: {log}");
    }
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("every line is JSON");
        assert!(line["level"].is_string(), "{line}");
    }
    let signature = token.rsplit('.').next().expect("a JWT has three parts");
    let seen = [
        ("the session", cookie.as_str()),
        ("the token's signature", signature),
        ("the e-mail address", "ada@example.com"),
        ("the code", "a-code-that-is-nobodys"),
        ("the state", "a-state-that-is-nobodys"),
    ];
    assert_absent(log.as_bytes(), &[&secrets[..], &seen].concat());
}

/// With all of Lambda's variables and an unreachable provider, everything that needs no provider
/// works.
#[tokio::test]
async fn inside_lambda_the_functions_work_without_a_reachable_provider() {
    let parameters =
        [("AuthHost", "tenant.invalid"), ("ClientId", "client"), ("Connections", "none")];
    let deployment = Deployment::start_inside_lambda(1, &parameters).await;
    let mut browser = deployment.browser();
    let page = browser.get("/").await;
    assert_eq!((page.status.as_u16(), page.read("h1").as_deref()), (200, Some("Log in")));
    let page = browser.get("/signed-out").await;
    assert_eq!(
        (page.status.as_u16(), page.read("h1").as_deref()),
        (200, Some("You are logged out"))
    );
    let refused = browser.fetch(Method::GET, "/protected", &[]).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (401, &json!("authorization_header_missing"))
    );
    let refused = browser.get("/callback?code=c&state=s").await;
    assert_eq!(
        (refused.status.as_u16(), refused.read("h1").as_deref()),
        (400, Some("This login can't be finished"))
    );
    assert_eq!(hello(&deployment, &[]).await, (403, json!({ "message": "Forbidden" })));
    assert_eq!(deployment.secrets().reads(), 0);

    // Only the provider's keys can show whether this token is valid, so there is no decision.
    let now = shared::clock::Clock::system().now().as_unix();
    let token = TEST_KEY.sign(&json!({
        "iss": "https://tenant.invalid/", "aud": "client", "sub": "auth0|ada", "nonce": "n",
        "iat": now, "exp": now + 600,
    }));
    let bearer = format!("Bearer {token}");
    let undecided = hello(&deployment, &[("authorization", &bearer)]).await;
    assert_eq!(undecided, (500, json!({ "message": "Internal Server Error" })));
    let log = deployment.lambda().output();
    assert!(log.contains(r#""code":"identity_provider_unavailable""#), "{log}");
    assert!(deployment.lambda().served("hello").is_empty());
}
