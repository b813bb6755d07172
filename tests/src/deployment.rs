//! The product as `template.yaml` deploys it: each function's program in separate processes, behind
//! an HTTP API with the template's routes and authorizers. Sessions are in a DynamoDB table and
//! secrets in Secrets Manager. This machine's Python runs functions with
//! inline code.
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

use std::{collections::BTreeMap, path::Path};

use local::emulator::{
    http_api::{authorizer::Authorizer, route::Route},
    lambda::{self, Code, Lambda, REGION, Surroundings},
    template::Stack,
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
    backends: Backends,
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
        Self::deploy(Surroundings::Workplace, instances, None, &[], parameters).await
    }

    /// Like [`Self::start`], with settings of the development provider.
    pub async fn start_with(
        settings: &[(&str, &str)],
        instances: usize,
        parameters: &[(&str, &str)],
    ) -> Self {
        Self::deploy(Surroundings::Workplace, instances, None, settings, parameters).await
    }

    /// Like [`Self::start`], with one function built for Lambda Managed Instances: one process serves
    /// all its requests, up to `concurrency` at a time.
    pub async fn start_concurrent(
        function: &str,
        concurrency: usize,
        parameters: &[(&str, &str)],
    ) -> Self {
        let concurrent = Some((function, concurrency));
        Self::deploy(Surroundings::Workplace, 1, concurrent, &[], parameters).await
    }

    /// Like [`Self::start`], but inside Lambda. `AuthHost` must not be on loopback and is never
    /// reached.
    pub async fn start_inside_lambda(instances: usize, parameters: &[(&str, &str)]) -> Self {
        Self::deploy(Surroundings::Lambda, instances, None, &[], parameters).await
    }

    async fn deploy(
        surroundings: Surroundings,
        instances: usize,
        concurrent: Option<(&str, usize)>,
        settings: &[(&str, &str)],
        parameters: &[(&str, &str)],
    ) -> Self {
        let given = |name: &str| parameters.iter().find(|(given, _)| *given == name);
        let usual = [("BASE_URL", ORIGIN), ("CLIENT_SECRET", CLIENT_SECRET)];
        let mut settings = [&usual, settings].concat();
        for (parameter, variable) in
            [("AuthHost", "AUTH_HOST"), ("Audience", "AUDIENCE"), ("ClientId", "CLIENT_ID")]
        {
            // Only the development provider needs the list of APIs.
            if parameter != "Audience" || given("AuthHost").is_none() {
                settings.extend(given(parameter).map(|(_, value)| (variable, *value)));
            }
        }
        let backends = Backends::start(&settings).await;
        let secrets = SecretsManager::start().await;

        let mut values = parameters.to_vec();
        values.extend([("AuthHost", &*backends.auth_host), ("ClientId", &*backends.client_id)]);
        values.push(("HelloFunction", "true"));
        // The client secret is stored in Secrets Manager and passed to no function.
        values.push(("ClientSecret", CLIENT_SECRET));
        let table = |name: &str| {
            let found = backends.table.iter().find(|(found, _)| found == name);
            found.expect("it locates the table").1.clone()
        };
        let table = Table {
            name: table("SESSION_TABLE"),
            endpoint: table("AWS_ENDPOINT_URL_DYNAMODB"),
            access_key_id: table("AWS_ACCESS_KEY_ID"),
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
        let access_key_id = &table.access_key_id;
        let endpoints = |function: &str| {
            let table = format!("http://{}", tables[function]);
            [
                ("AWS_ACCESS_KEY_ID".to_owned(), access_key_id.clone()),
                ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), table),
                ("AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(), secrets.address().to_owned()),
            ]
        };
        let inline = tempfile::tempdir().expect("a folder can be made");
        let mut functions =
            functions(&stack, &artifacts, surroundings, instances, inline.path(), endpoints);
        if let Some((name, concurrency)) = concurrent {
            let mut named = functions.iter_mut().filter(|function| function.name == name);
            let function = named.next().expect("it is deployed");
            function.bootstrap = artifacts::concurrent(name);
            function.concurrency = concurrency;
        }
        let lambda = Lambda::new(functions);
        let (routes, guarded) = (Route::of(&stack), Authorizer::of(&stack));
        let api = HttpApi::start_guarded(routes, guarded, lambda.clone()).await;
        Self { api, lambda, secrets, artifacts, table, _inline: inline, backends }
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

    /// The environment of a program that reaches the table as an operator does.
    #[must_use]
    pub fn operator(&self) -> Vec<(String, String)> {
        let issuer = ("AUTH_HOST".to_owned(), self.backends.auth_host.clone());
        [&self.backends.table[..], &[issuer]].concat()
    }

    /// The URL of the emulated table's service.
    #[must_use]
    pub fn table_endpoint(&self) -> &str {
        &self.table.endpoint
    }

    /// The keys of the rows of this kind (such as `session` or `once`), expired rows included.
    pub async fn rows(&self, kind: &str) -> Vec<String> {
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
        keys.filter(|key| key.split('#').next() == Some(kind)).map(str::to_owned).collect()
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
    inline: &Path,
    endpoints: impl Fn(&str) -> [(String, String); 3],
) -> Vec<lambda::Function> {
    let functions = stack.functions().into_iter();
    functions
        .map(|function| lambda::Function {
            bootstrap: artifacts.bootstrap(&function),
            code: function.interpreted.as_ref().map(|code| {
                let code = Code::of(&function.binary, code, &crate::project(), inline);
                code.expect("the code can be written")
            }),
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
            output: crate::output(),
        })
        .collect()
}
