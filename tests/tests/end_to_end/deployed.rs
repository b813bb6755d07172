//! The product as deployed: the functions' own programs behind their API, tested with a browser
//! without a screen.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, header::SET_COOKIE};
use serde_json::{Value, json};
use shared::{clock::Clock, testing::tokens::TEST_KEY};
use tests::{
    browser::Browser,
    deployment::Deployment,
    http_api::ORIGIN,
    misbehaving_provider::{ADA, MisbehavingProvider},
    page::Page,
    secrets::assert_absent,
    secrets_manager::{CLIENT_SECRET_ARN, SECRET_KEY_ARN},
    site::{CLIENT_ID, CLIENT_SECRET, SECRET_KEY},
};
use tokio::task::JoinSet;

const FUNCTIONS: [&str; 7] =
    ["authorizer", "callback", "hello", "login", "logout", "protected", "refresh"];
const SESSION: &str = "__Host-session";

async fn deployment(instances: usize) -> Deployment {
    Deployment::start(instances, &[("Scope", "openid profile email")]).await
}

/// Logs Ada in. Returns the callback's response.
async fn log_in<'a>(browser: &'a mut Browser, path: &str) -> Page<'a> {
    let form = browser.get(path).await.follow_all().await.form_at("form.people");
    // Follows the redirect to the callback.
    let arrived = form.submit().await.follow().await;
    assert_eq!((arrived.url.path(), arrived.status.as_u16()), ("/callback", 303), "{arrived:?}");
    arrived.follow_all().await
}

/// Logs Ada in and returns the API key on her key page.
async fn api_key(browser: &mut Browser) -> String {
    shown_key(&log_in(browser, "/login?connection=github").await)
}

/// The key on the key page.
fn shown_key(page: &Page<'_>) -> String {
    assert_eq!(page.read("h1").as_deref(), Some("Your API key"));
    page.read("#token").expect("the token is shown").split_whitespace().collect()
}

