//! How fast the functions start and answer, and what they take, against a function that does nothing.
//!
//! Each round goes once through all cases, in an order of its own, so that a machine that is slower for
//! a while is slower for all of them. In each case a process is started with its first event waiting, as Lambda has it; its
//! CPU time is the kernel's own account. Of all rounds the median counts, and of the ratios to the
//! empty function the median of those within one round.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on says so")]

mod cases;
mod figures;
mod process_figures;

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use shared::random::Random;
use tests::lambda::Instance;

use crate::{
    cases::{Case, Cases},
    figures::{Figures, Round},
    process_figures::{cpu_time, peak_memory},
};

/// Requests before those that are measured.
const WARM_UP: usize = 30;

/// Requests that are measured, in each round.
const REQUESTS: usize = 300;

/// Before each process that is started.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    let rounds = env::args().nth(1).map_or(9, |text| text.parse().expect("a number of rounds"));
    let cases = Cases::prepare().await;
    println!("functions: {}; {rounds} rounds, {REQUESTS} requests each\n", cases.artifacts());
    let mut figures = Figures::new(cases.all().iter().map(|case| (case.name, size_of_zip(case))));
    let random = Random::system();
    for _ in 0..rounds {
        for index in shuffled(cases.all().len(), &random) {
            // What the case before has set in motion is to be over.
            tokio::time::sleep(PAUSE).await;
            figures.add(index, measure(&cases.all()[index]).await);
        }
    }
    println!("{}", figures.tables());
    let file = tests::artifact("bench", "figures.json");
    std::fs::write(&file, figures.json().to_string()).expect("target is writable");
    println!("{}", file.display());
}

/// The numbers below `length`, so that no case always comes after the same one.
fn shuffled(length: usize, random: &Random) -> Vec<usize> {
    let mut all: Vec<_> = (0..length).map(|index| (random.bytes::<8>(), index)).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, index)| index).collect()
}

async fn measure(case: &Case) -> Round {
    let mut instance = Instance::start(&case.function).await;
    ask(&mut instance, case).await;
    let first_answer = instance.started().elapsed();
    let first_poll = instance.ready().await.expect("it has polled, or it would not have answered");
    let cold_cpu = cpu_time(instance.process_id());

    for _ in 0..WARM_UP {
        ask(&mut instance, case).await;
    }
    let before = cpu_time(instance.process_id());
    let mut durations: Vec<Duration> = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let asked = Instant::now();
        ask(&mut instance, case).await;
        durations.push(asked.elapsed());
    }
    let warm_cpu = cpu_time(instance.process_id()) - before;
    durations.sort_unstable();
    Round {
        first_poll,
        first_answer,
        cold_cpu,
        warm_wall: durations[REQUESTS / 2],
        warm_cpu: warm_cpu / u32::try_from(REQUESTS).expect("it is small"),
        peak_memory: peak_memory(instance.process_id()),
    }
}

async fn ask(instance: &mut Instance, case: &Case) {
    let answer = instance.invoke(case.event.clone()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let status = serde_json::from_slice::<serde_json::Value>(&answer)
        .map(|answer| answer["statusCode"].clone());
    assert!(
        status.is_ok_and(|status| status == case.status),
        "{}: {}",
        case.name,
        String::from_utf8_lossy(&answer)
    );
}

/// As SAM packs it: deflated, by Python.
fn size_of_zip(case: &Case) -> u64 {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (zip, bootstrap) = (folder.path().join("function.zip"), folder.path().join("bootstrap"));
    std::fs::copy(&case.function.bootstrap, &bootstrap).expect("the program can be read");
    pack(&zip, &bootstrap);
    std::fs::metadata(&zip).expect("it was packed").len()
}

fn pack(zip: &Path, file: &Path) {
    let mut command = std::process::Command::new("python3");
    command.args(["-m", "zipfile", "--create"]).arg(zip).arg(file);
    assert!(command.status().expect("Python is there").success(), "{command:?}");
}
