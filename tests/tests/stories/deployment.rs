//! `template.yaml` deploys what the code needs.

use std::collections::{BTreeMap, BTreeSet};

use authorizer::AuthorizerConfig;
use callback::CallbackConfig;
use local::emulator::template::{Authorizer, Function, Source, Stack, Statement};
use login::LoginConfig;
use logout::LogoutConfig;
use refresh::RefreshConfig;
use serde_json::json;
use shared::{guard::GuardConfig, settings::Settings, store::table};
use tests::{
    documentation::Documentation,
    misbehaving_provider::{ADA, GRACE},
    permissions::{Permissions, REQUIRED, is_of_table, rights_in},
    site::{SECRET_KEY, Site},
    visitor::{Sending, Visitor},
};

use super::guards;

fn stack() -> Stack {
    tests::template().deploy(&REQUIRED, &[])
}

#[tokio::test]
async fn the_template_routes_each_path_to_the_function_that_serves_it() {
    let functions = stack().functions();
    let routes: Vec<_> = functions
        .iter()
        .filter(|function| function.guarded.is_empty())
        .flat_map(|function| function.routes.iter().map(|route| (&route[..], &function.binary[..])))
        .collect();
    let paths: BTreeMap<_, _> = routes
        .iter()
        .filter_map(|(route, binary)| Some((route.strip_prefix("ANY ")?, *binary)))
        .collect();
    assert_eq!(paths, Site::start().await.routes());
    // An unknown path gets a page, whichever function serves it.
    assert!(routes.contains(&("$default", "login")), "{routes:?}");
    // Each path occurs once, and no route has a method: the function itself rejects other methods.
    assert_eq!(routes.len(), paths.len() + 1, "{routes:?}");
}

/// The authorizer guards the example and nothing else: if it guarded the login, no user could log in.
/// It decides about each request, whatever the request contains, and no decision is cached (R152).
#[test]
fn r152_only_the_example_is_guarded_and_no_decision_is_cached() {
    assert!(stack().functions().iter().all(|function| function.guarded.is_empty()), "it is off");
    let example = [&REQUIRED[..], &[("HelloFunction", "true")]].concat();
    let stack = tests::template().deploy(&example, &[]);
    let guarded: Vec<_> =
        stack.functions().into_iter().filter(|function| !function.guarded.is_empty()).collect();
    let [hello] = &guarded[..] else { panic!("{guarded:?}") };
    assert_eq!(hello.routes, ["GET /api/hello"]);
    assert_eq!(
        hello.guarded,
        BTreeMap::from([("GET /api/hello".to_owned(), "SessionAuthorizer".to_owned())])
    );
    let authorizer = Authorizer {
        function: "Authorizer".to_owned(),
        has_identity_sources: false,
        result_ttl: 0,
    };
    assert_eq!(stack.authorizers(), BTreeMap::from([("SessionAuthorizer".to_owned(), authorizer)]));
    // It has no rights, and its code contains nothing about tokens, sessions or cookies.
    assert_eq!(hello.statements, []);
    let Source::Inline(code) = &hello.interpreted.as_ref().unwrap().source else {
        panic!("{hello:?}")
    };
    assert!(code.lines().count() <= 11, "{code}");
    for word in ["token", "bearer", "cookie", "session", "headers\"]", "jwt"] {
        assert!(!code.to_lowercase().contains(word), "{word}: {code}");
    }
}

/// API Gateway waits ten seconds for an authorizer.
#[test]
fn r166_the_authorizer_times_out_before_the_gateway() {
    for function in stack().functions() {
        let is_authorizer = function.binary == "authorizer";
        assert_eq!(function.timeout.as_secs(), if is_authorizer { 9 } else { 25 });
    }
}

