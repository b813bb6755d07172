//! The local run: what `cargo lambda watch` starts.

use std::process::ExitCode;

use local::{
    bundle::{Bundle, BundleConfig},
    identity_provider::{IdentityProvider, Surroundings},
    settings::{DevelopmentProvider, LocalRun},
};
use shared::{clock::Clock, config::Settings, random::Random, seams::Seams};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    gateway::run(async |settings| {
        let run = LocalRun::from_settings(settings, &Random::system());
        let (config, seams) =
            (BundleConfig::from_settings(settings), Seams::from_settings(settings));
        let (run, config, seams) = (run?, config?, seams?);
        if let Some(provider) = run.provider {
            start(provider, settings).await?;
        }
        for assumption in &run.assumptions {
            eprintln!("{assumption}");
        }
        eprintln!("\nOpen {}/ in a browser.\n", run.base_url);
        Some(Bundle::new(config, &seams))
    })
    .await
}

async fn start(provider: DevelopmentProvider, settings: &mut Settings) -> Option<()> {
    let surroundings = Surroundings::of(settings);
    match IdentityProvider::bind(
        provider.address,
        provider.options,
        surroundings,
        Clock::system(),
        Random::system(),
    )
    .await
    {
        Ok(provider) => {
            tokio::spawn(provider.serve());
            Some(())
        }
        Err(error) => {
            settings.fault("PROVIDER_PORT", error);
            None
        }
    }
}
