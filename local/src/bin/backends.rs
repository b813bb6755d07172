//! Runs the servers that `cargo lambda watch --context deployed` needs: the development identity
//! provider and a DynamoDB emulator. `backends [FILE]` writes the functions' environment to `FILE`
//! (default `.env.deployed`) and serves until it is stopped. `backends start` also starts
//! `cargo lambda watch`, and ends with it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use local::{
    backends::Backends,
    environment::{self, Environment},
    watch,
};
use rustix::process::{Pid, Signal, kill_process};
use shared::crypto::random::Random;
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// The file that `CargoLambda.toml` names.
const FILE: &str = ".env.deployed";

/// How long `cargo lambda watch` may take to stop its functions.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if gateway::prints_version("backends") {
        return ExitCode::SUCCESS;
    }
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let argument = env::args_os().nth(1);
    let starts = argument.as_deref().is_some_and(|argument| argument == "start");
    let file = argument.filter(|_| !starts).map_or_else(|| PathBuf::from(FILE), PathBuf::from);

    let environment = Environment::read(Path::new(environment::FILE))?;
    let mut settings = environment.settings();
    let backends = Backends::start(&mut settings, &Random::system()).await;
    if let Some(backends) = backends.as_ref().filter(|_| starts) {
        backends.run.check_ports(&mut settings);
    }
    settings.finish()?;
    let Some(backends) = backends else { return Ok(ExitCode::FAILURE) };

    backends
        .write_environment(&file)
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    println!("{}", backends.run);
    println!("The backends are ready; what the functions need is in {}", file.display());
    if !starts {
        backends.serve().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let ended = watch(backends, &environment).await;
    fs::remove_file(&file)?;
    Ok(ended?)
}

/// Serves while `cargo lambda watch` runs, until one of them ends or the user stops both.
async fn watch(backends: Backends, environment: &Environment) -> io::Result<ExitCode> {
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut command = Command::from(watch::command(&backends.run, environment));
    let mut child = command.args(["--context", "deployed"]).kill_on_drop(true).spawn()?;
    let ended = tokio::select! {
        ended = backends.serve() => ended.map(|()| ExitCode::FAILURE),
        ended = child.wait() => ended.map(|status| match status.success() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }),
        _ = interrupted.recv() => Ok(ExitCode::SUCCESS),
        _ = terminated.recv() => Ok(ExitCode::SUCCESS),
    };
    end(&mut child).await?;
    ended
}

/// Stops `cargo lambda watch` with a signal, because killing it would leave its functions running.
async fn end(child: &mut Child) -> io::Result<()> {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        kill_process(id, Signal::TERM)?;
        // If it does not stop, it is killed when it is dropped.
        let _ = timeout(PATIENCE, child.wait()).await;
    }
    Ok(())
}