/// Requests `/protected` as a program does.
async fn call_api(deployment: &Deployment, token: &str) -> (u16, Value) {
    let request = deployment.api().http_client().get(format!("{ORIGIN}/protected"));
    let answer = request.bearer_auth(token).send().await.expect("it is answered");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Requests the function behind the authorizer as a program does.
async fn hello(deployment: &Deployment, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = deployment.api().http_client().get(format!("{ORIGIN}/api/hello"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("it is answered");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Prints the build that the tests use, since they prove nothing about other builds. CI uses `sam
/// build`.
#[tokio::test]
async fn prints_the_build_that_the_tests_use() {
    let deployment = deployment(1).await;
    println!("the deployed functions are {}", deployment.artifacts());
    for function in deployment.lambda().functions() {
        println!("{}: {}", function.name, function.bootstrap.display());
    }
    let names: Vec<_> = deployment.lambda().functions().map(|function| &*function.name).collect();
    assert_eq!(names, FUNCTIONS);
}

#[tokio::test]
async fn log_in_call_protected_and_log_out() {
    let deployment = deployment(1).await;
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

    let token = api_key(&mut browser).await;
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
    for function in FUNCTIONS {
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
    let token = api_key(&mut browser).await;
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
        let token = api_key(&mut browser).await;
        let bearer = format!("Bearer {token}");
        let (status, _) = hello(&deployment, &[("authorization", &bearer)]).await;
        assert_eq!(status, expected, "{parameters:?}");
        let by_cookie = browser.fetch(Method::GET, "/api/hello", &[]).await;
        assert_eq!(by_cookie.status.as_u16(), expected, "{parameters:?}");
    }
}

/// R187: the provider grants every scope in the URL, and the user can edit the URL.
#[tokio::test]
async fn r187_scopes_added_to_the_authorization_url_are_not_granted() {
    let parameters = [
        ("Audience", "https://api.example"),
        ("Scope", "openid email"),
        ("RouteScopes", "GET /api/hello = read:hello"),
    ];
    let deployment = Deployment::start(1, &parameters).await;
    let mut browser = deployment.browser();
    let request = browser.get("/login?connection=github").await.location().expect("a redirect");
    let more = "scope=openid+email+read%3Ahello+offline_access";
    let edited = request.as_str().replace("scope=openid+email", more);
    assert!(edited.contains(more), "{request}");
    let key = shown_key(&log_in(&mut browser, &edited).await);
    let claims = BASE64_URL_SAFE_NO_PAD.decode(key.split('.').nth(1).expect("claims"));
    let claims: Value = serde_json::from_slice(&claims.expect("base64url")).expect("JSON");
    assert_eq!(claims["scope"], "openid email read:hello offline_access");

    let bearer = format!("Bearer {key}");
    assert_eq!(hello(&deployment, &[("authorization", &bearer)]).await.0, 403);
    assert_eq!(browser.fetch(Method::GET, "/api/hello", &[]).await.status, 403);
    assert_eq!(call_api(&deployment, &key).await.0, 200);
    let refused = browser.fetch(Method::POST, "/refresh", &[]).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (409, &json!("not_refreshable"))
    );
    let log = deployment.lambda().output();
    assert!(!log.contains("refresh_token.not_revoked"), "{log}");
}

/// R188: in every function, and in the authorizer.
#[tokio::test]
async fn r188_a_cookie_whose_key_has_expired_works_only_for_refresh() {
    const LIFETIME: u64 = 8;
    let provider = MisbehavingProvider::start(Clock::system()).await;
    let scope = "openid profile email offline_access";
    let parameters =
        [("AuthHost", provider.issuer.as_str()), ("ClientId", CLIENT_ID), ("Scope", scope)];
    let deployment = Deployment::start(1, &parameters).await;
    let mut browser = deployment.browser();
    // The functions are warm by now.
    assert_eq!(browser.fetch(Method::GET, "/api/hello", &[]).await.status, 403);
    assert_eq!(browser.fetch(Method::GET, "/protected", &[]).await.status, 401);
    browser.get("/callback?code=c&state=s").await;
    let request = browser.get("/login").await.location().expect("a redirect");
    let expires_at = Clock::system().now().as_unix() + LIFETIME;
    provider.change_claims(json!({ "exp": expires_at }));
    shown_key(&browser.get(&provider.log_in(&request, ADA)).await.follow_all().await);
    let ask = async |browser: &mut Browser| {
        let protected = browser.fetch(Method::GET, "/protected", &[]).await;
        let protected = (protected.status.as_u16(), protected.json()["code"].take());
        (protected, browser.fetch(Method::GET, "/api/hello", &[]).await.status.as_u16())
    };
    assert_eq!(ask(&mut browser).await, ((200, Value::Null), 200));
    tokio::time::sleep(Duration::from_secs(LIFETIME)).await;
    assert_eq!(ask(&mut browser).await, ((401, json!("refresh_required")), 403));
    shown_key(&browser.get("/").await);
    assert_eq!(browser.fetch(Method::POST, "/refresh", &[]).await.status, 200);
    assert_eq!(ask(&mut browser).await, ((200, Value::Null), 200));
}

/// R189: both for a link, and for a login that the other site started before the user logged in.
#[tokio::test]
async fn r189_a_login_that_another_site_starts_ends_no_session() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    let from_elsewhere = || {
        Request::get("/login?prompt=none")
            .header("accept", "text/html")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .body(Bytes::new())
            .expect("a request")
    };
    let begun = browser.send(from_elsewhere()).await.location().expect("a redirect");
    let key = api_key(&mut browser).await;

    // The provider has a session for her by now and needs no input.
    let arrived = browser.get(begun.as_str()).await.follow().await;
    assert_eq!((arrived.url.path(), arrived.status.as_u16()), ("/callback", 303), "{arrived:?}");
    assert_eq!(shown_key(&arrived.follow_all().await), key);

    let asked = browser.send(from_elsewhere()).await;
    assert_eq!((asked.status.as_u16(), asked.read("h1")), (200, Some("Log in again?".to_owned())));
    assert_eq!(call_api(&deployment, &key).await.0, 200);
    // Confirming the login replaces the session.
    let next = shown_key(&asked.click("Log in again").await.follow_all().await);
    assert_eq!(call_api(&deployment, &key).await.1["code"], "session_ended");
    assert_eq!(call_api(&deployment, &next).await.0, 200);
}

#[tokio::test]
async fn r190_no_function_starts_with_the_audience_of_every_login_or_a_loopback_origin() {
    let origin = ("AllowedOrigins", "http://localhost:5173");
    for (parameter, said, functions) in [
        (("Audience", "client"), "AUDIENCE must not be CLIENT_ID", 5),
        (("Audience", "https://tenant.invalid/userinfo"), "AUDIENCE must not be the provider's", 5),
        (("Audience", "https://tenant.invalid/api/v2/"), "AUDIENCE must not be the provider's", 5),
        (origin, "ALLOWED_ORIGINS must not name an http origin", 3),
    ] {
        let parameters = [("AuthHost", "tenant.invalid"), ("ClientId", "client"), parameter];
        let deployment = Deployment::start_inside_lambda(1, &parameters).await;
        let mut browser = deployment.browser();
        for path in ["/", "/callback", "/logout", "/protected", "/api/hello"] {
            browser.fetch(Method::GET, path, &[]).await;
        }
        let log = deployment.lambda().output();
        assert_eq!(log.matches(said).count(), functions, "{parameter:?}: {log}");
    }
}

#[tokio::test]
async fn r104_a_logout_in_another_client_counts_and_a_forged_one_does_not() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    let token = api_key(&mut browser).await;

    let forged = browser.show("https://evil.example/").post_form("/logout", &[("a", "1")]).await;
    assert_eq!(
        (forged.status.as_u16(), forged.read("h1")),
        (403, Some("You were not logged out".to_owned()))
    );
    let asked = browser.show("https://evil.example/").get("/logout").await;
    assert_eq!((asked.status.as_u16(), asked.read("h1")), (200, Some("Log out?".to_owned())));
    assert_eq!(call_api(&deployment, &token).await.0, 200);

    let request = deployment.api().http_client().post(format!("{ORIGIN}/logout"));
    let elsewhere = request.bearer_auth(&token).send().await.expect("it is answered");
    assert_eq!(elsewhere.status(), 200);
    assert_eq!(call_api(&deployment, &token).await.1["message"], "Good token, bad session");
    let by_cookie = browser.fetch(Method::GET, "/protected", &[]).await;
    assert_eq!(
        (by_cookie.status.as_u16(), &by_cookie.json()["code"]),
        (401, &json!("session_ended"))
    );
    assert_eq!(browser.get("/").await.read("h1").as_deref(), Some("Log in"));
}

/// Uses API Gateway's `cookies`. Joined in one header, they would become one broken cookie.
#[tokio::test]
async fn r159_each_cookie_arrives_in_a_separate_header() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    // Two tabs, of which the second logs in.
    browser.get("/login?connection=github").await;
    let form = browser.get("/login?connection=github").await.follow().await.follow_all().await;
    let arrived = form.form_at("form.people").submit().await.follow().await;
    let cookies: Vec<_> = arrived.headers.get_all(SET_COOKIE).iter().cloned().collect();
    let names: Vec<_> = cookies
        .iter()
        .map(|cookie| cookie.to_str().expect("ASCII").split('=').next().expect("a name"))
        .collect();
    assert!(names.len() == 2 && names.contains(&SESSION), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("__Host-login.")), "{names:?}");
    for cookie in &cookies {
        let cookie = cookie.to_str().expect("ASCII");
        for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.split("; ").any(|found| found == attribute), "{cookie}");
        }
        assert!(!cookie.contains(','), "{cookie}");
    }
    let mut kept = browser.cookie_names();
    kept.sort_unstable();
    assert!(
        kept.len() == 2 && kept[0].starts_with("__Host-login.") && kept[1] == SESSION,
        "{kept:?}"
    );
}

