//! The deployed form on this machine: the functions of `template.yaml` in separate processes, behind an
//! HTTP API with the template's routes and authorizers.
//!
//! When the template or a source changes, the programs are built again. The functions that the change
//! concerns get new processes.

mod programs;
mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal as _, stdout},
    path::{Path, PathBuf},
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Redirect},
};
use http::Request;
use shared::settings::Settings;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::spawn_blocking};
use tower_service::Service as _;

use self::{programs::BuildError, sources::Sources};
use crate::{
    backends::Backends,
    bundle::own_address,
    emulator::{
        http_api::{self, authorizer::Authorizer, route::Route},
        lambda::{self, Code, Label, Lambda, Output, Surroundings},
        template::{Function, Template},
    },
};

/// The file that is served.
const TEMPLATE: &str = "template.yaml";

/// The parameters that switch an example on.
const EXAMPLES: [&str; 1] = ["HelloFunction"];

/// The largest number of processes of a function.
const INSTANCES: usize = 10;

/// The running functions and what they are made from.
pub struct Deployed {
    project: PathBuf,
    parameters: Vec<(String, String)>,
    settings: Settings,
    /// The environment variables with which a function reaches the table.
    table: Vec<(&'static str, String)>,
    inline_code: TempDir,
    is_terminal: bool,
    lambda: Lambda,
    /// What the running functions were made from, by name.
    versions: BTreeMap<String, Version>,
    sources: Sources,
    api: watch::Sender<Router>,
}

/// The definition of a function and the state of its program or code.
#[derive(Eq, PartialEq)]
struct Version(String, Sources);

/// What the template defines.
struct Plan {
    functions: Vec<Function>,
    routes: Vec<Route>,
    guarded: BTreeMap<String, Authorizer>,
}

/// Why the functions cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The template cannot be used. The reason has been printed.
    #[error("{TEMPLATE} cannot be used")]
    Template,
    /// The programs cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The template's inline code cannot be written.
    #[error("the inline code cannot be written: {0}")]
    InlineCode(#[from] io::Error),
}

impl Deployed {
    /// Builds the functions of the template in the folder `project`. Their processes start on demand.
    ///
    /// `parameters` are values for the template's parameters. A setting takes precedence over a
    /// variable of the template with the same name.
    ///
    /// # Errors
    ///
    /// When the template cannot be used or a build fails.
    pub async fn start(
        project: PathBuf,
        parameters: Vec<(String, String)>,
        settings: Settings,
        backends: &Backends,
    ) -> Result<Self, StartError> {
        let mut deployed = Self {
            project,
            parameters,
            settings,
            table: backends.environment.to_vec(),
            inline_code: tempfile::tempdir()?,
            is_terminal: stdout().is_terminal(),
            lambda: Lambda::default(),
            versions: BTreeMap::new(),
            sources: Sources::default(),
            api: watch::Sender::new(Router::new()),
        };
        deployed.load().await?;
        Ok(deployed)
    }

    /// Answers requests and follows the sources, until the future is dropped.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let api = self.api.subscribe();
        let origin = self.settings.value_of("BASE_URL").unwrap_or_default();
        let origin = origin.trim_end_matches('/').to_owned();
        let newest = async move |request: Request<Body>| {
            if let Some(address) = own_address(&origin, &request) {
                return Ok(Redirect::to(&address).into_response());
            }
            let mut router = api.borrow().clone();
            router.call(request).await
        };
        tokio::select! {
            ended = axum::serve(listener, Router::new().fallback(newest)).into_future() => ended,
            () = self.follow_sources() => Ok(()),
        }
    }

    async fn follow_sources(mut self) {
        loop {
            self.sources.change().await;
            let label = self.label("local", width(self.versions.keys()), 0);
            label.print("a source has changed");
            match self.load().await {
                Ok(restarted) if restarted.is_empty() => label.print("no function has changed"),
                Ok(restarted) => label.print(format_args!("new: {}", restarted.join(", "))),
                Err(error) => {
                    label.print(format_args!("{error}; the functions run as before"));
                    // The same sources are not tried again.
                    self.sources = self.sources.current();
                }
            }
        }
    }

