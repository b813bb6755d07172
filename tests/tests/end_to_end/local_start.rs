//! `local/start --deployed`, as a user starts it.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use local::process::Process;
use serde_json::{Value, json};
use tests::{
    artifacts::build_local,
    browser::Browser,
    project,
    watch::{free_port, prepare},
};

use crate::own_function::{NAME, workspace};

/// A build of the functions may be part of it.
const PATIENCE: Duration = Duration::from_mins(10);

/// A run that serves at `base_url`.
struct Run {
    process: Process,
    port: u16,
    base_url: String,
}

impl Run {
    /// Starts `program` in the folder of a project, and waits until it serves.
    async fn start(program: &Path, arguments: &[&str], folder: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(program);
        prepare(&mut command, &[("PORT", &port.to_string())]);
        command.args(arguments).current_dir(folder).env("CARGO_NET_OFFLINE", "true");
        // Crates that are built already are not built again, and programs of the same names are apart.
        let target = tests::target();
        command.env("CARGO_TARGET_DIR", target.join("elsewhere"));
        command.env("CARGO_BUILD_BUILD_DIR", target);
        let log = tests::log_of(&format!("local-start-{port}"));
        let mut process = Process::start(log, &mut command);
        let base_url = process.line_after("Open ", PATIENCE).await;
        let base_url = base_url.trim_end_matches("/ in a browser.").to_owned();
        Self { process, port, base_url }
    }

    /// The JSON answer to a request for `path`, with a bearer token if it is not empty.
    async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        let mut request = tests::http_client().get(format!("{}{path}", self.base_url));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("it is answered");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Requests `path` until the answer is `expected`.
    async fn becomes(&mut self, path: &str, expected: &Value) {
        let deadline = Instant::now() + PATIENCE;
        while self.get(path, "").await.1 != *expected {
            self.process.must_go_on(deadline, &expected.to_string());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The command is started outside the project's folder.
#[tokio::test]
async fn the_deployed_form_logs_in_guards_its_routes_and_ends_with_ctrl_c() {
    let script = project().join("local/start");
    let mut run = Run::start(&script, &["--deployed"], Path::new("/")).await;
    let mut browser = Browser::at(&run.base_url);
    let token = browser.log_in("ada@example.com").await;

    let (status, claims) = run.get("/protected", &token).await;
    assert_eq!((status, &claims["email"]), (200, &json!("ada@example.com")));
    let (status, greeting) = run.get("/api/hello", &token).await;
    assert_eq!((status, &greeting["greeting"]), (200, &json!("Hello, Ada Lovelace")));
    let refused = run.get("/api/hello", "nonsense").await;
    assert_eq!(refused, (403, json!({ "message": "Forbidden" })));

    // One log: the name of each function before its lines, without colours in a file.
    let output = run.process.output();
    for line in ["callback   | {\"timestamp\"", "authorizer | {\"timestamp\""] {
        assert!(output.lines().any(|found| found.starts_with(line)), "{line}: {output}");
    }
    assert!(!output.contains('\u{1b}') && !output.contains(&token), "{output}");

    let family = run.process.family();
    assert!(family.len() >= 5, "{family:?}");
    run.process.interrupt();
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = run.process.has_ended() {
            break status;
        }
        run.process.must_go_on(deadline, "the end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(status.success(), "{status}");
    // The link to the program of an ended process cannot be read.
    let runs = |id: &&u32| fs::read_link(format!("/proc/{id}/exe")).is_ok();
    assert_eq!(family.iter().filter(runs).collect::<Vec<_>>(), [&0; 0]);
    TcpListener::bind(("127.0.0.1", run.port)).expect("the port is free");
}

const TEMPLATE: &str = r#"
Parameters:
  Greeting: { Type: String, Default: Hello }
  HelloFunction: { Type: String, Default: "false" }
Conditions:
  IsExample: !Equals [!Ref HelloFunction, "true"]
  IsOff: !Not [!Condition IsExample]
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    MemorySize: 128
    Timeout: 20
    Environment: { Variables: { GREETING: !Ref Greeting } }
Resources:
  HttpApi: { Type: AWS::Serverless::HttpApi, Properties: {} }
  Reports:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: reports } }
    Properties:
      CodeUri: functions/reports
      Environment: { Variables: { AUTH_HOST: "", BASE_URL: "", CLIENT_ID: "", SESSION_TABLE: "" } }
      Events: { Call: { Type: HttpApi, Properties: { Method: ANY, Path: /reports } } }
  Snake:
    Type: AWS::Serverless::Function
    Condition: IsExample
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        import os

        def handler(event, context):
            return {"python": os.environ["GREETING"]}
      Events: { Call: { Type: HttpApi, Properties: { Method: GET, Path: /python } } }
  Hexagon:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Handler: app.handler
      CodeUri: hexagon
      Events: { Call: { Type: HttpApi, Properties: { Method: GET, Path: "/node/{name}" } } }
  Off:
    Type: AWS::Serverless::Function
    Condition: IsOff
    Properties:
      Runtime: cobol1
      Handler: none
      CodeUri: nowhere
"#;

const NODE: &str = r#"export const handler = async ({ pathParameters: { name } }) => {
  if (name === "broken") throw new Error("as requested");
  return { node: `${process.env.GREETING}, ${name}` };
};
"#;

/// Functions in Rust, Python and Node, in a project with only these.
#[tokio::test]
async fn a_changed_source_is_built_and_only_its_function_gets_new_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    workspace(folder);
    let template = folder.join("template.yaml");
    let node = folder.join("hexagon/app.mjs");
    fs::create_dir(folder.join("hexagon")).expect("a folder");
    fs::write(&template, TEMPLATE).expect("it can be written");
    fs::write(&node, NODE).expect("it can be written");
    let program = build_local("deployed");
    let mut run = Run::start(&program, &["Greeting=Good day"], folder).await;

