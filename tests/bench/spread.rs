//! Summary statistics.

use serde_json::{Value, json};

/// The median, minimum and maximum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The minimum.
    pub(crate) least: f64,
    /// The maximum.
    pub(crate) most: f64,
}

impl Spread {
    /// The statistics of these values. Panics if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (values[0], values[values.len() - 1]);
        Self { median: values[values.len() / 2], least, most }
    }

    /// `median [least-most]`.
    pub(crate) fn text(&self) -> String {
        let Self { median, least, most } = self;
        // Large figures need no decimals.
        let digits = if *most >= 100.0 { 0 } else { 2 };
        format!("{median:.digits$} [{least:.digits$}-{most:.digits$}]")
    }

    /// The statistics as JSON.
    pub(crate) fn json(&self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }
}
