//! The figures of all rounds, and their evaluation.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

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
    /// The median time from an event to its response in a warm process.
    pub(crate) warm_median: Duration,
    /// The 99th percentile of that time.
    pub(crate) warm_p99: Duration,
    /// The mean of that time as Lambda bills it.
    pub(crate) billed: Duration,
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
    name: Cow<'static, str>,
    zip_size: Option<u64>,
    rounds: Vec<Round>,
}

/// One column: its name in the JSON, its heading, and its value in a round.
type Column = (&'static str, &'static str, fn(&Round) -> f64);

const COLUMNS: [Column; 7] = [
    ("first_poll_ms", "first poll, ms", |round| milliseconds(round.first_poll)),
    ("first_answer_ms", "first answer, ms", |round| milliseconds(round.first_answer)),
    ("cold_cpu_ms", "CPU until then, ms", |round| milliseconds(round.cold_cpu)),
    ("warm_p50_ms", "warm p50, ms", |round| milliseconds(round.warm_median)),
    ("warm_p99_ms", "warm p99, ms", |round| milliseconds(round.warm_p99)),
    ("warm_cpu_us", "warm CPU, µs", |round| milliseconds(round.warm_cpu) * 1_000.0),
    ("peak_memory_mb", "peak memory, MB", |round| megabytes(round.peak_memory)),
];

impl Figures {
    /// Figures without rounds. Each case has the size of its zip in bytes, if it has one.
    pub(crate) fn new(cases: impl Iterator<Item = (Cow<'static, str>, Option<u64>)>) -> Self {
        let case = |(name, zip_size)| CaseFigures { name, zip_size, rounds: Vec::new() };
        Self(cases.map(case).collect())
    }

    /// Adds a round of the case with this index.
    pub(crate) fn add(&mut self, index: usize, round: Round) {
        self.0[index].rounds.push(round);
    }

    /// Computes `figure` for each round from the cases, which it finds by name.
    pub(crate) fn by_round(&self, figure: impl Fn(&dyn Fn(&str) -> Round) -> f64) -> Spread {
        let rounds = 0..self.0[0].rounds.len();
        Spread::of(rounds.map(|number| figure(&|name| self.case(name).rounds[number])))
    }

    /// The size of the largest zip, in MB.
    pub(crate) fn largest_zip(&self) -> f64 {
        self.0.iter().filter_map(|case| case.zip_size).max().map_or(f64::NAN, megabytes)
    }

    /// Three tables: medians, ratios to the first case, and minima and maxima.
    pub(crate) fn tables(&self) -> String {
        let medians = self.table(|case, read| format!("{:.2}", case.spread(read).median));
        let ratios = self.table(|case, read| format!("{:.2}×", self.ratio(case, read)));
        let spreads = self.table(|case, read| {
            let Spread { least, most, .. } = case.spread(read);
            format!("{least:.2}-{most:.2}")
        });
        let first = &self.0[0].name;
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

    /// One line for each of these cases: medians, with the ratio of the start to that of the first case.
    pub(crate) fn summary(&self, names: &[&str]) -> String {
        let mut table = "| | cold start, ms | warm p50, ms | warm p99, ms | warm CPU, ms \
                         | peak memory, MB | zip, MB |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
        for case in names.iter().map(|name| self.case(name)) {
            let median = |read: fn(&Round) -> f64| case.spread(read).median;
            let _ = writeln!(
                table,
                "| {} | {:.1} ({:.1}×) | {:.2} | {:.2} | {:.2} | {:.1} | {} |",
                case.name,
                median(|round| milliseconds(round.first_answer)),
                self.ratio(case, |round| milliseconds(round.first_answer)),
                median(|round| milliseconds(round.warm_median)),
                median(|round| milliseconds(round.warm_p99)),
                median(|round| milliseconds(round.warm_cpu)),
                median(|round| megabytes(round.peak_memory)),
                case.zip_size.map_or("–".to_owned(), |size| format!("{:.1}", megabytes(size))),
            );
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

    fn case(&self, name: &str) -> &CaseFigures {
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

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// `bytes` in millions.
#[expect(clippy::cast_precision_loss, reason = "a size in bytes is far below 2^52")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
