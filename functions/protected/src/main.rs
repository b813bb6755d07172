//! The protected function's cold start.

use std::process::ExitCode;

use protected::Protected;
use shared::{guard::GuardConfig, seams::Seams};

fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (GuardConfig::from_settings(settings), Seams::from_settings(settings));
        Some(Protected::new(config?, &seams?))
    })
}
