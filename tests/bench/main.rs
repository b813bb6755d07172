//! Benchmarks: start time, response time and resources of the functions.
//!
//! | | |
//! |---|---|
//! | `functions` | every function against an empty one, and against minimal baselines |
//! | `throughput` | many concurrent requests, in one process and in one process each |
//! | `peers` | token verification in other languages and in this project |
//!
//! Each round runs all cases in a random order, so that a slow phase of the machine affects all of
//! them. Each case starts a process with its first event waiting, as in Lambda; CPU times come from
//! the kernel. The results are medians over all rounds. Ratios to the first case are computed within
//! each round, and their median is reported.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on says so")]

mod budgets;
mod cases;
mod figures;
mod peers;
mod process_figures;
mod rounds;
mod spread;
mod throughput;

use std::env;

use serde_json::Value;

use crate::{cases::Cases, rounds::REQUESTS};

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let rounds = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(9);
    assert!(rounds > 0, "at least one round");
    let is_given = |name: &str| arguments.iter().any(|argument| argument == name);
    let cases = Cases::prepare().await;
    println!("functions: {}; {rounds} rounds\n", cases.artifacts());
    if is_given("throughput") {
        throughput::measure(&cases, rounds).await;
    } else if is_given("peers") {
        peers::measure(&cases, rounds, is_given("--write")).await;
    } else {
        functions(&cases, rounds).await;
    }
}

async fn functions(cases: &Cases, rounds: usize) {
    let mut cases = cases.functions().await;
    let (refresh, _deployment) = Cases::refresh().await;
    cases.push(refresh);
    let figures = rounds::measure(&cases, rounds).await;
    let verdicts = budgets::verdicts(&figures);
    println!("{REQUESTS} requests in each round\n\n{}", figures.tables());
    println!("{}", budgets::table(&verdicts));
    let mut outcome = figures.json();
    outcome["budgets"] = budgets::json(&verdicts);
    write("functions", &outcome);
}

/// Writes the results as JSON, and prints the path.
fn write(name: &str, outcome: &Value) {
    let file = tests::artifact("bench", &format!("{name}.json"));
    std::fs::write(&file, format!("{outcome:#}\n")).expect("target is writable");
    println!("{}", file.display());
}
