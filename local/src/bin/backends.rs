//! What `cargo lambda watch --context deployed` needs beside it: the development identity provider
//! and a DynamoDB emulator. `backends [FILE]` writes to `FILE`, `.env.deployed` if not given, what
//! the functions must have in their environment, and serves until it is stopped.

use std::{env, path::PathBuf, process::ExitCode};

use local::backends::Backends;
use shared::{config::Settings, random::Random};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let file = env::args_os().nth(1).map_or_else(|| PathBuf::from(".env.deployed"), PathBuf::from);
    let mut settings = Settings::from_env();
    let backends = Backends::start(&mut settings, &Random::system()).await;
    if let Err(error) = settings.finish() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let Some(backends) = backends else { return ExitCode::FAILURE };
    if let Err(error) = backends.write_environment(&file) {
        eprintln!("{} cannot be written: {error}", file.display());
        return ExitCode::FAILURE;
    }
    println!("{}", backends.run);
    println!("The backends are ready; what the functions need stands in {}", file.display());
    match backends.serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the backends have stopped: {error}");
            ExitCode::FAILURE
        }
    }
}
