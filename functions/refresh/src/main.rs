//! Entry point of the refresh function.

use std::process::ExitCode;

use refresh::{Refresh, RefreshConfig};
use shared::dependencies::Dependencies;

fn main() -> ExitCode {
    gateway::run(env!("CARGO_CRATE_NAME"), async |settings| {
        let (config, dependencies) =
            (RefreshConfig::from_settings(settings), Dependencies::from_settings(settings));
        Some(Refresh::new(config?, &dependencies?))
    })
}
