//! The protected function's cold start.

use std::process::ExitCode;

use protected::Protected;
use shared::guard::Guarded;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    gateway::run(async |settings| Guarded::from_settings(Protected, settings)).await
}
