//! Lambda on this machine: function processes, started on demand, and the Runtime API that gives them
//! their invocations.
//!
//! Each process has a Runtime API on its own port, as each execution environment has. The emulation
//! has no freezing, memory limit, retries or throttling. If all processes are busy and their number
//! has reached its limit, the caller waits. A process gets one invocation at a time, or several, as in
//! Lambda Managed Instances.
//!
//! ```no_run
//! # async fn story() {
//! use std::time::Duration;
//! use local::emulator::lambda::{Function, Lambda, Output, Surroundings};
//!
//! let lambda = Lambda::new([Function {
//!     name: "greeter".to_owned(),
//!     bootstrap: "/opt/greeter/bootstrap".into(),
//!     code: None,
//!     environment: vec![("GREETING".to_owned(), "Hello".to_owned())],
//!     timeout: Duration::from_secs(10),
//!     memory: 128,
//!     instances: 3,
//!     concurrency: 1,
//!     surroundings: Surroundings::Lambda,
//!     output: Output::Files("target/logs".into()),
//! }]);
//! lambda.warm("greeter", 3).await;
//! let answer = lambda.invoke("greeter", r#"{"name":"Ada"}"#.into()).await;
//! assert_eq!(answer.unwrap(), r#"{"message":"Hello, Ada"}"#);
//! # }
//! ```

mod instance;
mod output;
mod runtime;
mod runtime_api;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

pub use self::{
    instance::Instance,
    output::{Label, Output},
    runtime::Code,
};

/// The region of all emulated resources.
pub const REGION: &str = "eu-central-1";

/// The account of all emulated resources.
pub const ACCOUNT: &str = "123456789012";

/// A deployed function.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name for invocations.
    pub name: String,
    /// The program of its processes: its own, or the runtime of its language.
    pub bootstrap: PathBuf,
    /// The code that the runtime of its language runs.
    pub code: Option<Code>,
    /// The environment that the deployment sets. Variables of this process are not passed on.
    pub environment: Vec<(String, String)>,
    /// The time limit of an invocation. The process is then killed; with a `concurrency` above one,
    /// only the wait ends.
    pub timeout: Duration,
    /// The memory size that the function is given in its environment, in MB.
    pub memory: u32,
    /// The largest number of concurrent processes.
    pub instances: usize,
    /// The largest number of concurrent invocations in a process. A value above one needs a program
    /// built for it.
    pub concurrency: usize,
    /// Whether the environment looks like Lambda's.
    pub surroundings: Surroundings,
    /// Where the output of its processes goes.
    pub output: Output,
}

/// Whether the environment of a function process looks like Lambda's. The process can tell by two
/// variables, `LAMBDA_TASK_ROOT` and `AWS_LAMBDA_INITIALIZATION_TYPE`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Surroundings {
    /// Inside Lambda, with all variables that Lambda sets.
    Lambda,
    /// On a developer's machine: without the two variables. Inside Lambda the product refuses a
    /// provider on loopback, so tests with a login need this.
    Workplace,
}

/// Why an invocation has no response.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvocationError {
    /// The process failed to start: it exited, reported an error, or took more than 10 s.
    #[error("the function cannot be initialised: {0}")]
    Initialisation(String),
    /// The function reported this error instead of a response.
    #[error("the function failed: {0}")]
    Function(String),
    /// The process exited during the invocation.
    #[error("the function's process has ended: {0}")]
    Exited(String),
    /// It took longer than the function's timeout.
    #[error("the function timed out after {0:?}")]
    TimedOut(Duration),
}

/// The functions with their processes. Clones share them; the processes stop with the last clone.
#[derive(Clone, Debug, Default)]
pub struct Lambda(Arc<BTreeMap<String, Arc<Pool>>>);