/// All stories run with the policies in force: a forbidden call fails its story. In this story each
/// function does all that it can do, so each granted right must be needed.
#[tokio::test]
async fn r181_no_function_has_a_right_on_the_table_that_its_code_does_not_use() {
    let site = Site::start_with(&[("SCOPE", "openid email offline_access")]).await;
    let mut visitor = Visitor::new(&site);
    // Another site starts a login, during which the visitor logs in.
    let elsewhere = visitor.start_by(Sending::FROM_ELSEWHERE, "/login").await;
    visitor.log_in(ADA).await;
    visitor.arrive(&site.provider().log_in(&elsewhere, ADA)).await;
    // This ends the previous session.
    visitor.log_in(ADA).await;
    visitor.open("/callback").await.is_a_refusal(400, "You are logged in already");
    let key = visitor.api_key().await;
    // The pointer of this key is read separately, because the provider's keys are already cached.
    let other_key = Visitor::logged_in(&site, GRACE).await.api_key().await;
    let slide_is_due = 12 * 3_600 / 10;
    site.pass(slide_is_due);
    visitor.open("/").await.is_a_page(200, "Your API key");
    site.pass(slide_is_due);
    for key in [&key, &other_key] {
        assert_eq!(site.call_api(key).await.status(), 200);
    }
    site.pass(slide_is_due);
    for key in [&key, &other_key] {
        assert!(site.decide(&question(key)).await.unwrap()["isAuthorized"] == true);
    }
    site.pass(slide_is_due);
    visitor.open("/signed-out").await.is_a_page(200, "You are still logged in");
    site.pass(slide_is_due);
    visitor.refresh().await;
    // This uses a new process.
    site.restart();
    let key = visitor.api_key().await;
    for key in [&key, &other_key] {
        assert_eq!(site.post_with_key("/logout", key).await.status(), 200);
    }
    visitor.log_in(ADA).await;
    visitor.submit("/logout?everywhere=true").await;
    // A refresh token that is no longer valid ends its session.
    visitor.log_in(ADA).await;
    site.provider().revoke_all();
    site.pass(8 * slide_is_due);
    visitor.refresh().await;
    let token = site.provider().logout_token(ADA, &json!({}));
    assert_eq!(site.post_logout_token(&token).await.status(), 200);
    assert_eq!(site.live_sessions().await, 0);
    assert_eq!(site.store().permissions().needed(), Permissions::allowed());
}

/// A function can read a secret exactly if it has the secret's ARN. It has the ARN exactly if it does
/// not start without the secret.
#[test]
fn r181_each_function_can_read_exactly_the_secrets_that_it_needs() {
    let functions = stack().functions().into_iter();
    for function in functions.filter(|function| function.interpreted.is_none()) {
        let named: BTreeMap<_, _> = function
            .environment
            .iter()
            .filter_map(|(name, arn)| Some((name.strip_suffix("_ARN")?, arn.clone())))
            .collect();
        let readable: BTreeSet<_> = function
            .statements
            .iter()
            .filter(|statement| statement.actions == ["secretsmanager:GetSecretValue"])
            .flat_map(|statement| statement.resources.clone())
            .collect();
        assert_eq!(named.values().cloned().collect::<BTreeSet<_>>(), readable, "{function:?}");

        assert_eq!(faults(&function, &named.keys().copied().collect()), None, "{function:?}");
        for missing in named.keys() {
            let others = named.keys().copied().filter(|name| name != missing).collect();
            let fault = faults(&function, &others).unwrap();
            assert!(fault.contains(&format!("\n  {missing} is not set")), "{fault}");
        }
    }
}

#[test]
fn r181_every_right_is_on_the_table_or_on_a_secret() {
    for function in stack().functions() {
        for statement in &function.statements {
            let of_table = statement.resources.iter().all(|name| is_of_table(name))
                && statement.actions.iter().all(|action| action.starts_with("dynamodb:"));
            let of_indexes = statement.resources.iter().any(|name| name.contains("/index/"));
            assert_eq!(of_indexes, statement.actions == ["dynamodb:Query"], "{statement:?}");
            let of_secrets = statement.actions == ["secretsmanager:GetSecretValue"];
            assert!(of_table || of_secrets, "{}: {statement:?}", function.binary);
            let wide = |text: &String| text.contains('*');
            assert!(!statement.actions.iter().chain(&statement.resources).any(wide));
        }
    }
}

/// The boundary allows what all functions together may do, plus the writing of logs, and of traces if
/// there are any.
#[test]
fn r181_r205_the_boundary_is_no_wider_than_the_functions() {
    let logs =
        [("logs:CreateLogStream", "FunctionLogs.Arn"), ("logs:PutLogEvents", "FunctionLogs.Arn")];
    let traces = [("xray:PutTelemetryRecords", "*"), ("xray:PutTraceSegments", "*")];
    assert_boundary_adds(&[], &logs);
    assert_boundary_adds(&[("Tracing", "Active")], &[logs, traces].concat());
    let key = "arn:aws:kms:eu-central-1:123456789012:key/1";
    let actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"];
    let uses = actions.map(|action| (action, key));
    assert_boundary_adds(&[("KmsKeyArn", key)], &[&logs[..], &uses].concat());
}

