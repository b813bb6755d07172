//! The login function's cold start.

use std::process::ExitCode;

use login::{Login, LoginConfig};
use shared::seams::Seams;

fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (LoginConfig::from_settings(settings), Seams::made_when_used(settings));
        Some(Login::new(config?, &seams?))
    })
}