    /// Builds what the template says and routes requests to it. Returns the names of the functions whose
    /// processes are new.
    async fn load(&mut self) -> Result<Vec<String>, StartError> {
        let plan = self.plan().await?;
        let built = programs::build(&self.project, &plan.functions).await?;
        let width = width(plan.functions.iter().map(|function| &function.binary));

        let mut functions = Vec::new();
        let mut versions = BTreeMap::new();
        let mut sources: Vec<_> =
            [TEMPLATE, "Cargo.toml", "Cargo.lock"].map(|file| self.project.join(file)).into();
        for (number, definition) in plan.functions.iter().enumerate() {
            let name = &definition.binary;
            let label = self.label(name, width, number + 1);
            let function = self.function(definition, built.get(name), label)?;
            let made_from = match &function.code {
                Some(code) => {
                    sources.push(code.folder.clone());
                    code.folder.clone()
                }
                None => {
                    sources.extend(programs::sources(&function.bootstrap));
                    function.bootstrap.clone()
                }
            };
            let version = Version(format!("{function:?}"), Sources::of([made_from]));
            versions.insert(name.clone(), version);
            functions.push(function);
        }
        self.sources = Sources::of(sources);

        let is_kept = |name: &String| self.versions.get(name) == versions.get(name);
        let (kept, new): (BTreeSet<_>, _) = versions.keys().cloned().partition(is_kept);
        self.lambda = self.lambda.replaced(functions, &kept);
        self.versions = versions;
        let router = http_api::router(plan.routes, plan.guarded, self.lambda.clone());
        drop(self.api.send_replace(router));
        Ok(new.into_iter().collect())
    }

    /// Reads the template. An unusable template panics, and the panic prints why.
    async fn plan(&self) -> Result<Plan, StartError> {
        let path = self.project.join(TEMPLATE);
        let given = self.parameters.clone();
        let plan = spawn_blocking(move || Plan::read(&path, &given));
        plan.await.map_err(|_| StartError::Template)
    }

    fn function(
        &self,
        function: &Function,
        program: Option<&PathBuf>,
        label: Label,
    ) -> io::Result<lambda::Function> {
        let name = &function.binary;
        let code = function.interpreted.as_ref();
        let code = code
            .map(|code| Code::of(name, code, &self.project, self.inline_code.path()))
            .transpose()?;
        let runtime = function.interpreted.as_ref().map(|code| Code::bootstrap(&code.runtime));
        Ok(lambda::Function {
            name: name.clone(),
            bootstrap: runtime.or(program.cloned()).unwrap_or_default(),
            code,
            environment: self.environment(function),
            timeout: function.timeout,
            memory: function.memory,
            instances: INSTANCES,
            concurrency: 1,
            surroundings: Surroundings::Workplace,
            output: Output::Log(label),
        })
    }

    /// The function's environment variables: the template's with the values of this run, and those of
    /// the table.
    fn environment(&self, function: &Function) -> Vec<(String, String)> {
        let setting = |name: &str| self.settings.value_of(name).map(str::to_owned);
        let own = function.environment.iter().map(|(variable, value)| {
            // There is no Secrets Manager here: the secrets are in the environment.
            let secret = variable.strip_suffix("_ARN");
            let secret = secret.filter(|name| ["CLIENT_SECRET", "SECRET_KEY"].contains(name));
            match (secret, setting(variable)) {
                (_, Some(set)) => (variable.clone(), set),
                (Some(secret), None) => (secret.to_owned(), setting(secret).unwrap_or_default()),
                (None, None) => (variable.clone(), value.clone()),
            }
        });
        let format = setting("LOG_FORMAT").or_else(|| self.is_terminal.then(|| "text".to_owned()));
        let format = format.map(|format| ("LOG_FORMAT".to_owned(), format));
        let table = self.table.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        own.chain(format).chain(table).collect()
    }

    fn label(&self, name: &str, width: usize, number: usize) -> Label {
        let is_coloured = self.is_terminal && !self.settings.is_set("NO_COLOR");
        Label::new(name, width, number, is_coloured)
    }
}

/// The width of the names in the log.
fn width<'a>(functions: impl Iterator<Item = &'a String>) -> usize {
    functions.map(String::len).max().unwrap_or_default().max("local".len())
}

impl Plan {
    /// Reads the template at `path` with these values for its parameters. The examples in it are on.
    /// Required parameters may be missing: the settings contain the application at the provider.
    fn read(path: &Path, given: &[(String, String)]) -> Self {
        let template = Template::read(path);
        let mut values = BTreeMap::new();
        values.extend(template.required().map(|name| (name, "")));
        let is_defined = |name: &&str| template.parameter(name).is_object();
        values.extend(EXAMPLES.into_iter().filter(is_defined).map(|name| (name, "true")));
        values.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let values: Vec<_> = values.into_iter().collect();
        let stack = template.deploy(&values, &[]);
        let functions = stack.functions();
        // An unsupported runtime panics here, where the functions go on running as before.
        for code in functions.iter().filter_map(|function| function.interpreted.as_ref()) {
            let _ = Code::bootstrap(&code.runtime);
        }
        Self { functions, routes: Route::of(&stack), guarded: Authorizer::of(&stack) }
    }
}
