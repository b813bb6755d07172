//! Entry point of the protected function.

use std::process::ExitCode;

use protected::Protected;
use shared::guard::Guarded;

fn main() -> ExitCode {
    gateway::run(env!("CARGO_CRATE_NAME"), async |settings| {
        Guarded::from_settings(Protected, settings)
    })
}
