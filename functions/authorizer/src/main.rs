//! Entry point of the authorizer function.

use std::process::ExitCode;

use authorizer::{AuthorizerConfig, SessionAuthorizer};
use shared::dependencies::Dependencies;

fn main() -> ExitCode {
    gateway::run_authorizer(env!("CARGO_CRATE_NAME"), async |settings| {
        let (config, dependencies) =
            (AuthorizerConfig::from_settings(settings), Dependencies::from_settings(settings));
        Some(SessionAuthorizer::new(config?, &dependencies?))
    })
}
