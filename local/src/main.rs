//! The local run: what `cargo lambda watch` starts. `local check` only says whether it would.

use std::{env, net::TcpListener, process::ExitCode};

use local::{
    bundle::{Bundle, BundleConfig},
    settings::LocalRun,
};
use shared::{config::Settings, random::Random, seams::Seams};

fn main() -> ExitCode {
    if env::args().nth(1).is_some_and(|argument| argument == "check") {
        return check();
    }
    gateway::run(async |settings| {
        let run = LocalRun::from_settings(settings, &Random::system());
        let (config, seams) =
            (BundleConfig::from_settings(settings), Seams::from_settings(settings));
        let (run, config, seams) = (run?, config?, seams?);
        eprintln!("{run}");
        if let Some(provider) = run.provider {
            tokio::spawn(provider.bind(settings).await?.serve());
        }
        Some(Bundle::new(config, &seams))
    })
}

/// Emulators start a function only when the first request comes, which is late to hear of a fault.
fn check() -> ExitCode {
    let mut settings = Settings::from_env();
    let run = LocalRun::from_settings(&mut settings, &Random::system());
    BundleConfig::from_settings(&mut settings);
    Seams::from_settings(&mut settings);
    if let Some(provider) = run.as_ref().and_then(|run| run.provider.as_ref())
        && let Err(error) = TcpListener::bind(provider.address)
    {
        settings.fault("PROVIDER_PORT", format_args!("cannot be listened on: {error}"));
    }
    match (settings.finish(), run) {
        (Ok(()), Some(run)) => {
            println!("{run}");
            ExitCode::SUCCESS
        }
        (Ok(()), None) => ExitCode::FAILURE,
        (Err(error), _) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