    assert_eq!(run.get("/reports", "").await.1["code"], "authorization_header_missing");
    assert_eq!(run.get("/python", "").await, (200, json!({ "python": "Good day" })));
    assert_eq!(run.get("/node/Ada", "").await, (200, json!({ "node": "Good day, Ada" })));
    let broken = json!({ "message": "Internal Server Error" });
    assert_eq!(run.get("/node/broken", "").await, (500, broken));
    let output = run.process.output();
    assert!(output.contains("hexagon | the function failed: Error: {"), "{output}");

    fs::write(&node, NODE.replace("node:", "changed:")).expect("it can be written");
    run.becomes("/node/Ada", &json!({ "changed": "Good day, Ada" })).await;
    let python = TEMPLATE.replace("{\"python\"", "{\"changed\"");
    fs::write(&template, python).expect("it can be written");
    run.becomes("/python", &json!({ "changed": "Good day" })).await;

    let main = folder.join("functions").join(NAME).join("src/main.rs");
    let code = fs::read_to_string(&main).expect("it can be read");
    fs::write(&main, code.replace("fn main", "fn name")).expect("it can be written");
    run.process.line_after("cargo build has failed; the functions run as", PATIENCE).await;
    assert_eq!(run.get("/reports", "").await.0, 401);
    let changed =
        code.replace("gateway::run(", "println!(\"the changed program\");\n    gateway::run(");
    fs::write(&main, changed).expect("it can be written");
    run.process.line_after("local   | new: reports", PATIENCE).await;
    assert_eq!(run.get("/reports", "").await.0, 401);
    run.process.line_after("reports | the changed program", PATIENCE).await;

    let output = run.process.output();
    let new: Vec<_> = output.lines().filter_map(|line| line.split_once("new: ")).collect();
    let new: Vec<_> = new.iter().map(|(_, names)| *names).collect();
    assert_eq!(new, ["hexagon", "snake", "reports"], "{output}");
}
