//! How fast the functions start and answer, and what they take.
//!
//! | | |
//! |---|---|
//! | `functions` | every function against one that does nothing, and against the least that is needed |
//! | `throughput` | many requests in flight, in one process and in one process each |
//! | `peers` | what verifies a token in other languages, beside what does here |
//!
//! Each round goes once through all cases, in an order of its own, so that a machine that is slower for
//! a while is slower for all of them. In each case a process is started with its first event waiting, as
//! Lambda has it; its CPU time is the kernel's own account. Of all rounds the median counts, and of the
//! ratios to the first case the median of those within one round.
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

/// Keeps the outcome for programs, and says where.
fn write(name: &str, outcome: &Value) {
    let file = tests::artifact("bench", &format!("{name}.json"));
    std::fs::write(&file, format!("{outcome:#}\n")).expect("target is writable");
    println!("{}", file.display());
}
