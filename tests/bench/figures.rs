//! The figures of all rounds, and their evaluation.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use crate::spread::Spread;

/// The measurements of one case in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The time from process start to its first request for an event.
    pub(crate) first_poll: Duration,
    /// The time from process start to its first response.
    pub(crate) first_answer: Duration,
    /// The CPU time until the first response.
    pub(crate) cold_cpu: Duration,
    /// The time from an event to its response in a warm process.
    pub(crate) warm_wall: Duration,
    /// The CPU time per request in a warm process.
    pub(crate) warm_cpu: Duration,
    /// The peak memory in bytes.
    pub(crate) peak_memory: u64,
}

/// The rounds of each case. The first case is the one to compare with.
#[derive(Debug)]
pub(crate) struct Figures(Vec<CaseFigures>);

#[derive(Debug)]
struct CaseFigures {
    name: &'static str,
    zip_size: Option<u64>,
    rounds: Vec<Round>,
}

/// One column: its name in the JSON, its heading, and its value in a round.
type Column = (&'static str, &'static str, fn(&Round) -> f64);

const COLUMNS: [Column; 6] = [
    ("first_poll_ms", "first poll, ms", |round| milliseconds(round.first_poll)),
    ("first_answer_ms", "first answer, ms", |round| milliseconds(round.first_answer)),
    ("cold_cpu_ms", "CPU until then, ms", |round| milliseconds(round.cold_cpu)),
    ("warm_wall_us", "warm, µs", |round| milliseconds(round.warm_wall) * 1_000.0),
    ("warm_cpu_us", "warm CPU, µs", |round| milliseconds(round.warm_cpu) * 1_000.0),
    ("peak_memory_mb", "peak memory, MB", |round| megabytes(round.peak_memory)),
];

impl Figures {
    /// Figures without rounds. Each case has the size of its zip in bytes, if it has one.
    pub(crate) fn new(cases: impl Iterator<Item = (&'static str, Option<u64>)>) -> Self {
        let case = |(name, zip_size)| CaseFigures { name, zip_size, rounds: Vec::new() };
        Self(cases.map(case).collect())
    }

    /// Adds a round of the case with this index.
    pub(crate) fn add(&mut self, index: usize, round: Round) {
        self.0[index].rounds.push(round);
    }

    /// Computes `figure` for each round from the cases, which it finds by name.
    pub(crate) fn by_round(
        &self,
        figure: impl Fn(&dyn Fn(&'static str) -> Round) -> f64,
    ) -> Spread {
        let rounds = 0..self.0[0].rounds.len();
        Spread::of(rounds.map(|number| figure(&|name| self.case(name).rounds[number])))
    }

    /// The size of the zip of the case with this name, in bytes.
    pub(crate) fn zip_size(&self, name: &'static str) -> Option<u64> {
        self.case(name).zip_size
    }

    /// Three tables: medians, ratios to the first case, and minima and maxima.
    pub(crate) fn tables(&self) -> String {
        let medians = self.table(|case, read| format!("{:.2}", case.spread(read).median));
        let ratios = self.table(|case, read| format!("{:.2}×", self.ratio(case, read)));
        let spreads = self.table(|case, read| {
            let Spread { least, most, .. } = case.spread(read);
            format!("{least:.2}-{most:.2}")
        });
        let first = self.0[0].name;
        format!(
            "Medians\n\n{medians}\nMedians of the ratios to: {first}\n\n{ratios}\nSpread\n\n{spreads}"
        )
    }

    fn table(&self, cell: impl Fn(&CaseFigures, fn(&Round) -> f64) -> String) -> String {
        let headings = COLUMNS.map(|(_, heading, _)| heading).join(" | ");
        let mut table =
            format!("| | {headings} | zip, MB |\n|{}\n", "---|".repeat(COLUMNS.len() + 2));
        for case in &self.0 {
            let cells = COLUMNS.map(|(_, _, read)| cell(case, read)).join(" | ");
            let zip = case.zip_size.map_or(String::new(), |size| format!("{:.2}", megabytes(size)));
            let _ = writeln!(table, "| {} | {cells} | {zip} |", case.name);
        }
        table
    }

    /// One line per case with its start, request and resource figures, each with its ratio to the
    /// first case.
    pub(crate) fn summary(&self) -> String {
        let mut table = "| | cold start, ms | a warm request, µs of CPU | peak memory, MB |\n\
                         |---|---|---|---|\n"
            .to_owned();
        let columns = [COLUMNS[1], COLUMNS[4], COLUMNS[5]];
        for case in &self.0 {
            let cells = columns.map(|(_, _, read)| {
                let (median, ratio) = (case.spread(read).median, self.ratio(case, read));
                let digits = usize::from(median < 100.0);
                format!("{median:.digits$} ({ratio:.1}×)")
            });
            let _ = writeln!(table, "| {} | {} |", case.name, cells.join(" | "));
        }
        table
    }

    /// The figures as JSON.
    pub(crate) fn json(&self) -> Value {
        let cases = self.0.iter().map(|case| {
            let mut fields = json!({
                "name": case.name, "rounds": case.rounds.len(), "zip_bytes": case.zip_size,
            });
            for (name, _, read) in COLUMNS {
                let mut figure = case.spread(read).json();
                figure["ratio"] = self.ratio(case, read).into();
                fields[name] = figure;
            }
            fields
        });
        json!({ "cases": cases.collect::<Value>() })
    }

    fn case(&self, name: &'static str) -> &CaseFigures {
        let mut cases = self.0.iter();
        cases.find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name:?}"))
    }

    /// The median of the ratios to the first case within each round.
    fn ratio(&self, case: &CaseFigures, read: fn(&Round) -> f64) -> f64 {
        let pairs = case.rounds.iter().zip(&self.0[0].rounds);
        Spread::of(pairs.map(|(own, first)| read(own) / read(first))).median
    }
}

impl CaseFigures {
    fn spread(&self, read: fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(read))
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// `bytes` in millions.
#[expect(clippy::cast_precision_loss, reason = "a size in bytes is far below 2^52")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