#[tokio::test]
async fn functions_answer_unknown_methods_and_paths() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    for (path, allow) in [
        ("/", "GET, HEAD"),
        ("/login", "GET"),
        ("/callback", "GET"),
        ("/protected", "GET, HEAD, OPTIONS"),
        ("/logout", "GET, HEAD, POST, OPTIONS"),
        ("/signed-out", "GET, HEAD"),
    ] {
        for method in [Method::PUT, Method::from_bytes(b"BREW").expect("a method")] {
            let refused = browser.fetch(method.clone(), path, &[]).await;
            assert_eq!(refused.status, 405, "{method} {path}: {refused:?}");
            assert_eq!(refused.header("allow"), Some(allow), "{method} {path}");
            assert_eq!(refused.json()["code"], "method_not_allowed");
        }
    }
    for path in ["/protected/", "/Protected", "/protected.json", "/prod/protected", "/favicon.ico"]
    {
        let page = browser.get(path).await;
        assert_eq!((page.status.as_u16(), page.header("allow")), (404, None), "{path}");
        assert!(page.read("h1").is_some(), "{path}: {page:?}");
        let refused = browser.fetch(Method::GET, path, &[]).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (404, &json!("not_found")));
    }
}

#[tokio::test]
async fn head_returns_gets_headers_without_a_body() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    api_key(&mut browser).await;
    for path in ["/", "/protected", "/logout", "/signed-out", "/nowhere"] {
        let get = browser.fetch(Method::GET, path, &[]).await;
        let expected = (get.status, get.header("content-type").map(str::to_owned));
        assert!(!get.body.is_empty(), "{path}");
        let head = browser.fetch(Method::HEAD, path, &[]).await;
        assert_eq!(
            (head.status, head.header("content-type").map(str::to_owned)),
            expected,
            "{path}"
        );
        assert!(head.body.is_empty(), "{path}");
    }
}

