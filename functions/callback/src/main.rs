//! Entry point of the callback function.

use std::process::ExitCode;

use callback::{Callback, CallbackConfig};
use shared::dependencies::Dependencies;

fn main() -> ExitCode {
    gateway::run(env!("CARGO_CRATE_NAME"), async |settings| {
        let (config, dependencies) =
            (CallbackConfig::from_settings(settings), Dependencies::from_settings(settings));
        Some(Callback::new(config?, &dependencies?))
    })
}
