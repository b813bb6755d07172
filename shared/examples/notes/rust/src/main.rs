//! Entry point of the notes function.

use std::process::ExitCode;

use notes::Notes;
use shared::guard::routes::Routes;

fn main() -> ExitCode {
    gateway::run(env!("CARGO_CRATE_NAME"), async |settings| {
        let notes = Notes::from_settings(settings);
        Routes::from_settings(notes?.router(), settings)
    })
}