/// API Gateway joins repeated parameters by a comma; the functions read the raw query.
#[tokio::test]
async fn r022_a_repeated_parameter_is_rejected() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    let login = browser.get("/login?connection=github&connection=google-oauth2").await;
    assert_eq!(login.status, 400);
    assert_eq!(login.read("h1").as_deref(), Some("This login link is not valid"));
    let form = browser.get("/login?connection=github").await.follow().await.follow_all().await;
    let back = form.form_at("form.people").submit().await.location().expect("a redirect");
    let doubled = browser.get(&format!("{back}&code=other")).await;
    assert_eq!(doubled.status, 400, "{doubled:?}");
    assert_eq!(browser.cookie(SESSION), None);
    // The rejected request has not used up the code.
    assert_eq!(browser.get(back.as_str()).await.status, 303);
    assert!(browser.cookie(SESSION).is_some());
}

/// Forms arrive in base64, and a body may exceed any form's size.
#[tokio::test]
async fn bodies_are_accepted_up_to_a_limit() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    let token = api_key(&mut browser).await;
    let form = |size: usize| {
        Request::post("/logout")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .header("origin", ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "cors")
            .body(Bytes::from(vec![b'a'; size]))
            .expect("a request")
    };
    let refused = browser.send(form(1024 * 1024 + 1)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (413, &json!("body_too_large")));
    assert_eq!(call_api(&deployment, &token).await.0, 200);
    let accepted = browser.send(form(1024 * 1024)).await;
    assert_eq!((accepted.status.as_u16(), &accepted.json()["code"]), (200, &json!("signed_out")));
    assert_eq!(call_api(&deployment, &token).await.0, 401);
}

