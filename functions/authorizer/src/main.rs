//! The authorizer's cold start.

use std::process::ExitCode;

use authorizer::{AuthorizerConfig, SessionAuthorizer};
use shared::seams::Seams;

fn main() -> ExitCode {
    gateway::run_authorizer(async |settings| {
        let (config, seams) =
            (AuthorizerConfig::from_settings(settings), Seams::from_settings(settings));
        Some(SessionAuthorizer::new(config?, &seams?))
    })
}