/// The processes of one function.
#[derive(Debug)]
struct Pool {
    function: Function,
    /// One permit for each possible concurrent invocation.
    free: Semaphore,
    /// Held while a process with room for several invocations starts, so that others wait for it.
    starting: AsyncMutex<()>,
    processes: Mutex<Processes>,
}

#[derive(Debug, Default)]
struct Processes {
    /// The process that has been idle longest goes next, so that each one gets some work. A process
    /// occurs once for each invocation that it has room for.
    idle: VecDeque<Arc<Instance>>,
    /// For every process ever started: the number of its invocations, and its log file if it has one.
    started: Vec<(usize, Option<PathBuf>)>,
}

impl Lambda {
    /// Defines functions. Their processes start on demand.
    #[must_use]
    pub fn new(functions: impl IntoIterator<Item = Function>) -> Self {
        Self::default().replaced(functions, &BTreeSet::new())
    }

    /// These functions instead. Those named in `kept` keep their processes. Other processes stop with
    /// the last clone of `self`.
    #[must_use]
    pub fn replaced(
        &self,
        functions: impl IntoIterator<Item = Function>,
        kept: &BTreeSet<String>,
    ) -> Self {
        let pools = functions.into_iter().map(|function| {
            let name = function.name.clone();
            let pool = self.0.get(&name).filter(|_| kept.contains(&name));
            let pool = pool.cloned().unwrap_or_else(|| Arc::new(Pool::new(function)));
            (name, pool)
        });
        Self(Arc::new(pools.collect()))
    }

    /// Invokes the function with `event`, in an idle process or else a new one.
    ///
    /// # Errors
    ///
    /// Returns why there is no response. The process is then stopped, unless it only reported an
    /// error.
    pub async fn invoke(&self, function: &str, event: Bytes) -> Result<Bytes, InvocationError> {
        let (lambda, function) = (self.clone(), function.to_owned());
        // As in Lambda, the invocation goes on after its caller has left.
        let invocation = tokio::spawn(async move { lambda.run(&function, event).await });
        invocation.await.unwrap_or_else(|error| Err(InvocationError::Exited(error.to_string())))
    }

    async fn run(&self, function: &str, event: Bytes) -> Result<Bytes, InvocationError> {
        let pool = self.pool(function);
        let _turn = pool.free.acquire().await.expect("it is never closed");
        let instance = pool.idle_or_new().await;
        let instance = instance.inspect_err(|error| pool.function.output.failure(error))?;
        pool.processes().started[instance.number].0 += 1;
        let outcome = instance.invoke(event).await;
        let goes_on = match outcome {
            Ok(_) | Err(InvocationError::Function(_)) => true,
            // Other invocations run in that process.
            Err(InvocationError::TimedOut(_)) => pool.function.concurrency > 1,
            Err(_) => false,
        };
        if goes_on {
            pool.processes().idle.push_back(instance);
        }
        outcome.inspect_err(|error| pool.function.output.failure(error))
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

    /// The number of invocations of each process of the function, in start order.
    #[must_use]
    pub fn served(&self, function: &str) -> Vec<usize> {
        self.pool(function).processes().started.iter().map(|(served, _)| *served).collect()
    }

    /// The output of all processes with a log file so far.
    #[must_use]
    pub fn output(&self) -> String {
        let logs = self.0.values().flat_map(|pool| pool.processes().started.clone());
        logs.filter_map(|(_, log)| log)
            .map(|log| String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into())
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
    fn new(function: Function) -> Self {
        let free = Semaphore::new(function.instances * function.concurrency);
        Self { function, free, starting: AsyncMutex::default(), processes: Mutex::default() }
    }

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

    /// A new process for one invocation. Its remaining capacity is added to the idle list.
    async fn start(&self) -> Result<Arc<Instance>, InvocationError> {
        let mut instance = Instance::start(&self.function).await;
        {
            let mut processes = self.processes();
            instance.number = processes.started.len();
            processes.started.push((0, instance.log().map(PathBuf::from)));
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
