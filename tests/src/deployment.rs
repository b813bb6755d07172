//! The product as `template.yaml` deploys it: each function's program in separate processes, behind
//! an HTTP API with the template's routes and authorizers. Sessions are in a DynamoDB table and
//! secrets in Secrets Manager. This machine's Python runs functions with inline code.
//!
//! These parts imitate AWS: the API ([`HttpApi`]), Lambda ([`Lambda`]), the table, and
//! [`SecretsManager`]. The table is an emulator that enforces the template's policies (see
//! [`iam`](crate::iam)). The provider is a test provider.
//!
//! ```no_run
//! # async fn story() {
//! use tests::deployment::Deployment;
//!
//! let deployment = Deployment::start(1, &[("Scope", "openid profile email")]).await;
//! let page = deployment.browser().get("/").await.status;
//! assert_eq!(page, 200);
//! assert_eq!(deployment.lambda().served("login"), [1]);
//! # }
//! ```

use std::{collections::BTreeMap, os::unix::fs::symlink, path::PathBuf};

use local::emulator::{
    http_api::{authorizer::Authorizer, route::Route},
    lambda::{self, Lambda, REGION, Surroundings},
    template::{InlineCode, Stack},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    artifacts::{self, Artifacts},
    backends::Backends,
    browser::Browser,
    http_api::{HttpApi, ORIGIN},
    iam::GuardedTable,
    secrets_manager::{CLIENT_SECRET_ARN, SECRET_KEY_ARN, SecretsManager},
    site::CLIENT_SECRET,
};

/// The deployed product. Dropping this stops everything.
#[derive(Debug)]
pub struct Deployment {
    api: HttpApi,
    lambda: Lambda,
    secrets: SecretsManager,
    artifacts: Artifacts,
    table: Table,
    _inline: TempDir,
    _backends: Backends,
}

/// The emulated table.
#[derive(Debug)]
struct Table {
    name: String,
    endpoint: String,
    /// The access key that the emulator accepts.
    access_key_id: String,
}

impl Deployment {
    /// Deploys the template with these parameters, with up to `instances` processes for each
    /// function.
    ///
    /// Without an `AuthHost`, the development provider is used. Functions refuse any provider on
    /// loopback inside Lambda. So two environment variables make them run as outside Lambda
    /// ([`Surroundings::Workplace`]). Everything else is as deployed.
    pub async fn start(instances: usize, parameters: &[(&str, &str)]) -> Self {
        Self::deploy(Surroundings::Workplace, instances, None, parameters).await
    }

    /// Like [`Self::start`], with one function built for Lambda Managed Instances: one process serves
    /// all its requests, up to `concurrency` at a time.
    pub async fn start_concurrent(
        function: &str,
        concurrency: usize,
        parameters: &[(&str, &str)],
    ) -> Self {
        let concurrent = Some((function, concurrency));
        Self::deploy(Surroundings::Workplace, 1, concurrent, parameters).await
    }

    /// Like [`Self::start`], but inside Lambda. `AuthHost` must not be on loopback and is never
    /// reached.
    pub async fn start_inside_lambda(instances: usize, parameters: &[(&str, &str)]) -> Self {
        Self::deploy(Surroundings::Lambda, instances, None, parameters).await
    }

