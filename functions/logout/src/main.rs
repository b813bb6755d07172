//! The logout function's cold start.

use std::{process::ExitCode, sync::Arc};

use logout::Logout;
use shared::{guard::GuardConfig, seams::Seams};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (GuardConfig::from_settings(settings), Seams::from_settings(settings));
        let logout = Arc::new(Logout::new(config?, &seams?));
        Some(move |request, now| {
            let logout = Arc::clone(&logout);
            async move { logout.handle(request, now).await }
        })
    })
    .await
}
