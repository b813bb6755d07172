//! The local run. `cargo lambda watch` starts this program. `local start` checks the settings and then
//! starts `cargo lambda watch`.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use local::{
    bundle::{Bundle, BundleConfig, programs},
    doctor::Doctor,
    environment::{self, Environment},
    network::network,
    settings::LocalRun,
    watch,
};
use shared::{
    clock::Clock,
    crypto::random::Random,
    dependencies::Dependencies,
    settings::{ConfigError, Settings},
};

fn main() -> ExitCode {
    if gateway::prints_version("local") {
        return ExitCode::SUCCESS;
    }
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
    gateway::run_with(environment.settings(), &programs(), async |settings| {
        let (run, config, dependencies) = read(settings)?;
        if !settings.is_set(watch::ASSUMPTIONS_PRINTED) {
            eprintln!("{run}");
        }
        if let Some(provider) = run.provider {
            tokio::spawn(provider.bind(settings).await?.serve());
        }
        Some(Bundle::new(config, &dependencies))
    })
}

/// Checks the settings, then becomes `cargo lambda watch`, which starts a function only on the first
/// request. Without the check, faults would be reported as late as that.
fn start(environment: &Environment) -> ExitCode {
    match check(environment) {
        Ok(mut watch) => {
            eprintln!("`cargo lambda watch` cannot be started: {}", watch.exec());
        }
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}

/// Prints the assumed settings and returns the command that starts the run, or every fault.
fn check(environment: &Environment) -> Result<Command, ConfigError> {
    let run = environment.settings().read(|settings| {
        let (run, _, _) = read(settings)?;
        run.check_ports(settings);
        Some(run)
    })?;
    println!("{run}");
    if run.provider.is_none() {
        examine(environment.settings());
    }
    Ok(watch::command(&run, environment))
}

/// Prints what is wrong with the provider at first sight. The run starts in any case.
#[tokio::main(flavor = "current_thread")]
async fn examine(mut settings: Settings) {
    let random = Random::system();
    LocalRun::from_settings(&mut settings, &random);
    if let Some(doctor) = Doctor::from_settings(&mut settings, Clock::system(), random) {
        doctor.examine_quickly(|finding| println!("{finding}")).await;
    }
}

fn read(settings: &mut Settings) -> Option<(LocalRun, BundleConfig, Dependencies)> {
    let run = LocalRun::from_settings(settings, &Random::system());
    let config = BundleConfig::from_settings(settings);
    let dependencies = network(settings).and_then(|network| Dependencies::over(settings, network));
    Some((run?, config?, dependencies?))
}
