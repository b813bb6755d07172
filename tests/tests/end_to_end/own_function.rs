//! An application's own protected function, created as `README.md` describes.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use http::Method;
use local::emulator::{
    http_api::route::Route,
    lambda::{Function, Lambda, Surroundings},
    template::Template,
};
use serde_json::{Value, json};
use tests::{
    artifacts::build_elsewhere,
    browser::Browser,
    copy_project,
    deployment::Deployment,
    documentation::Documentation,
    http_api::{HttpApi, ORIGIN},
    permissions::REQUIRED,
    project,
    watch::free_port,
};

pub(crate) const NAME: &str = "reports";
const API: &str = "https://api.example";
const SCOPE: &str = "openid email read:reports";

/// Adds the function to a copy of the project, by the command and the change in `README.md`. The
/// workspace of the copy has only what the command changed.
pub(crate) fn workspace(folder: &Path) {
    copy_project(folder);
    let documentation = Documentation::read();
    let command = documentation.code("sh", "local/new-function");
    let command = command.split('#').next().expect("a command");
    run(Command::new("sh").current_dir(folder).args(["-c", command]), "");
    let mut git = Command::new("git");
    // Inside a repository, git would only consider tracked files.
    git.current_dir(folder).env("GIT_CEILING_DIRECTORIES", folder.parent().expect("a parent"));
    run(git.args(["apply", "--verbose", "-"]), &documentation.code("diff", "functions/reports"));
    reduce(folder);
}

fn run(command: &mut Command, input: &str) {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the command can be run");
    let mut stdin = process.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("the command reads");
    drop(stdin);
    let output = process.wait_with_output().expect("the command ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Replaces the other crates with those of the project, so that they are built once.
fn reduce(folder: &Path) {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest");
    let members = &manifest[manifest.find("members = [").expect("the members")..];
    let members = &members[..=members.find(']').expect("their end")];
    let project_path = format!("path = \"{}/", project().display());
    let manifest = manifest
        .replace(members, &format!("members = [\"functions/{NAME}\", \"local\"]"))
        .replace("path = \"", &project_path);
    fs::write(folder.join("Cargo.toml"), manifest).expect("it can be written");
}

/// Requests `/reports` with these headers. Returns status, body and challenge.
async fn ask(api: &HttpApi, method: Method, headers: &[(&str, &str)]) -> (u16, Value, String) {
    let mut request = api.http_client().request(method, format!("{ORIGIN}/reports"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("it is answered");
    let status = answer.status().as_u16();
    let challenge = answer.headers().get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().expect("ASCII").to_owned());
    let body = answer.bytes().await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default(), challenge.unwrap_or_default())
}

/// Logs a user in, and calls the function until the user logs out.
async fn assert_guarded(api: &HttpApi, mut browser: Browser) {
    let token = browser.log_in("ada@example.com").await;
    let bearer = format!("Bearer {token}");
    let authorization = [("authorization", bearer.as_str())];
    let (status, body, _) = ask(api, Method::GET, &authorization).await;
    assert_eq!((status, body.as_object().expect("an object").len()), (200, 1));
    assert!(body["of"].as_str().is_some_and(|subject| subject.contains('|')), "{body}");

    let (status, body, challenge) = ask(api, Method::GET, &[]).await;
    assert_eq!((status, &body["code"]), (401, &json!("authorization_header_missing")));
    assert_eq!(challenge, r#"Bearer realm="api""#);
    let cookie = format!("__Host-session={}", browser.cookie("__Host-session").expect("one"));
    assert_eq!(ask(api, Method::GET, &[("cookie", &cookie)]).await.0, 200);
    assert_eq!(ask(api, Method::OPTIONS, &[]).await.0, 204);
    assert_eq!(ask(api, Method::POST, &authorization).await.0, 405);
    let left = browser.fetch(Method::POST, "/logout", &[]).await;
    assert_eq!(left.json()["code"], "signed_out");
    let (status, body, _) = ask(api, Method::GET, &authorization).await;
    assert_eq!((status, &body["message"]), (401, &json!("Good token, bad session")));
}

/// The process of a local run, behind an API.
async fn local_run(bootstrap: PathBuf) -> HttpApi {
    let settings = [
        ("AUDIENCE", API),
        ("BASE_URL", ORIGIN),
        ("PROVIDER_PORT", &free_port().to_string()),
        ("SCOPE", SCOPE),
    ];
    let local = Function {
        environment: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        surroundings: Surroundings::Workplace,
        ..tests::emulated_function("local", bootstrap)
    };
    let route = Route { key: "$default".parse().expect("a key"), function: local.name.clone() };
    HttpApi::start(vec![route], Lambda::new([local])).await
}

/// The function, deployed like `protected`.
pub(crate) async fn deployed(deployment: &Deployment, bootstrap: PathBuf) -> HttpApi {
    let protected = deployment.lambda().functions().find(|function| function.name == "protected");
    let protected = protected.expect("it is deployed").clone();
    let own = Function { name: NAME.to_owned(), bootstrap, ..protected };
    let route = Route { key: "ANY /reports".parse().expect("a key"), function: NAME.to_owned() };
    HttpApi::start(vec![route], Lambda::new([own])).await
}

#[tokio::test]
async fn a_function_added_as_the_readme_describes_guards_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    workspace(folder.path());

    let stack = Template::read(&folder.path().join("template.yaml")).deploy(&REQUIRED, &[]);
    let functions = stack.functions();
    let of = |name: &str| functions.iter().find(|function| function.binary == name).expect("one");
    let (own, like) = (of(NAME), of("protected"));
    assert_eq!(own.routes, ["ANY /reports"]);
    assert_eq!((&own.environment, &own.statements), (&like.environment, &like.statements));

    let api = local_run(build_elsewhere(folder.path(), "local")).await;
    assert_guarded(&api, Browser::in_front_of(&api)).await;

    let reports = build_elsewhere(folder.path(), NAME);
    let deployment = Deployment::start(1, &[("Audience", API), ("Scope", SCOPE)]).await;
    assert_guarded(&deployed(&deployment, reports.clone()).await, deployment.browser()).await;

    let parameters = [("Audience", API), ("Scope", "openid email")];
    let deployment = Deployment::start(1, &parameters).await;
    let api = deployed(&deployment, reports).await;
    let bearer = format!("Bearer {}", deployment.browser().log_in("ada@example.com").await);
    let (status, body, challenge) = ask(&api, Method::GET, &[("authorization", &bearer)]).await;
    assert_eq!((status, &body["code"]), (403, &json!("insufficient_scope")));
    assert!(challenge.ends_with(r#"scope="read:reports""#), "{challenge}");
}
