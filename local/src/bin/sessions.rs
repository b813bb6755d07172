//! The operator's command: lists and ends the sessions of a user, or of a session at the provider,
//! in a deployed table.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use local::operator::{Operator, SelectedSessions};
use shared::{
    clock::{Clock, Timestamp},
    issuer::Issuer,
    session::Progress,
    settings::Settings,
    store::{SessionRow, StoreError},
    web::error::chain,
};

/// Lists and ends the sessions of a user in a deployed table.
///
/// Uses the same settings as the functions: SESSION_TABLE, AWS_REGION and the credentials
/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. AUTH_HOST and PROVIDER_NAME
/// name the issuer.
#[derive(Parser)]
#[command(name = "sessions", version = concat!("(auth0-login) ", env!("CARGO_PKG_VERSION")))]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the live sessions.
    List(Selected),
    /// Ends the sessions. Without --apply it only lists them.
    End {
        #[command(flatten)]
        selected: Selected,
        /// Really ends the sessions.
        #[arg(long)]
        apply: bool,
    },
}

#[derive(Args)]
struct Selected {
    #[command(flatten)]
    name: Name,
    /// The issuer, a domain or an https URL, if not AUTH_HOST. Without a path it gets Auth0's slash.
    #[arg(long, value_parser = Issuer::parse)]
    issuer: Option<Issuer>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Name {
    /// The user: `sub`, for example `auth0|65f1c0a9`.
    #[arg(long, value_name = "SUB")]
    subject: Option<String>,
    /// The session at the provider: `sid`.
    #[arg(long, value_name = "SID")]
    provider_session: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (selected, apply) = match arguments.command {
        Command::List(selected) => (selected, None),
        Command::End { selected, apply } => (selected, Some(apply)),
    };
    let Some(sessions) = selected.name.into_selection() else { return ExitCode::FAILURE };
    let operator =
        Settings::from_env().read(|settings| Operator::from_settings(settings, selected.issuer));
    let operator = match operator {
        Ok(operator) => operator,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match run(&operator, &sessions, apply, Clock::system().now()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the answer cannot be written")]
    Output(#[from] io::Error),
}

/// Runs the command. `apply` is `None` for a list, and `false` for a dry run.
async fn run(
    operator: &Operator,
    selected: &SelectedSessions,
    apply: Option<bool>,
    now: Timestamp,
) -> Result<(), Failure> {
    let bar = bar();
    if apply == Some(true) {
        let found = operator.end(selected, now, |progress| show(&bar, progress)).await?;
        bar.finish_and_clear();
        writeln!(io::stdout(), "{} ended.", sessions(found))?;
        return Ok(());
    }
    let rows = operator.list(selected, now, |progress| show(&bar, progress)).await?;
    bar.finish_and_clear();
    let mut output = io::stdout().lock();
    for row in &rows {
        writeln!(output, "{}", line(row))?;
    }
    match apply {
        Some(_) if !rows.is_empty() => writeln!(
            output,
            "{} would end. Nothing was changed; to end them, add --apply.",
            sessions(rows.len())
        )?,
        _ => writeln!(output, "{} found.", sessions(rows.len()))?,
    }
    Ok(())
}

/// The progress bar. It is only drawn on a terminal, and only if there are sessions to wait for.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} sessions, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    if progress.found > WORTH_A_BAR {
        bar.set_length(progress.found as u64);
        bar.set_position(progress.done as u64);
    }
}

const WORTH_A_BAR: usize = 100;

/// One line about a session. It starts with the digest by which the log identifies the session.
fn line(row: &SessionRow) -> String {
    format!(
        "{}  began {}  used {}  ends {} at the latest",
        row.key,
        utc(row.created_at),
        utc(row.used_at),
        utc(row.ends_at)
    )
}

fn utc(moment: Timestamp) -> impl std::fmt::Display {
    // The last second that RFC 3339 can write; beyond it the formatter panics.
    const LAST: u64 = 253_402_300_799;
    let seconds = Duration::from_secs(moment.as_unix().min(LAST));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds)
}

fn sessions(count: usize) -> String {
    if count == 1 { "1 session".to_owned() } else { format!("{count} sessions") }
}

impl Name {
    /// The selected sessions. clap ensures that one of the two options is set.
    fn into_selection(self) -> Option<SelectedSessions> {
        self.subject
            .map(SelectedSessions::BySubject)
            .or_else(|| self.provider_session.map(SelectedSessions::ByProviderSession))
    }
}
