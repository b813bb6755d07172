//! The whole bundle behind the gateway: events of API Gateway as input, its responses as output.

use gateway::Gateway;
use lambda_runtime::Context;
use serde_json::{Value, json};
use tests::{
    misbehaving_provider::{ADA, GRACE},
    site::{ORIGIN, Site},
    visitor::{LOGIN, SESSION, Sending, Visitor},
};
use url::Url;

/// An event of a browser's navigation.
fn event(method: &str, path: &str, query: &str, cookies: &[String]) -> Value {
    json!({
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "cookies": cookies,
        "headers": { "accept": "text/html", "host": "api.example.com", "sec-fetch-mode": "navigate" },
        "requestContext": {
            "http": { "method": method, "path": path },
            "requestId": "gateway-id",
            "stage": "$default",
            "domainName": "api.example.com",
        },
        "isBase64Encoded": false,
    })
}

async fn answer(site: &Site, event: &[u8]) -> Value {
    let handler = |request, now| {
        let site = site.clone();
        async move { site.answer(request, now).await }
    };
    let mut context = Context::default();
    context.request_id = "invocation-id".to_owned();
    let gateway = Gateway::new(handler, site.clock().as_clock());
    serde_json::to_value(site.log().watch(gateway.answer(event, &context)).await).unwrap()
}

async fn ask(site: &Site, event: &Value) -> Value {
    answer(site, event.to_string().as_bytes()).await
}

/// `NAME=VALUE` of each cookie that the answer sets and does not clear.
fn cookies(answer: &Value) -> Vec<String> {
    let cookies = answer["cookies"].as_array().unwrap().iter();
    let pairs =
        cookies.map(|cookie| cookie.as_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.filter(|pair| !pair.ends_with('=')).collect()
}

#[tokio::test]
async fn r159_a_login_by_events_keeps_its_cookies_apart() {
    let site = Site::start().await;
    let started = ask(&site, &event("GET", "/login", "return_to=%2Freports", &[])).await;
    assert_eq!(started["statusCode"], 303);
    let kept = cookies(&started);
    assert!(kept.len() == 1 && kept[0].starts_with(LOGIN), "{kept:?}");
    assert!(started["headers"].get("set-cookie").is_none());

    let request = Url::parse(started["headers"]["location"].as_str().unwrap()).unwrap();
    let back = Url::parse(&site.provider().log_in(&request, ADA)).unwrap();
    let answer = ask(&site, &event("GET", "/callback", back.query().unwrap(), &kept)).await;
    assert_eq!(
        (&answer["statusCode"], &answer["headers"]["location"]),
        (&json!(303), &json!("/reports"))
    );
    assert_eq!(answer["cookies"].as_array().unwrap().len(), 2, "{answer}");
    let session = cookies(&answer);
    assert!(session.len() == 1 && session[0].starts_with(SESSION), "{session:?}");

    let mixed = [vec!["theme=dark".to_owned()], session].concat();
    let protected = ask(&site, &event("GET", "/protected", "", &mixed)).await;
    assert_eq!(protected["statusCode"], 200);
    let user: Value = serde_json::from_str(protected["body"].as_str().unwrap()).unwrap();
    assert_eq!(user["sub"], ADA.subject);
}

/// The cookies of a user who has logged in.
async fn session(site: &Site) -> Vec<String> {
    let visitor = Visitor::logged_in(site, ADA).await;
    vec![format!("{SESSION}={}", visitor.session().unwrap())]
}

#[tokio::test]
async fn r022_the_raw_query_counts_and_not_the_parameters_parsed_by_the_gateway() {
    let site = Site::start().await;
    let started = ask(&site, &event("GET", "/login", "", &[])).await;
    let request = Url::parse(started["headers"]["location"].as_str().unwrap()).unwrap();
    let back = Url::parse(&site.provider().log_in(&request, ADA)).unwrap();
    let query = format!("{}&code=other", back.query().unwrap());
    let mut doubled = event("GET", "/callback", &query, &cookies(&started));
    doubled["queryStringParameters"] = back
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let answer = ask(&site, &doubled).await;
    assert_eq!(answer["statusCode"], 400);
    assert_eq!(site.provider().token_requests(), 0);
}

#[tokio::test]
async fn r160_a_variant_of_a_path_is_not_found() {
    let site = Site::start().await;
    let ours = session(&site).await;
    for path in [
        "/protected/",
        "//protected",
        "/PROTECTED",
        "/Protected",
        "/protected/..",
        "/x/../protected",
        "/./protected",
        "/%2e/protected",
        "/%70rotected",
        "/protected%2f",
        "/protected%00",
        "/protected;x=1",
        "/protected.json",
        "/protected.css",
        "/protected/index.html",
        "/public/../protected",
        "/favicon.ico",
        "/static/x.js",
        "/callback/",
        "//callback",
        "/login/",
        "/prod/protected",
        "/.well-known/jwks.json",
    ] {
        for cookies in [&ours[..], &[]] {
            let answer = ask(&site, &event("GET", path, "public=1", cookies)).await;
            assert_eq!(answer["statusCode"], 404, "{path}");
            assert!(!answer.to_string().contains(ADA.email), "{path}");
        }
    }
    let mut staged = event("GET", "/prod/protected", "", &ours);
    staged["requestContext"]["stage"] = "prod".into();
    assert_eq!(ask(&site, &staged).await["statusCode"], 200);
    staged["cookies"] = json!([]);
    assert_eq!(ask(&site, &staged).await["statusCode"], 401);
}

#[tokio::test]
async fn r161_no_header_and_no_parameter_overrides_the_method() {
    let site = Site::start().await;
    let ours = session(&site).await;
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let mut overridden = event("GET", "/logout", "_method=POST", &ours);
        overridden["headers"][name] = "POST".into();
        overridden["headers"]["origin"] = ORIGIN.into();
        assert_eq!(ask(&site, &overridden).await["statusCode"], 200);
        assert_eq!(site.live_sessions().await, 1);
    }
    for method in ["BREW", "PROPFIND", "TRACE", "CONNECT", "get", "Post"] {
        for (path, allow) in [
            ("/", "GET, HEAD"),
            ("/login", "GET"),
            ("/callback", "GET"),
            ("/protected", "GET, HEAD, OPTIONS"),
            ("/logout", "GET, HEAD, POST, OPTIONS"),
            ("/signed-out", "GET, HEAD"),
        ] {
            let answer = ask(&site, &event(method, path, "", &ours)).await;
            assert_eq!(answer["statusCode"], 405, "{method} {path}");
            assert_eq!(answer["headers"]["allow"], allow, "{method} {path}");
        }
    }
    assert_eq!(site.live_sessions().await, 1);
}

