//! The refresh function's cold start.

use std::process::ExitCode;

use refresh::{Refresh, RefreshConfig};
use shared::seams::Seams;

fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (RefreshConfig::from_settings(settings), Seams::from_settings(settings));
        Some(Refresh::new(config?, &seams?))
    })
}
