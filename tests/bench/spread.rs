//! What is told of many values.

use serde_json::{Value, json};

/// The middle, and both ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    /// Half of the values are below it.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) least: f64,
    /// The largest.
    pub(crate) most: f64,
}

impl Spread {
    /// Of these values, of which there is at least one.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (values[0], values[values.len() - 1]);
        Self { median: values[values.len() / 2], least, most }
    }

    /// `median [least-most]`.
    pub(crate) fn text(&self) -> String {
        let Self { median, least, most } = self;
        // A figure in the hundreds has no use for hundredths.
        let digits = if *most >= 100.0 { 0 } else { 2 };
        format!("{median:.digits$} [{least:.digits$}-{most:.digits$}]")
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }
}
