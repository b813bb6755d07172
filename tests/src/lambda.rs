//! Lambda on this machine: function processes, started when they are needed, and the Runtime API
//! that they take their invocations from.
//!
//! Each process has a Runtime API on a port of its own, as each execution environment has. Beyond
//! what a story needs nothing is imitated: no freezing, no memory limit, no retries, no throttling.
//! When a function has no process to spare and may start no other, the caller waits. A process gets
//! one invocation at a time, or several, as Lambda Managed Instances give them.
//!
//! ```no_run
//! # async fn story() {
//! use std::time::Duration;
//! use tests::lambda::{Function, Lambda, Surroundings};
//!
//! let lambda = Lambda::new([Function {
//!     name: "greeter".to_owned(),
//!     bootstrap: "/opt/greeter/bootstrap".into(),
//!     environment: vec![("GREETING".to_owned(), "Hello".to_owned())],
//!     timeout: Duration::from_secs(10),
//!     memory: 128,
//!     instances: 3,
//!     concurrency: 1,
//!     surroundings: Surroundings::Lambda,
//! }]);
//! lambda.warm("greeter", 3).await;
//! let answer = lambda.invoke("greeter", r#"{"name":"Ada"}"#.into()).await;
//! assert_eq!(answer.unwrap(), r#"{"message":"Hello, Ada"}"#);
//! # }
//! ```

mod instance;
mod runtime_api;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

pub use self::instance::Instance;

/// The region that all of this pretends to lie in.
pub const REGION: &str = "eu-central-1";

/// The account that all of this pretends to belong to.
pub const ACCOUNT: &str = "123456789012";

/// A function as it is deployed.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name, by which it is invoked.
    pub name: String,
    /// The program that a process of it runs.
    pub bootstrap: PathBuf,
    /// What the deployment sets in its environment; nothing else of this process' own gets there.
    pub environment: Vec<(String, String)>,
    /// How long an invocation may take until its process is killed; with a `concurrency`, until
    /// nobody waits for it any more.
    pub timeout: Duration,
    /// What it is told its memory is, in MB.
    pub memory: u32,
    /// The most processes of it at a time.
    pub instances: usize,
    /// The most invocations that a process has at a time. More than one is for a program that was
    /// built for it.
    pub concurrency: usize,
    /// Where it must believe to be.
    pub surroundings: Surroundings,
}

/// Where a function process believes to be. It may tell by two variables, `LAMBDA_TASK_ROOT` and
/// `AWS_LAMBDA_INITIALIZATION_TYPE`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Surroundings {
    /// Inside Lambda, with all that Lambda sets.
    Lambda,
    /// On a developer's machine: the two variables are left out. Inside Lambda the bundle takes no
    /// provider on loopback, so a story with a login in it cannot be told there.
    Workplace,
}

/// Why an invocation has no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvocationError {
    /// The process could not begin its work. It has ended, or said so, or took more than 10 s.
    #[error("the function cannot be initialised: {0}")]
    Initialisation(String),
    /// The function reported an error instead of an answer: what it reported.
    #[error("the function failed: {0}")]
    Function(String),
    /// The process ended in the middle of it.
    #[error("the function's process has ended: {0}")]
    Exited(String),
    /// It took longer than the function's timeout.
    #[error("the function timed out after {0:?}")]
    TimedOut(Duration),
}

/// The functions, with their processes. A clone is the same Lambda; the processes end with the last.
#[derive(Clone, Debug)]
pub struct Lambda(Arc<BTreeMap<String, Pool>>);

/// The processes of one function.
#[derive(Debug)]
struct Pool {
    function: Function,
    /// As many as there may be invocations.
    free: Semaphore,
    /// Held by who starts a process with room for others, who are to wait for it.
    starting: AsyncMutex<()>,
    processes: Mutex<Processes>,
}