/// With a key of the owner's, each function may use it, and only through the two services that store.
#[test]
fn r181_a_key_is_used_through_the_table_and_the_secrets_only() {
    let key = "arn:aws:kms:eu-central-1:123456789012:key/1";
    let stack = tests::template().deploy(&[&REQUIRED[..], &[("KmsKeyArn", key)]].concat(), &[]);
    for policy in ["KeyPolicy", "FunctionBoundary"] {
        let statements = stack.managed_policy(policy);
        let of_key = |statement: &&Statement| statement.resources == [key];
        let [statement] = &statements.iter().filter(of_key).collect::<Vec<_>>()[..] else {
            panic!("{policy}: {statements:?}")
        };
        let services =
            &statement.conditions[&("StringEquals".to_owned(), "kms:ViaService".to_owned())];
        assert_eq!(
            *services,
            ["dynamodb.eu-central-1.amazonaws.com", "secretsmanager.eu-central-1.amazonaws.com"]
        );
    }
    for id in ["SecretKey", "ClientSecretStore", "FunctionLogs", "AccessLogs"] {
        let (_, resource) = stack.resources().find(|(found, _)| *found == id).unwrap();
        assert_eq!(stack.resolve(&resource["Properties"])["KmsKeyId"], key, "{id}");
    }
    let (_, table) = stack.resources().find(|(id, _)| *id == "SessionTable").unwrap();
    assert_eq!(
        stack.resolve(&table["Properties"])["SSESpecification"],
        json!({ "SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": key })
    );
}

fn assert_boundary_adds(parameters: &[(&str, &str)], others: &[(&str, &str)]) {
    let stack = tests::template().deploy(&[&REQUIRED, parameters].concat(), &[]);
    let functions = stack.functions();
    let statements: Vec<_> =
        functions.iter().flat_map(|function| function.statements.clone()).collect();
    let boundary = stack.managed_policy("FunctionBoundary");
    assert_eq!(rights_in(&boundary), rights_in(&statements));
    let mut rights = rights(&statements);
    for (action, resource) in others {
        rights.insert(((*action).to_owned(), (*resource).to_owned()));
    }
    assert_eq!(self::rights(&boundary), rights);
}

/// Each route has the limits of the parameters separately. The example's route has none: otherwise a
/// stack without the example could not be deployed, because its settings would name a missing route.
#[test]
fn r207_each_route_of_the_bundle_has_a_separate_throttle() {
    let parameters = [&REQUIRED[..], &[("RateLimit", "7"), ("BurstLimit", "11")]].concat();
    let stack = tests::template().deploy(&parameters, &[]);
    let functions = stack.functions();
    let routes = functions.iter().filter(|function| function.guarded.is_empty());
    let routes = routes.flat_map(|function| &function.routes).filter(|route| *route != "$default");
    let own = json!({ "ThrottlingRateLimit": "7", "ThrottlingBurstLimit": "11" });
    let expected = routes.map(|route| (route.clone(), own.clone())).collect();
    assert_eq!(stack.route_settings(), expected);
}

#[test]
fn r178_settings_of_local_runs_are_not_deployed() {
    for function in stack().functions() {
        for variable in
            ["DYNAMODB_PORT", "HOST", "PORT", "PROVIDER_PORT", "SESSION_STORE", "TOKEN_LIFETIME"]
        {
            assert!(!function.environment.contains_key(variable), "{function:?}");
        }
        assert_eq!(function.environment["DEBUG"], "false");
        assert_eq!(function.environment["SESSION_TABLE"], "SessionTable");
    }
}

/// A setting that a function reads and the template does not pass on would have no effect.
#[test]
fn each_function_gets_each_setting_that_it_checks() {
    // `dynamodb` is the only store inside Lambda.
    let elsewhere = ["SESSION_STORE"];
    // A logout requires nothing of a route or of its caller's client.
    let of_guarded_routes = ["ALLOWED_CLIENTS", "REQUIRE_SESSION", "ROUTE_RULES", "ROUTE_SCOPES"];
    for function in stack().functions() {
        let invalid = Documentation::read().settings().into_iter().map(|name| (name, "\u{1}"));
        let mut settings = Settings::from_values(invalid);
        read(&function.binary, &mut settings);
        let faults = settings.finish().expect_err("no value is valid").to_string();
        let checked = faults.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let of_template = |name: &&str| {
            let is_needless = function.binary == "logout" && of_guarded_routes.contains(name);
            !elsewhere.contains(name) && !name.starts_with("AWS_") && !is_needless
        };
        for variable in checked.filter(of_template) {
            let is_passed_on = [variable.to_owned(), format!("{variable}_ARN")]
                .iter()
                .any(|name| function.environment.contains_key(name));
            assert!(is_passed_on, "{} does not get {variable}", function.binary);
        }
    }
}

