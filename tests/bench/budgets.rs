//! The project's performance budgets. An exceeded budget is reported but is not a failure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    cases::{BARE, EMPTY, GET, LOGIN, SEEN, SIGNED, UNSEEN},
    figures::{Figures, Round, megabytes},
    peers::SAME_JOB,
    spread::Spread,
};

/// A budget with its measured value.
pub(crate) struct Verdict {
    what: &'static str,
    limit: f64,
    measured: Spread,
    /// Whether the limit is a minimum.
    is_least: bool,
}

/// Compares `figures` with each budget. Ratios are computed within each round.
pub(crate) fn verdicts(figures: &Figures) -> Vec<Verdict> {
    let at_most = |what, limit, measured| Verdict { what, limit, measured, is_least: false };
    let at_least = |what, limit, measured| Verdict { what, limit, measured, is_least: true };
    let ratio = |one: &str, other: &str, read: fn(&Round) -> f64| {
        figures.by_round(|round| read(&round(one)) / read(&round(other)))
    };
    let fastest_peer = |read: fn(&Round) -> f64| {
        figures.by_round(|round| {
            let peers = SAME_JOB.iter().map(|peer| read(&round(peer)));
            peers.fold(f64::INFINITY, f64::min) / read(&round(SEEN))
        })
    };
    let cold = |round: &Round| round.first_answer.as_secs_f64();
    let warm = |round: &Round| round.warm_median.as_secs_f64();
    let cpu = |round: &Round| round.warm_cpu.as_secs_f64();
    let beyond_empty = |round: &dyn Fn(&str) -> Round, name: &str| {
        round(name).warm_cpu.as_secs_f64() - round(EMPTY).warm_cpu.as_secs_f64()
    };
    let client = figures.by_round(|round| beyond_empty(round, GET) / beyond_empty(round, SIGNED));
    vec![
        at_most("`protected` by token, cold start / the bare SDK", 1.15, ratio(SEEN, BARE, cold)),
        at_most("`protected` by token, warm p50 / the bare SDK", 1.10, ratio(SEEN, BARE, warm)),
        at_most("`protected` by token, warm CPU / the bare SDK", 1.20, ratio(SEEN, BARE, cpu)),
        at_most(
            "one GetItem, warm CPU beyond the empty function: our client / by hand",
            1.4,
            client,
        ),
        at_least("cold start, the fastest peer / `protected`", 15.0, fastest_peer(cold)),
        at_least("warm CPU, the fastest peer / `protected`", 3.0, fastest_peer(cpu)),
        at_most("login page, cold start / empty", 1.3, ratio(LOGIN, EMPTY, cold)),
        at_most(
            "`protected`, peak memory, MB",
            9.0,
            figures.by_round(|round| megabytes(round(UNSEEN).peak_memory)),
        ),
        at_most("the largest zip, MB", 3.0, Spread::of([figures.largest_zip()])),
    ]
}

/// The verdicts as a table.
pub(crate) fn table(verdicts: &[Verdict]) -> String {
    let mut table = "| budget | limit | measured | |\n|---|---|---|---|\n".to_owned();
    for verdict in verdicts {
        let Verdict { what, limit, measured, is_least } = verdict;
        let bound = if *is_least { "at least" } else { "at most" };
        let (measured, word) = (measured.text(), verdict.word());
        let _ = writeln!(table, "| {what} | {bound} {limit} | {measured} | {word} |");
    }
    table
}

/// The verdicts as JSON.
pub(crate) fn json(verdicts: &[Verdict]) -> Value {
    let budgets = verdicts.iter().map(|verdict| {
        json!({
            "budget": verdict.what, "limit": verdict.limit,
            "measured": verdict.measured.json(), "within": verdict.is_within(),
        })
    });
    budgets.collect()
}

impl Verdict {
    fn is_within(&self) -> bool {
        if self.is_least {
            self.measured.median >= self.limit
        } else {
            self.measured.median <= self.limit
        }
    }

    fn word(&self) -> &'static str {
        if self.is_within() { "within" } else { "outside" }
    }
}