#[derive(Debug, Default)]
struct Processes {
    /// Whoever has been idle longest goes next, so that each one gets its share of the work. A process
    /// stands there once for each invocation that it has room for.
    idle: VecDeque<Arc<Instance>>,
    /// Of all that were ever started: how many invocations each was handed, and where it logs to.
    started: Vec<(usize, PathBuf)>,
}

impl Lambda {
    /// Nothing is started until it is needed.
    #[must_use]
    pub fn new(functions: impl IntoIterator<Item = Function>) -> Self {
        let pools = functions.into_iter().map(|function| {
            let free = Semaphore::new(function.instances * function.concurrency);
            let name = function.name.clone();
            let (starting, processes) = (AsyncMutex::default(), Mutex::default());
            (name, Pool { function, free, starting, processes })
        });
        Self(Arc::new(pools.collect()))
    }

    /// Has one of the function's processes answer `event`: an idle one, else a new one.
    ///
    /// # Errors
    ///
    /// When there is no answer. A process that did not just report an error is gone then.
    pub async fn invoke(&self, function: &str, event: Bytes) -> Result<Bytes, InvocationError> {
        let pool = self.pool(function);
        let _turn = pool.free.acquire().await.expect("it is never closed");
        let instance = pool.idle_or_new().await?;
        pool.processes().started[instance.number].0 += 1;
        let outcome = instance.invoke(event).await;
        let goes_on = match outcome {
            Ok(_) | Err(InvocationError::Function(_)) => true,
            // Others are in flight there.
            Err(InvocationError::TimedOut(_)) => pool.function.concurrency > 1,
            Err(_) => false,
        };
        if goes_on {
            pool.processes().idle.push_back(instance);
        }
        outcome
    }

    /// Starts processes of the function until `instances` of them are idle.
    pub async fn warm(&self, function: &str, instances: usize) {
        let pool = self.pool(function);
        assert!(instances <= pool.function.instances, "{function} may not have that many");
        while pool.processes().idle.len() < instances * pool.function.concurrency {
            let instance = pool.start().await.unwrap_or_else(|error| panic!("{error}"));
            pool.processes().idle.push_back(instance);
        }
    }

    /// Ends the function's idle processes, so that the next invocation meets one that starts for it.
    pub fn cool(&self, function: &str) {
        self.pool(function).processes().idle.clear();
    }

    /// How many invocations each process of the function was handed, in the order of their start.
    #[must_use]
    pub fn served(&self, function: &str) -> Vec<usize> {
        self.pool(function).processes().started.iter().map(|(served, _)| *served).collect()
    }

    /// All that every process has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        let logs = self.0.values().flat_map(|pool| pool.processes().started.clone());
        logs.map(|(_, log)| String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into())
            .collect::<Vec<String>>()
            .concat()
    }

    /// The functions.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.0.values().map(|pool| &pool.function)
    }

    fn pool(&self, function: &str) -> &Pool {
        self.0.get(function).unwrap_or_else(|| panic!("there is no function {function:?}"))
    }
}

impl Pool {
    async fn idle_or_new(&self) -> Result<Arc<Instance>, InvocationError> {
        if let Some(instance) = self.idle() {
            return Ok(instance);
        }
        if self.function.concurrency == 1 {
            return self.start().await;
        }
        let _turn = self.starting.lock().await;
        match self.idle() {
            Some(instance) => Ok(instance),
            None => self.start().await,
        }
    }

    fn idle(&self) -> Option<Arc<Instance>> {
        loop {
            let instance = self.processes().idle.pop_front()?;
            if instance.has_ended().is_none() {
                return Some(instance);
            }
        }
    }

    /// A new process, for one invocation. What other room it has is idle.
    async fn start(&self) -> Result<Arc<Instance>, InvocationError> {
        let mut instance = Instance::start(&self.function).await;
        {
            let mut processes = self.processes();
            instance.number = processes.started.len();
            processes.started.push((0, instance.log().to_owned()));
        }
        instance.ready().await?;
        let instance = Arc::new(instance);
        let others = (1..self.function.concurrency).map(|_| Arc::clone(&instance));
        self.processes().idle.extend(others);
        Ok(instance)
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
