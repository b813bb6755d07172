//! What each memory size gives and costs.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    cases::Cases,
    figures::{Round, milliseconds},
    processor_share::ProcessorShare,
    rounds,
};

/// In MB. The last one comes with a whole processor.
const SIZES: [u32; 5] = [128, 256, 512, 1_024, 1_769];

/// Dollars for a call, and for a GB of memory during a millisecond (x86_64).
const CALL: f64 = 0.000_000_2;
const GIGABYTE_MILLISECOND: f64 = 0.000_000_016_666_7;

/// Measures each size and prints the results.
pub(crate) async fn measure(cases: &Cases, share: &ProcessorShare, rounds: usize) {
    let all: Vec<_> = SIZES.into_iter().flat_map(|memory| cases.sizes(memory)).collect();
    let figures = rounds::measure(&all, share, rounds).await;
    let mut table =
        "| | cold start, ms | warm p50, ms | warm p99, ms | billed, ms | $ per million \
                     |\n|---|---|---|---|---|---|\n"
            .to_owned();
    let mut costs = Vec::new();
    for case in &all {
        let median =
            |read: fn(&Round) -> f64| figures.by_round(|round| read(&round(&case.name))).median;
        let billed = median(|round| milliseconds(round.billed));
        let memory = f64::from(case.function.memory) / 1_024.0;
        let cost = 1_000_000.0 * (CALL + GIGABYTE_MILLISECOND * billed * memory);
        costs.push(json!({ "name": case.name, "dollars_per_million": cost, "billed_ms": billed }));
        let _ = writeln!(
            table,
            "| {} | {:.1} | {:.2} | {:.2} | {billed:.2} | {cost:.2} |",
            case.name,
            median(|round| milliseconds(round.first_answer)),
            median(|round| milliseconds(round.warm_median)),
            median(|round| milliseconds(round.warm_p99)),
        );
    }
    println!("{table}");
    let mut outcome = figures.json();
    outcome["costs"] = costs.into();
    crate::write("sizes", &outcome);
}
