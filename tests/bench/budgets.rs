//! The project's performance budgets. An exceeded budget is reported but is not a failure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    cases::{BOTH, EMPTY, LOGIN, UNSEEN},
    figures::{Figures, Round, megabytes},
    spread::Spread,
};

/// A budget with its measured value.
pub(crate) struct Verdict {
    what: &'static str,
    limit: f64,
    measured: Spread,
}

/// Compares `figures` with each budget. Ratios are computed within each round.
pub(crate) fn verdicts(figures: &Figures) -> Vec<Verdict> {
    let verdict = |what, limit, measured| Verdict { what, limit, measured };
    let ratio = |one, other, read: fn(&Round) -> f64| {
        figures.by_round(|round| read(&round(one)) / read(&round(other)))
    };
    let cold = |round: &Round| round.first_answer.as_secs_f64();
    let warm = |round: &Round| round.warm_cpu.as_secs_f64();
    let cold_cpu = |round: &Round| round.cold_cpu.as_secs_f64();
    let zip = |case| figures.zip_size(case).map_or(f64::NAN, megabytes);
    vec![
        verdict("protected, cold start / empty", 2.0, ratio(UNSEEN, EMPTY, cold)),
        verdict(
            "protected, CPU until the first answer / empty",
            2.0,
            ratio(UNSEEN, EMPTY, cold_cpu),
        ),
        verdict(
            "protected, token first seen, warm CPU / (empty + one RSA verification + one GetItem)",
            1.2,
            ratio(UNSEEN, BOTH, warm),
        ),
        verdict(
            "protected, peak memory, MB",
            9.0,
            figures.by_round(|round| megabytes(round(UNSEEN).peak_memory)),
        ),
        verdict("protected, zip, MB", 3.0, Spread::of([zip(UNSEEN)])),
        verdict("login without a session, cold start / empty", 1.5, ratio(LOGIN, EMPTY, cold)),
    ]
}

/// The verdicts as a table.
pub(crate) fn table(verdicts: &[Verdict]) -> String {
    let mut table = "| budget | limit | measured | |\n|---|---|---|---|\n".to_owned();
    for verdict in verdicts {
        let Verdict { what, limit, measured } = verdict;
        let _ = writeln!(table, "| {what} | {limit} | {} | {} |", measured.text(), verdict.word());
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
        self.measured.median <= self.limit
    }

    fn word(&self) -> &'static str {
        if self.is_within() { "within" } else { "above" }
    }
}
