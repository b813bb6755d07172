//! The protected function's cold start.

use std::{process::ExitCode, sync::Arc};

use protected::Protected;
use shared::{guard::GuardConfig, seams::Seams};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (GuardConfig::from_settings(settings), Seams::from_settings(settings));
        let protected = Arc::new(Protected::new(config?, &seams?));
        Some(move |request, now| {
            let protected = Arc::clone(&protected);
            async move { protected.handle(request, now).await }
        })
    })
    .await
}
