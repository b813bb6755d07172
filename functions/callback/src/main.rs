//! The callback function's cold start.

use std::process::ExitCode;

use callback::{Callback, CallbackConfig};
use shared::seams::Seams;

fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (CallbackConfig::from_settings(settings), Seams::from_settings(settings));
        Some(Callback::new(config?, &seams?))
    })
}
