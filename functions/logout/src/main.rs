//! Entry point of the logout function.

use std::process::ExitCode;

use logout::{Logout, LogoutConfig};
use shared::dependencies::Dependencies;

fn main() -> ExitCode {
    gateway::run(env!("CARGO_CRATE_NAME"), async |settings| {
        let (config, dependencies) =
            (LogoutConfig::from_settings(settings), Dependencies::from_settings(settings));
        Some(Logout::new(config?, &dependencies?))
    })
}
