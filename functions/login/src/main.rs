//! Entry point of the login function.

use std::process::ExitCode;

use login::{Login, LoginConfig};
use shared::dependencies::Dependencies;

fn main() -> ExitCode {
    gateway::run(env!("CARGO_CRATE_NAME"), async |settings| {
        let (config, dependencies) =
            (LoginConfig::from_settings(settings), Dependencies::from_settings(settings));
        Some(Login::new(config?, &dependencies?))
    })
}