#[tokio::test]
async fn r153_r164_a_user_named_in_a_header_or_a_forged_context_is_ignored() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    for name in [
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-User-Id",
        "X_User_Id",
        "X-Auth-Request-Email",
        "X-Amzn-Oidc-Data",
        "X-Amzn-Oidc-Identity",
        "X-Amzn-Oidc-Accesstoken",
        "X-Forwarded-Email",
        "Remote-User",
    ] {
        let mut forged = event("GET", "/protected", "", &[]);
        forged["headers"][name] = GRACE.email.into();
        forged["requestContext"]["authorizer"] =
            json!({ "jwt": { "claims": { "sub": GRACE.subject } }, "lambda": { "sub": "admin" } });
        assert_eq!(ask(&site, &forged).await["statusCode"], 401, "{name}");
        let headers = [(name, GRACE.email)];
        let lower = name.to_ascii_lowercase();
        let answer = site.get("/protected", &[(lower.as_str(), GRACE.email)]).await;
        answer.is_json(401, "authorization_header_missing");
        let answer = visitor.send(http::Method::GET, "/protected", Sending::SCRIPT, &headers).await;
        assert_eq!(answer.json()["sub"], ADA.subject, "{name}");
    }
}

#[tokio::test]
async fn r165_no_user_agent_and_no_query_bypasses_authentication() {
    let site = Site::start().await;
    for agent in
        ["ELB-HealthChecker/2.0", "kube-probe/1.30", "Googlebot", "Amazon CloudFront", "curl/8"]
    {
        for path in [
            "/protected",
            "/protected?/ping",
            "/protected?x=.css",
            "/protected?public=true",
            "/protected?next=/health",
        ] {
            let answer =
                site.get(path, &[("user-agent", agent), ("x-amzn-trace-id", "Root=1")]).await;
            answer.is_json(401, "authorization_header_missing");
        }
    }
}
