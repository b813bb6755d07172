//! Serves what `template.yaml` in the working directory deploys, until it is stopped. Arguments
//! `Name=value` set parameters of the template.

use std::{env, error::Error, path::Path, process::ExitCode};

use local::{
    backends::Backends,
    deployed::Deployed,
    environment::{self, Environment},
};
use shared::crypto::random::Random;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    if gateway::prints_version("deployed") {
        return ExitCode::SUCCESS;
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let parameters = env::args().skip(1).map(|argument| {
        let (name, value) = argument.split_once('=').ok_or("usage: deployed [Name=value]...")?;
        Ok::<_, &str>((name.to_owned(), value.to_owned()))
    });
    let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
    let environment = Environment::read(Path::new(environment::FILE))?;
    let mut settings = environment.settings();
    // The development provider needs them as the functions do.
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        settings.assume(&variable(name), value);
    }
    let backends = Backends::start(&mut settings, &Random::system()).await;
    let listener = backends.as_ref().and_then(|backends| backends.run.listen(&mut settings));
    settings.clone().finish()?;
    let (Some(backends), Some(listener)) = (backends, listener) else {
        return Err("the run cannot start, and no setting was reported as the reason".into());
    };

    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let served = async {
        let project = env::current_dir()?;
        let deployed = Deployed::start(project, parameters, settings, &backends).await?;
        println!("{}", backends.run);
        tokio::select! {
            ended = backends.serve() => ended?,
            ended = deployed.serve(listener) => ended?,
        }
        Ok(())
    };
    // The functions' processes stop when `served` is dropped here, whatever has ended.
    tokio::select! {
        ended = served => ended,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    }
}

/// The variable of a parameter: `SESSION_IDLE` for `SessionIdle`.
fn variable(parameter: &str) -> String {
    let mut variable = String::new();
    for letter in parameter.chars() {
        if letter.is_ascii_uppercase() && !variable.is_empty() {
            variable.push('_');
        }
        variable.push(letter.to_ascii_uppercase());
    }
    variable
}
