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
async fn r090_only_the_gateways_list_of_cookies_counts() {
    let site = Site::start().await;
    let ours = session(&site).await;
    let mut in_header = event("GET", "/protected", "", &[]);
    in_header["headers"]["Cookie"] = ours[0].as_str().into();
    assert_eq!(ask(&site, &in_header).await["statusCode"], 401);
    let mut both = event("GET", "/protected", "", &ours);
    both["headers"]["cookie"] = format!("{SESSION}={}", "B".repeat(43)).into();
    assert_eq!(ask(&site, &both).await["statusCode"], 200);
    both["cookies"].as_array_mut().unwrap().push(ours[0].as_str().into());
    assert_eq!(ask(&site, &both).await["statusCode"], 401);
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
        for path in ["/", "/login", "/callback", "/protected", "/logout", "/signed-out"] {
            let answer = ask(&site, &event(method, path, "", &ours)).await;
            assert_eq!(answer["statusCode"], 405, "{method} {path}");
            assert!(answer["headers"]["allow"].as_str().unwrap().contains("GET"));
        }
    }
    assert_eq!(site.live_sessions().await, 1);
}

#[tokio::test]
async fn r162_a_body_with_invalid_base64_is_a_bad_request() {
    let site = Site::start().await;
    let mut broken = event("POST", "/logout", "", &session(&site).await);
    broken["headers"]["origin"] = ORIGIN.into();
    broken["isBase64Encoded"] = true.into();
    for body in ["%%%", "YQ", "a"] {
        broken["body"] = body.into();
        assert_eq!(ask(&site, &broken).await["statusCode"], 400, "{body}");
    }
    assert_eq!(site.live_sessions().await, 1);
    broken["body"] = "YT0x".into();
    assert_eq!(ask(&site, &broken).await["statusCode"], 303);
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r163_an_event_of_another_kind_is_rejected() {
    let site = Site::start().await;
    for event in [
        "{}",
        "null",
        "",
        "[",
        r#"{"version":"1.0","path":"/protected","httpMethod":"GET"}"#,
        r#"{"requestContext":{"elb":{}},"path":"/protected"}"#,
        r#"{"version":"2.0"}"#,
        r#"{"version":"2.0","rawPath":7}"#,
    ] {
        let answer = answer(&site, event.as_bytes()).await;
        assert!(answer["statusCode"].as_i64().unwrap() >= 400, "{event}: {answer}");
        assert!(answer["cookies"].as_array().unwrap().is_empty(), "{event}");
    }
    assert_eq!(site.store().calls(), 0);
}

#[tokio::test]
async fn r153_r164_a_user_named_in_a_header_or_a_forged_context_is_ignored() {
    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
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

/// R175: each log line has the gateway's request id, and each event is one line.
#[tokio::test]
async fn r175_each_event_is_one_log_line_with_the_request_id() {
    let site = Site::start().await;
    let with_id = |mut event: Value, id: &str| {
        event["requestContext"]["requestId"] = id.into();
        event
    };
    let ask = async |event: Value, id: &str| ask(&site, &with_id(event, id)).await;
    let start = async |id: &str| {
        let started = ask(event("GET", "/login", "", &[]), id).await;
        let request = Url::parse(started["headers"]["location"].as_str().unwrap()).unwrap();
        (request, cookies(&started))
    };
    let query = |url: String| Url::parse(&url).unwrap().query().unwrap().to_owned();

    let (request, kept) = start("start").await;
    let back = query(site.provider().log_in(&request, ADA));
    let logged_in = ask(event("GET", "/callback", &back, &kept), "login").await;
    ask(event("GET", "/callback", &back, &kept), "replay").await;
    let (request, kept) = start("start-again").await;
    let refused = query(site.provider().refuse(&request, "access_denied"));
    ask(event("GET", "/callback", &refused, &kept), "failure").await;
    let session = cookies(&logged_in);
    let mut token = event("GET", "/protected", "", &[]);
    token["headers"]["authorization"] = "Bearer x.y.z".into();
    ask(token, "token").await;
    let mut logout = event("POST", "/logout", "", &session);
    logout["headers"]["origin"] = "https://evil.example".into();
    ask(logout.clone(), "logout-refused").await;
    logout["headers"]["origin"] = ORIGIN.into();
    ask(logout, "logout").await;
    ask(json!({ "version": "1.0" }), "").await;

    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let told: Vec<_> = site
        .log()
        .lines()
        .iter()
        .filter(|line| line["event"] != "request.answered")
        .map(|line| (text(line, "event"), text(&line["span"], "request_id")))
        .collect();
    let told: Vec<_> = told.iter().map(|(event, id)| (event.as_str(), id.as_str())).collect();
    assert_eq!(
        told,
        [
            ("provider.fetched", "start"),
            ("provider.fetched", "login"),
            ("login.succeeded", "login"),
            ("login.replayed", "replay"),
            ("login.refused", "failure"),
            ("request.refused", "token"),
            ("logout.refused", "logout-refused"),
            ("logout.succeeded", "logout"),
            ("request.unreadable", "invocation-id"),
        ]
    );
    let lines = site.log().lines();
    let answered: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "request.answered")
        .map(|line| (text(line, "request_id"), line["status"].as_u64().unwrap()))
        .collect();
    let answered: Vec<_> = answered.iter().map(|(id, status)| (id.as_str(), *status)).collect();
    assert_eq!(
        answered,
        [
            ("start", 303),
            ("login", 303),
            ("replay", 400),
            ("start-again", 303),
            ("failure", 403),
            ("token", 401),
            ("logout-refused", 403),
            ("logout", 303),
            ("invocation-id", 400),
        ]
    );
}
