//! The login function's cold start.

use std::{process::ExitCode, sync::Arc};

use login::{Login, LoginConfig};
use shared::seams::Seams;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    gateway::run(async |settings| {
        let (config, seams) =
            (LoginConfig::from_settings(settings), Seams::from_settings(settings));
        let login = Arc::new(Login::new(config?, &seams?));
        Some(move |request, now| {
            let login = Arc::clone(&login);
            async move { login.handle(request, now).await }
        })
    })
    .await
}