#[test]
fn r179_the_client_secret_is_in_secrets_manager_and_nowhere_else() {
    let template = tests::template();
    let parameters = [REQUIRED[0], REQUIRED[1], ("ClientSecret", "7f3a91")];
    let stack = template.deploy(&parameters, &[]);
    assert_eq!(template.parameter("ClientSecret")["NoEcho"], true);
    let holds_it = |value| stack.resolve(value).to_string().contains("7f3a91");
    for (id, resource) in stack.resources() {
        assert_eq!(holds_it(resource), id == "ClientSecretStore", "{id}");
    }
    let functions = stack.functions();
    let mut values = functions.iter().flat_map(|function| function.environment.values());
    assert!(!values.any(|value| value.contains("7f3a91")));
}

/// Without a custom domain the base URL comes from the request, so that one deployment can create both
/// the API and its functions.
#[test]
fn the_base_url_is_that_of_the_custom_domain_if_configured() {
    let base_url = |parameters: &[(&str, &str)]| {
        let all = [&REQUIRED[..], parameters].concat();
        let functions = tests::template().deploy(&all, &[]).functions();
        let found: BTreeSet<_> =
            functions.iter().map(|function| function.environment["BASE_URL"].clone()).collect();
        Vec::from_iter(found)
    };
    assert_eq!(base_url(&[]), [""]);
    let certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/1";
    assert_eq!(
        base_url(&[("DomainName", "login.example.com"), ("CertificateArn", certificate)]),
        ["https://login.example.com"]
    );
    let proxy = ("BaseUrl", "https://proxy.example.com");
    assert_eq!(base_url(&[proxy]), ["https://proxy.example.com"]);
    // Browsers reach the proxy, and the proxy reaches the API by the domain.
    let behind = [("DomainName", "origin.example.com"), ("CertificateArn", certificate), proxy];
    assert_eq!(base_url(&behind), ["https://proxy.example.com"]);
}

#[test]
fn the_deployed_table_matches_the_table_of_the_store() {
    let stack = stack();
    let (_, resource) = stack.resources().find(|(id, _)| *id == "SessionTable").unwrap();
    let properties = stack.resolve(&resource["Properties"]);
    let mut created = table::create_table("any");
    created.as_object_mut().unwrap().remove("TableName");
    for (name, value) in created.as_object().unwrap() {
        assert_eq!(properties[name], *value, "{name}");
    }
    assert_eq!(
        properties["TimeToLiveSpecification"],
        table::update_time_to_live("any")["TimeToLiveSpecification"]
    );
    assert_eq!(properties["DeletionProtectionEnabled"], false);
    // No key of KMS: the functions have no right to one.
    assert_eq!(properties.as_object().unwrap().len(), 7, "{properties}");
}

/// The authorizer's event for a request with this token.
fn question(key: &str) -> serde_json::Value {
    let bearer = format!("Bearer {key}");
    guards::question("GET /api/hello", guards::get("/api/hello", &[("authorization", &bearer)]))
}

/// All pairs of action and resource.
fn rights<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> BTreeSet<(String, String)> {
    let statements = statements.into_iter();
    statements
        .flat_map(|statement| {
            let resources = &statement.resources;
            statement.actions.iter().flat_map(move |action| {
                resources.iter().map(move |resource| (action.clone(), resource.clone()))
            })
        })
        .collect()
}

/// The errors that the function reports for the variables of the template, with these secrets in place
/// of their ARNs.
fn faults(function: &Function, secrets: &BTreeSet<&str>) -> Option<String> {
    let given = function.environment.iter().map(|(name, value)| (&name[..], &value[..]));
    let given = given.filter(|(name, _)| !name.ends_with("_ARN"));
    let secrets = secrets.iter().map(|name| (*name, SECRET_KEY));
    let mut settings = Settings::from_values(given.chain(secrets));
    read(&function.binary, &mut settings);
    settings.finish().err().map(|error| error.to_string())
}

/// Reads the settings of this function.
fn read(binary: &str, settings: &mut Settings) {
    match binary {
        "authorizer" => drop(AuthorizerConfig::from_settings(settings)),
        "callback" => drop(CallbackConfig::from_settings(settings)),
        "login" => drop(LoginConfig::from_settings(settings)),
        "logout" => drop(LogoutConfig::from_settings(settings)),
        "refresh" => drop(RefreshConfig::from_settings(settings)),
        // `protected` and the functions made from it.
        _ => drop(GuardConfig::from_settings(settings)),
    }
}
