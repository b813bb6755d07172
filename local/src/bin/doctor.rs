//! Examines the settings of an Auth0 tenant, and names the place in Auth0's dashboard where each
//! mistake is mended.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use local::{
    doctor::{Doctor, stack},
    environment::{self, Environment},
    settings::LocalRun,
};
use shared::{clock::Clock, crypto::random::Random, issuer::Issuer};

/// Examines the settings of an Auth0 tenant with those of the environment and `.env`.
///
/// It sends what a login and a logout would send, and does not log in. The exit code is 0 if nothing is
/// wrong, 1 if something is, and 2 if the settings here cannot be used.
#[derive(Parser)]
#[command(name = "doctor", version = concat!("(auth0-login) ", env!("CARGO_PKG_VERSION")))]
struct Arguments {
    /// Takes the settings from the output of `aws cloudformation describe-stacks` instead, and only
    /// CLIENT_SECRET from the environment. `-` is the standard input.
    #[arg(long, value_name = "FILE")]
    stack_file: Option<PathBuf>,
}

const WRONG: u8 = 1;
const BAD_SETTINGS: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let doctor = match doctor(&Arguments::parse()) {
        Ok(doctor) => doctor,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let is_healthy = doctor
        .examine(|finding| {
            // A reader that has seen enough may close the pipe.
            let _ = writeln!(io::stdout(), "{finding}");
        })
        .await;
    if is_healthy { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }
}

fn doctor(arguments: &Arguments) -> Result<Doctor, Box<dyn std::error::Error>> {
    let environment = Environment::read(Path::new(environment::FILE))?;
    let random = Random::system();
    let settings = match &arguments.stack_file {
        Some(file) => stack::settings(&read(file)?, environment.variables())?,
        None => environment.settings(),
    };
    let doctor = settings.read(|settings| {
        if arguments.stack_file.is_none() {
            // A fault if no provider is named: the development provider needs no examination.
            Issuer::from_settings(settings, "the domain of the Auth0 tenant to examine");
            // The settings that `local/start` assumes, such as BASE_URL.
            LocalRun::from_settings(settings, &random);
        }
        Doctor::from_settings(settings, Clock::system(), random)
    });
    Ok(doctor?)
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().read_to_end(&mut text).map(|_| text),
        _ => fs::read(file),
    };
    read.map_err(|error| format!("{} cannot be read: {error}", file.display()))
}
