//! The local run: what `cargo lambda watch` starts. `local start` starts that, once it has found that
//! the run can begin.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use local::{
    bundle::{Bundle, BundleConfig},
    environment::{self, Environment},
    network::network,
    settings::LocalRun,
    watch,
};
use shared::{crypto::random::Random, dependencies::Dependencies, settings::Settings};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let environment = match Environment::read(Path::new(environment::FILE)) {
        Ok(environment) => environment,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if arguments == ["start"] { start(&environment) } else { serve(&environment) }
}

fn serve(environment: &Environment) -> ExitCode {
    gateway::run_with(environment.settings(), async |settings| {
        let (run, config, dependencies) = read(settings)?;
        if !settings.is_set(watch::TOLD) {
            eprintln!("{run}");
        }
        if let Some(provider) = run.provider {
            tokio::spawn(provider.bind(settings).await?.serve());
        }
        Some(Bundle::new(config, &dependencies))
    })
}

/// Becomes `cargo lambda watch`. That starts a function only when the first request comes, which is
/// late to hear of a fault.
fn start(environment: &Environment) -> ExitCode {
    match check(environment.settings(), environment) {
        Ok(mut watch) => {
            eprintln!("`cargo lambda watch` cannot be started: {}", watch.exec());
        }
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}

/// Says what the run assumes, and returns what starts it; or every fault.
fn check(mut settings: Settings, environment: &Environment) -> Result<Command, String> {
    let run = read(&mut settings).map(|(run, _, _)| run);
    if let Some(run) = &run {
        run.check_ports(&mut settings);
    }
    settings.finish().map_err(|error| error.to_string())?;
    let run = run.ok_or("the run cannot start, and no setting was reported as the reason")?;
    println!("{run}");
    Ok(watch::command(&run, environment))
}

fn read(settings: &mut Settings) -> Option<(LocalRun, BundleConfig, Dependencies)> {
    let run = LocalRun::from_settings(settings, &Random::system());
    let config = BundleConfig::from_settings(settings);
    let dependencies = network(settings).and_then(|network| Dependencies::over(settings, network));
    Some((run?, config?, dependencies?))
}
