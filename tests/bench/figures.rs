//! The figures of all rounds, and what is made of them.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

/// What was measured of one case in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// From the start of the process until it asked for an event.
    pub(crate) first_poll: Duration,
    /// From the start of the process to its first answer.
    pub(crate) first_answer: Duration,
    /// The processor's time until then.
    pub(crate) cold_cpu: Duration,
    /// From an event to its answer, once warm.
    pub(crate) warm_wall: Duration,
    /// The processor's time for that.
    pub(crate) warm_cpu: Duration,
    /// In bytes.
    pub(crate) peak_memory: u64,
}

/// The cases, the empty function first, with their rounds.
#[derive(Debug)]
pub(crate) struct Figures(Vec<CaseFigures>);

#[derive(Debug)]
struct CaseFigures {
    name: &'static str,
    zip_size: u64,
    rounds: Vec<Round>,
}

/// One column: its name in the JSON, its heading, and what is read off a round.
type Column = (&'static str, &'static str, fn(&Round) -> f64);

const COLUMNS: [Column; 6] = [
    ("first_poll_ms", "first poll, ms", |round| milliseconds(round.first_poll)),
    ("first_answer_ms", "first answer, ms", |round| milliseconds(round.first_answer)),
    ("cold_cpu_ms", "CPU until then, ms", |round| milliseconds(round.cold_cpu)),
    ("warm_wall_us", "warm, µs", |round| milliseconds(round.warm_wall) * 1_000.0),
    ("warm_cpu_us", "warm CPU, µs", |round| milliseconds(round.warm_cpu) * 1_000.0),
    ("peak_memory_mb", "peak memory, MB", |round| megabytes(round.peak_memory)),
];

/// The middle, and both ends.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Figures {
    /// No rounds yet; each case with the size of its zip in bytes.
    pub(crate) fn new(cases: impl Iterator<Item = (&'static str, u64)>) -> Self {
        let case = |(name, zip_size)| CaseFigures { name, zip_size, rounds: Vec::new() };
        Self(cases.map(case).collect())
    }

    /// Adds a round of the case with this index.
    pub(crate) fn add(&mut self, index: usize, round: Round) {
        self.0[index].rounds.push(round);
    }

    /// Two tables: the medians with their ratios to the empty function, and the least and the most.
    pub(crate) fn tables(&self) -> String {
        let medians = self.table(|case, read| {
            format!("{:.2}, {:.2}×", case.spread(read).median, self.ratio(case, read))
        });
        let spreads = self.table(|case, read| {
            let Spread { least, most, .. } = case.spread(read);
            format!("{least:.2} to {most:.2}")
        });
        format!("{medians}\n{spreads}")
    }

    fn table(&self, cell: impl Fn(&CaseFigures, fn(&Round) -> f64) -> String) -> String {
        let headings = COLUMNS.map(|(_, heading, _)| heading).join(" | ");
        let mut table =
            format!("| | {headings} | zip, MB |\n|{}\n", "---|".repeat(COLUMNS.len() + 2));
        for case in &self.0 {
            let cells = COLUMNS.map(|(_, _, read)| cell(case, read)).join(" | ");
            let _ =
                writeln!(table, "| {} | {cells} | {:.2} |", case.name, megabytes(case.zip_size));
        }
        table
    }

    /// The same, for programs.
    pub(crate) fn json(&self) -> Value {
        let cases = self.0.iter().map(|case| {
            let mut fields = json!({
                "name": case.name, "rounds": case.rounds.len(), "zip_bytes": case.zip_size,
            });
            for (name, _, read) in COLUMNS {
                let Spread { median, least, most } = case.spread(read);
                let ratio = self.ratio(case, read);
                fields[name] =
                    json!({ "median": median, "min": least, "max": most, "ratio": ratio });
            }
            fields
        });
        cases.collect()
    }

    /// The median of what each round's figure is to that of the empty function in the same round.
    fn ratio(&self, case: &CaseFigures, read: fn(&Round) -> f64) -> f64 {
        let pairs = case.rounds.iter().zip(&self.0[0].rounds);
        Spread::of(pairs.map(|(own, empty)| read(own) / read(empty)).collect()).median
    }
}

impl CaseFigures {
    fn spread(&self, read: fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(read).collect())
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (values[0], values[values.len() - 1]);
        Self { median: values[values.len() / 2], least, most }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a size in bytes is far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