    async fn deploy(
        surroundings: Surroundings,
        instances: usize,
        concurrent: Option<(&str, usize)>,
        parameters: &[(&str, &str)],
    ) -> Self {
        let given = |name: &str| parameters.iter().find(|(given, _)| *given == name);
        let mut settings = vec![("BASE_URL", ORIGIN), ("CLIENT_SECRET", CLIENT_SECRET)];
        for (parameter, variable) in
            [("AuthHost", "AUTH_HOST"), ("Audience", "AUDIENCE"), ("ClientId", "CLIENT_ID")]
        {
            // Only the development provider needs the list of APIs.
            if parameter != "Audience" || given("AuthHost").is_none() {
                settings.extend(given(parameter).map(|(_, value)| (variable, *value)));
            }
        }
        let backends = Backends::start(&settings).await;
        let backing = backends.environment();
        let backing = |name: &str| {
            let found = backing.iter().find(|(found, _)| found == name);
            found.map(|(_, value)| value.as_str())
        };
        let secrets = SecretsManager::start().await;

        let mut values = parameters.to_vec();
        for (parameter, variable) in [("AuthHost", "AUTH_HOST"), ("ClientId", "CLIENT_ID")] {
            values.extend(backing(variable).map(|value| (parameter, value)));
        }
        values.push(("HelloFunction", "true"));
        // The client secret is stored in Secrets Manager and passed to no function.
        values.push(("ClientSecret", CLIENT_SECRET));
        let table = backing("SESSION_TABLE").expect("the backends create a table");
        let endpoint = backing("AWS_ENDPOINT_URL_DYNAMODB").expect("the backends name it");
        let access_key_id = backing("AWS_ACCESS_KEY_ID").expect("the backends name it");
        let table = Table {
            name: table.to_owned(),
            endpoint: endpoint.to_owned(),
            access_key_id: access_key_id.to_owned(),
        };
        let names = [
            ("ClientSecretStore", CLIENT_SECRET_ARN),
            ("SecretKey", SECRET_KEY_ARN),
            ("SessionTable", table.name.as_str()),
        ];
        let stack = crate::template().deploy(&values, &names);
        let artifacts = Artifacts::of(&stack.functions());
        let boundary = stack.managed_policy("FunctionBoundary");
        let mut tables = BTreeMap::new();
        for function in stack.functions() {
            let policies = vec![function.statements, boundary.clone()];
            let guarded = GuardedTable::before(&table.endpoint, policies).await;
            tables.insert(function.binary, guarded.address());
        }
        let endpoints = |function: &str| {
            let table = format!("http://{}", tables[function]);
            [
                ("AWS_ACCESS_KEY_ID".to_owned(), access_key_id.to_owned()),
                ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), table),
                ("AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(), secrets.address().to_owned()),
            ]
        };
        let inline = tempfile::tempdir().expect("a folder can be made");
        let mut functions = functions(&stack, &artifacts, surroundings, instances, endpoints);
        for function in &stack.functions() {
            if let Some(code) = &function.inline {
                let own = functions.iter_mut().find(|own| own.name == function.binary);
                own.expect("the function is in the list").bootstrap =
                    interpreter(&inline, &function.binary, code);
            }
        }
        if let Some((name, concurrency)) = concurrent {
            let mut named = functions.iter_mut().filter(|function| function.name == name);
            let function = named.next().expect("it is deployed");
            function.bootstrap = artifacts::concurrent(name);
            function.concurrency = concurrency;
        }
        let lambda = Lambda::new(functions);
        let guarded = guarded(&stack);
        let api = HttpApi::start_guarded(routes(&stack), guarded, lambda.clone()).await;
        Self { api, lambda, secrets, artifacts, table, _inline: inline, _backends: backends }
    }

    /// The API in front of the functions.
    #[must_use]
    pub const fn api(&self) -> &HttpApi {
        &self.api
    }

    /// The functions, each under the name of its binary.
    #[must_use]
    pub const fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// The Secrets Manager from which the functions read their secrets.
    #[must_use]
    pub const fn secrets(&self) -> &SecretsManager {
        &self.secrets
    }

    /// The URL of the emulated table's service.
    #[must_use]
    pub fn table_endpoint(&self) -> &str {
        &self.table.endpoint
    }

    /// The number of rows of this kind (`session` or `once`) in the table, expired rows included.
    pub async fn rows(&self, kind: &str) -> usize {
        let scan = json!({ "TableName": self.table.name, "ConsistentRead": true });
        let answer = crate::http_client()
            .post(&self.table.endpoint)
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", self.table.authorization())
            .body(scan.to_string())
            .send();
        let answer: Value = answer.await.expect("it is answered").json().await.expect("JSON");
        assert!(answer.get("LastEvaluatedKey").is_none(), "more rows than one page holds");
        let rows = answer["Items"].as_array().unwrap_or_else(|| panic!("no rows: {answer}")).iter();
        let keys = rows.map(|row| row["pk"]["S"].as_str().expect("a row has a key"));
        keys.filter(|key| key.split('#').next() == Some(kind)).count()
    }

    /// The programs that run.
    #[must_use]
    pub const fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// A browser for the API.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::in_front_of(&self.api)
    }
}

impl Table {
    /// An authorization header for the emulator, which reads the access key and ignores the
    /// signature.
    fn authorization(&self) -> String {
        let key = &self.access_key_id;
        format!("AWS4-HMAC-SHA256 Credential={key}/20260131/{REGION}/dynamodb/aws4_request")
    }
}

fn functions(
    stack: &Stack,
    artifacts: &Artifacts,
    surroundings: Surroundings,
    instances: usize,
    endpoints: impl Fn(&str) -> [(String, String); 3],
) -> Vec<lambda::Function> {
    let functions = stack.functions().into_iter();
    functions
        .map(|function| lambda::Function {
            // Functions with inline code get their program later.
            bootstrap: artifacts.bootstrap(&function),
            environment: function
                .environment
                .into_iter()
                .chain(endpoints(&function.binary))
                .collect(),
            name: function.binary,
            timeout: function.timeout,
            memory: function.memory,
            instances,
            concurrency: 1,
            surroundings,
            logs: crate::logs(),
        })
        .collect()
}

/// Creates the program that runs `code`: a link to the script `python`, named after the handler and
/// next to the handler's module. A link, since a freshly written file may not be executable yet
/// ("text file busy").
fn interpreter(folder: &TempDir, name: &str, code: &InlineCode) -> PathBuf {
    assert!(code.runtime.starts_with("python3."), "{} cannot be run here", code.runtime);
    let folder = folder.path().join(name);
    std::fs::create_dir(&folder).expect("the folder is there");
    let (module, _) = code.handler.split_once('.').expect("a module and a function");
    std::fs::write(folder.join(format!("{module}.py")), &code.code).expect("it can be written");
    let bootstrap = folder.join(&code.handler);
    symlink(crate::project().join("local/src/emulator/lambda/python"), &bootstrap)
        .expect("it is there");
    bootstrap
}

/// The authorizers, by the keys of the routes that they protect.
fn guarded(stack: &Stack) -> BTreeMap<String, Authorizer> {
    let (functions, authorizers) = (stack.functions(), stack.authorizers());
    let binary_of = |id: &str| {
        let function = functions.iter().find(|function| function.logical_id == id);
        function.expect("an authorizer is a function").binary.clone()
    };
    let guarded = functions.iter().flat_map(|function| &function.guarded);
    guarded
        .map(|(route, name)| {
            let authorizer = &authorizers[name];
            // The emulated gateway has no authorizer cache.
            assert_eq!(authorizer.result_ttl, 0, "{name}");
            let function = binary_of(&authorizer.function);
            let identity_sources = authorizer.identity_sources.clone();
            (route.clone(), Authorizer { function, identity_sources })
        })
        .collect()
}

fn routes(stack: &Stack) -> Vec<Route> {
    let routes = stack.functions().into_iter().flat_map(|function| {
        let binary = function.binary;
        function.routes.into_iter().map(move |key| (key, binary.clone()))
    });
    routes
        .map(|(key, function)| Route { key: key.parse().expect("a route key"), function })
        .collect()
}
