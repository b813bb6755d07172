//! Benchmarks: start time, response time and resources of the functions, as Lambda gives them.
//!
//! | | |
//! |---|---|
//! | `functions` | every function against an empty one, against minimal baselines and against other languages |
//! | `sizes` | what each memory size gives and costs |
//! | `frozen` | a connection to the table that died while the process was frozen |
//! | `throughput` | many concurrent requests, in one process and in one process each |
//!
//! The [table](remote_table) is half a millisecond away, over TLS. From its first event on, a process
//! has the [share of a processor](processor_share) of its memory size. `throughput` has neither: its
//! table is nearby over plain HTTP, and its processes share the whole machine.
//!
//! Each round runs all cases in a random order, so that a slow phase of the machine affects all of
//! them. CPU times come from the kernel. The results are medians over all rounds. Ratios to the first
//! case are computed within each round, and their median is reported.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on says so")]

mod budgets;
mod cases;
mod figures;
mod frozen;
mod peers;
mod process_figures;
mod processor_share;
mod remote_table;
mod rounds;
mod sizes;
mod spread;
mod throughput;

use std::env;

use serde_json::Value;

use crate::{cases::Cases, processor_share::ProcessorShare, rounds::REQUESTS};

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let rounds = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(9);
    assert!(rounds > 0, "at least one round");
    let is_given = |name: &str| arguments.iter().any(|argument| argument == name);
    let cases = Cases::prepare().await;
    println!("functions: {}; {rounds} rounds\n", cases.artifacts());
    if is_given("throughput") {
        return throughput::measure(&cases, rounds).await;
    }
    let share = ProcessorShare::new();
    if is_given("sizes") {
        sizes::measure(&cases, &share, rounds).await;
    } else if is_given("frozen") {
        frozen::measure(&cases, &share, rounds).await;
    } else {
        functions(&cases, &share, rounds, is_given("--write")).await;
    }
}

async fn functions(cases: &Cases, share: &ProcessorShare, rounds: usize, write_readme: bool) {
    let mut all = cases.functions().await;
    let (refresh, _deployment, _table) = Cases::refresh().await;
    all.push(refresh);
    all.extend(peers::cases(cases).await);
    let figures = rounds::measure(&all, share, rounds).await;
    let verdicts = budgets::verdicts(&figures);
    println!("{REQUESTS} requests in each round\n\n{}", figures.tables());
    println!("{}", budgets::table(&verdicts));
    let mut outcome = figures.json();
    outcome["budgets"] = budgets::json(&verdicts);
    write("functions", &outcome);
    if write_readme {
        peers::put_into_readme(&figures);
    }
}

/// Writes the results as JSON, and prints the path.
fn write(name: &str, outcome: &Value) {
    let file = tests::artifact("bench", &format!("{name}.json"));
    std::fs::write(&file, format!("{outcome:#}\n")).expect("target is writable");
    println!("{}", file.display());
}
