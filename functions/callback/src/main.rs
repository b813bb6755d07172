//! The callback function's cold start.

use std::{process::ExitCode, sync::Arc};

use callback::{Callback, CallbackConfig};
use shared::seams::Seams;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (CallbackConfig::from_settings(settings), Seams::from_settings(settings));
        let callback = Arc::new(Callback::new(config?, &seams?));
        Some(move |request, now| {
            let callback = Arc::clone(&callback);
            async move { callback.handle(request, now).await }
        })
    })
    .await
}