/// Each process immediately sees what another has written or ended.
#[tokio::test]
async fn three_processes_of_each_function_share_their_sessions() {
    let deployment = deployment(3).await;
    for function in FUNCTIONS {
        deployment.lambda().warm(function, 3).await;
    }
    let mut logins = JoinSet::new();
    for _ in 0..6 {
        let mut browser = deployment.browser();
        logins.spawn(async move { (api_key(&mut browser).await, browser) });
    }
    let mut people = logins.join_all().await;
    for _ in 0..3 {
        for (token, _) in &people {
            assert_eq!(call_api(&deployment, token).await.0, 200);
            let bearer = format!("Bearer {token}");
            assert_eq!(hello(&deployment, &[("authorization", &bearer)]).await.0, 200);
        }
    }
    let (_, leaving) = &mut people[0];
    let left = leaving.fetch(Method::POST, "/logout", &[]).await;
    assert_eq!(left.json()["code"], "signed_out");
    for _ in 0..3 {
        assert_eq!(
            call_api(&deployment, &people[0].0).await.1["message"],
            "Good token, bad session"
        );
        assert_eq!(call_api(&deployment, &people[1].0).await.0, 200);
    }
    for function in FUNCTIONS {
        let served = deployment.lambda().served(function);
        assert_eq!(served.len(), 3, "{function}: {served:?}");
        if !["logout", "refresh"].contains(&function) {
            assert!(!served.contains(&0), "{function}: {served:?}");
        }
    }
}

/// Starts fifty processes of each function one after the other, each without earlier requests.
#[tokio::test]
async fn a_starting_process_sends_the_provider_no_request() {
    const STARTS: usize = 50;
    let provider = MisbehavingProvider::start(Clock::system()).await;
    let parameters = [("AuthHost", provider.issuer.as_str()), ("ClientId", CLIENT_ID)];
    let deployment = Deployment::start(1, &parameters).await;
    let mut browser = deployment.browser();
    let request = browser.get("/login").await.location().expect("a redirect");
    let page = browser.get(&provider.log_in(&request, ADA)).await.follow_all().await;
    let token: String =
        page.read("#token").expect("the token is shown").split_whitespace().collect();
    // The first login page requests the login methods.
    deployment.browser().get("/").await;
    let asked = provider.requests();

    for start in 0..STARTS {
        deployment.lambda().cool("protected");
        assert_eq!(call_api(&deployment, &token).await.0, 200, "{start}");
        deployment.lambda().cool("login");
        let location = deployment.browser().get("/login").await.location().expect("a redirect");
        assert!(location.as_str().starts_with(&provider.issuer), "{location}");
    }
    deployment.lambda().cool("login");
    let mut stranger = deployment.browser();
    let page = stranger.get("/").await;
    assert!(page.text().contains("connection=google-oauth2"), "{page:?}");

    assert_eq!(provider.requests(), asked);
    assert_eq!(deployment.lambda().served("protected"), [1; STARTS]);
    // The first process also served the login and the first login page.
    assert_eq!(deployment.lambda().served("login")[1..], [1; STARTS + 1]);
    let log = deployment.lambda().output();
    assert_eq!(log.matches("\"event\":\"provider.fetched\"").count(), 3, "{log}");
    for event in ["provider.unavailable", "provider.not_shared", "provider.row_unusable"] {
        assert!(!log.contains(event), "{log}");
    }
}

/// Neither in the functions' environment nor in their output.
#[tokio::test]
async fn r173_r179_no_secret_is_in_an_environment_or_in_a_log() {
    let deployment = deployment(1).await;
    let mut browser = deployment.browser();
    let token = api_key(&mut browser).await;
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

/// The development provider lets anyone log in as any user.
#[tokio::test]
async fn r178_inside_lambda_no_function_starts_with_a_provider_on_loopback() {
    let parameters = [("AuthHost", "http://localhost:9100"), ("ClientId", "client")];
    let deployment = Deployment::start_inside_lambda(1, &parameters).await;
    let mut browser = deployment.browser();
    for path in ["/", "/callback", "/logout", "/protected", "/api/hello"] {
        let refused = browser.fetch(Method::GET, path, &[]).await;
        assert_eq!(refused.status, 500, "{path}");
        assert_eq!(refused.json(), json!({ "message": "Internal Server Error" }));
    }
    let said = "\n  AUTH_HOST must use https (http is for a loopback host only)\n";
    assert_eq!(deployment.lambda().output().matches(said).count(), 5);
}
