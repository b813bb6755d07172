//! An application's own protected function, created as `README.md` describes.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use http::Method;
use local::emulator::{
    http_api::route::Route,
    lambda::{Function, Lambda},
};
use serde_json::{Value, json};
use tests::{
    artifacts::build_elsewhere,
    browser::Browser,
    deployment::Deployment,
    documentation::Documentation,
    http_api::{HttpApi, ORIGIN},
    project,
};

const NAME: &str = "reports";

/// A workspace with only a copy of `functions/protected`, changed as `README.md` describes. Its
/// dependencies have the versions of the project's lock file.
fn workspace(folder: &Path) {
    let copy = folder.join("functions").join(NAME);
    fs::create_dir_all(copy.join("src")).expect("a folder");
    for file in ["Cargo.toml", "src/lib.rs", "src/main.rs"] {
        fs::copy(project().join("functions/protected").join(file), copy.join(file)).expect(file);
    }
    let copied = fs::read_dir(project().join("functions/protected/src")).expect("a folder").count();
    assert_eq!(copied, 2, "protected has unexpected files");

    let manifest = fs::read_to_string(project().join("Cargo.toml")).expect("the manifest");
    let members = &manifest[manifest.find("members = [").expect("the members")..];
    let members = &members[..=members.find(']').expect("their end")];
    let project_path = format!("path = \"{}/", project().display());
    let manifest = manifest
        .replace(members, &format!("members = [\"functions/{NAME}\"]"))
        .replace("path = \"", &project_path);
    fs::write(folder.join("Cargo.toml"), manifest).expect("it can be written");
    fs::copy(project().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");

    let changes = Documentation::read().code("diff", "functions/reports");
    let mut git = Command::new("git");
    // Inside a repository, git would only consider tracked files.
    git.current_dir(folder).env("GIT_CEILING_DIRECTORIES", folder.parent().expect("a parent"));
    git.args(["apply", "--verbose", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut git = git.spawn().expect("git can be run");
    let mut input = git.stdin.take().expect("it is piped");
    input.write_all(changes.as_bytes()).expect("git reads");
    drop(input);
    let output = git.wait_with_output().expect("git ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let changed = fs::read_to_string(copy.join("src/lib.rs")).expect("the copy");
    assert!(changed.contains("\"/reports\"") && changed.lines().count() <= 40, "{changed}");
}

async fn api_key(browser: &mut Browser) -> String {
    let form = browser.get("/login?connection=github").await.follow_all().await;
    let page = form.form_at("form.people").submit().await.follow_all().await;
    page.read("#token").expect("the token is shown").split_whitespace().collect()
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

#[tokio::test]
async fn a_function_copied_as_the_readme_describes_guards_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    workspace(folder.path());
    let bootstrap = build_elsewhere(folder.path(), NAME);

    for (scope, is_granted) in [("openid email read:reports", true), ("openid email", false)] {
        let parameters = [("Audience", "https://api.example"), ("Scope", scope)];
        let deployment = Deployment::start(1, &parameters).await;
        let protected =
            deployment.lambda().functions().find(|function| function.name == "protected");
        let protected = protected.expect("it is deployed").clone();
        let own = Function { name: NAME.to_owned(), bootstrap: bootstrap.clone(), ..protected };
        let route =
            Route { key: "ANY /reports".parse().expect("a key"), function: NAME.to_owned() };
        let api = HttpApi::start(vec![route], Lambda::new([own])).await;

        let mut browser = deployment.browser();
        let token = api_key(&mut browser).await;
        let bearer = format!("Bearer {token}");
        let authorization = [("authorization", bearer.as_str())];
        let (status, body, challenge) = ask(&api, Method::GET, &authorization).await;
        if is_granted {
            assert_eq!((status, body.as_object().expect("an object").len()), (200, 1));
            assert!(body["of"].as_str().is_some_and(|subject| subject.contains('|')), "{body}");
        } else {
            assert_eq!((status, &body["code"]), (403, &json!("insufficient_scope")));
            assert!(challenge.ends_with(r#"scope="read:reports""#), "{challenge}");
            continue;
        }

        let (status, body, challenge) = ask(&api, Method::GET, &[]).await;
        assert_eq!((status, &body["code"]), (401, &json!("authorization_header_missing")));
        assert_eq!(challenge, r#"Bearer realm="api""#);
        let cookie = format!("__Host-session={}", browser.cookie("__Host-session").expect("one"));
        assert_eq!(ask(&api, Method::GET, &[("cookie", &cookie)]).await.0, 200);
        assert_eq!(ask(&api, Method::OPTIONS, &[]).await.0, 204);
        assert_eq!(ask(&api, Method::POST, &authorization).await.0, 405);
        let left = browser.fetch(Method::POST, "/logout", &[]).await;
        assert_eq!(left.json()["code"], "signed_out");
        let (status, body, _) = ask(&api, Method::GET, &authorization).await;
        assert_eq!((status, &body["message"]), (401, &json!("Good token, bad session")));
    }
}
