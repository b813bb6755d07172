//! The logout function's cold start.

use std::process::ExitCode;

use logout::{Logout, LogoutConfig};
use shared::seams::Seams;

fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (LogoutConfig::from_settings(settings), Seams::from_settings(settings));
        Some(Logout::new(config?, &seams?))
    })
}
