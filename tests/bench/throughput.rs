//! The throughput with several requests in flight.
//!
//! In the plain form each request has its own process, as in Lambda. With the feature `concurrent`
//! one process serves all, as in Managed Instances. The processors are shared with this process, which
//! runs the clients, the Runtime API and, on another thread, the DynamoDB emulator. So the rate only
//! compares both forms; the CPU time per request is the cost of the functions themselves.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use local::emulator::lambda::{Function, Instance};
use serde_json::{Value, json};
use tests::artifacts;
use tokio::task::JoinSet;

use crate::{
    cases::Cases,
    figures::megabytes,
    process_figures::{cpu_time, peak_memory},
    rounds::{Case, ask, shuffled},
    spread::Spread,
};

/// The numbers of requests in flight.
const IN_FLIGHT: [usize; 3] = [1, 8, 64];

/// The number of measured requests in each round.
const REQUESTS: usize = 2_000;

/// The number of requests before the measured ones, for each one in flight.
const WARM_UP: usize = 30;

/// One form with one number of requests in flight.
struct Load {
    form: &'static str,
    case: Arc<Case>,
    in_flight: usize,
    processes: usize,
    rounds: Vec<Round>,
}

struct Round {
    /// The elapsed time in seconds.
    wall: f64,
    /// The CPU time of all its processes, in seconds.
    cpu: f64,
    /// The peak memory of all its processes, in bytes.
    memory: u64,
}

/// Measures both forms and prints the results.
pub(crate) async fn measure(cases: &Cases, rounds: usize) {
    let plain = &cases.protected_nearby();
    let bootstrap = artifacts::concurrent("protected");
    let mut loads = Vec::new();
    for in_flight in IN_FLIGHT {
        let concurrent =
            Function { bootstrap: bootstrap.clone(), concurrency: in_flight, ..plain.clone() };
        for (form, function, processes) in
            [("plain", plain, in_flight), ("concurrent", &concurrent, 1)]
        {
            let case = Arc::new(cases.seen(function));
            loads.push(Load { form, case, in_flight, processes, rounds: Vec::new() });
        }
    }
    for _ in 0..rounds {
        for index in shuffled(loads.len()) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let round = loads[index].run().await;
            loads[index].rounds.push(round);
        }
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("`protected` by token, {REQUESTS} requests in each round, {cores} cores\n");
    println!("{}", table(&loads, cores));
    crate::write("throughput", &loads.iter().map(|load| load.json(cores)).collect());
}

impl Load {
    async fn run(&self) -> Round {
        let mut instances = Vec::new();
        for _ in 0..self.processes {
            instances.push(Arc::new(Instance::start(&self.case.function).await));
        }
        self.ask(&instances, WARM_UP * self.in_flight).await;
        let cpu = |instances: &[Arc<Instance>]| -> Duration {
            instances.iter().map(|instance| cpu_time(instance.process_id())).sum()
        };
        let (started, before) = (Instant::now(), cpu(&instances));
        self.ask(&instances, REQUESTS).await;
        let wall = started.elapsed().as_secs_f64();
        let cpu = (cpu(&instances) - before).as_secs_f64();
        let memory = instances.iter().map(|instance| peak_memory(instance.process_id())).sum();
        Round { wall, cpu, memory }
    }

    /// Sends `requests` requests, with the load's number of requests in flight.
    async fn ask(&self, instances: &[Arc<Instance>], requests: usize) {
        let sent = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for number in 0..self.in_flight {
            let instance = Arc::clone(&instances[number % instances.len()]);
            let (sent, case) = (Arc::clone(&sent), Arc::clone(&self.case));
            callers.spawn(async move {
                while sent.fetch_add(1, Ordering::Relaxed) < requests {
                    ask(&instance, &case, &case.events[0]).await;
                }
            });
        }
        callers.join_all().await;
    }

    fn spread(&self, read: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(read))
    }

    #[expect(clippy::cast_precision_loss, reason = "a few processors")]
    fn rate_per_core(&self, cores: usize) -> Spread {
        self.spread(|round| REQUESTS as f64 / round.wall / cores as f64)
    }

    /// The CPU time per request in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
    fn cpu_per_request(&self) -> Spread {
        self.spread(|round| round.cpu * 1_000_000.0 / REQUESTS as f64)
    }

    fn json(&self, cores: usize) -> Value {
        json!({
            "form": self.form, "in_flight": self.in_flight, "processes": self.processes,
            "rounds": self.rounds.len(), "cores": cores,
            "requests_per_second_per_core": self.rate_per_core(cores).json(),
            "cpu_us_per_request": self.cpu_per_request().json(),
            "peak_memory_mb": self.spread(|round| megabytes(round.memory)).json(),
        })
    }
}

fn table(loads: &[Load], cores: usize) -> String {
    let mut table = "| form | in flight | processes | requests/s per core, all of it shared \
                     | CPU per request, µs | so requests/s per dedicated core | peak memory, MB |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for load in loads {
        let cpu = load.cpu_per_request();
        let memory = load.spread(|round| megabytes(round.memory));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {:.0} | {} |",
            load.form,
            load.in_flight,
            load.processes,
            load.rate_per_core(cores).text(),
            cpu.text(),
            1_000_000.0 / cpu.median,
            memory.text()
        );
    }
    table
}
