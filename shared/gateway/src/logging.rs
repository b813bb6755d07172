//! Logging: one JSON object per line on stdout, or one line of text for a person at a terminal.
//!
//! A line break from a client is escaped in both formats, so that no client can forge a line (R174).

use std::fmt::Debug;

use shared::settings::Settings;
use tracing::{Level, Subscriber, field::Field};
use tracing_subscriber::{
    field::MakeExt as _,
    filter::{LevelFilter, Targets},
    fmt::{
        self, MakeWriter,
        format::{self, Writer},
    },
    layer::SubscriberExt,
};

/// The crates that every function contains. Of crates that are not the bundle's, only `warn` and above
/// are logged: at lower levels, a library may print private parts of a request.
const SHARED_CRATES: [&str; 2] = ["gateway", "shared"];

/// The format of a line.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// A JSON object, for programs.
    Json,
    /// Text, for people.
    Text,
}

/// The content and the format of the log.
#[derive(Clone, Copy, Debug)]
pub struct Logging {
    format: Format,
    debug: bool,
    inside_lambda: bool,
}

impl Logging {
    /// JSON, as inside Lambda.
    pub const fn json(debug: bool) -> Self {
        Self { format: Format::Json, debug, inside_lambda: true }
    }

    /// Reads `DEBUG` and `LOG_FORMAT`. If the latter is not set, the format is text on a terminal. An
    /// invalid value is recorded as a fault and counts as not set.
    ///
    /// Inside Lambda the format is always JSON, because alarms use its fields.
    pub fn from_settings(settings: &mut Settings, is_terminal: bool) -> Self {
        let inside_lambda = settings.inside_lambda();
        let debug = settings.flag("DEBUG", !inside_lambda).unwrap_or(!inside_lambda);
        let default = if is_terminal && !inside_lambda { Format::Text } else { Format::Json };
        let format = settings.with_default("LOG_FORMAT", default, |text| match text {
            "json" => Ok(Format::Json),
            "text" if inside_lambda => {
                Err("must not be `text` inside Lambda: alarms read the lines as JSON")
            }
            "text" => Ok(Format::Text),
            _ => Err("must be `json` or `text`"),
        });
        Self { format: format.unwrap_or(default), debug, inside_lambda }
    }
}

/// A subscriber that writes `info` and above to `writer`, or `debug` and above if requested.
///
/// `programs` are the crates of the functions that this process runs.
pub fn subscriber<W>(
    logging: Logging,
    programs: &[&str],
    writer: W,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let level = if logging.debug { Level::DEBUG } else { Level::INFO };
    let own = SHARED_CRATES.iter().chain(programs);
    let mut targets =
        Targets::new().with_default(LevelFilter::WARN).with_targets(own.map(|name| (*name, level)));
    if !logging.inside_lambda {
        // It warns about AWS_LAMBDA_MAX_CONCURRENCY, which the emulator of `cargo lambda watch` sets.
        targets = targets.with_target("lambda_runtime::runtime", LevelFilter::ERROR);
    }
    let (json, text) = match logging.format {
        Format::Json => (Some(writer), None),
        Format::Text => (None, Some(writer)),
    };
    let json = json.map(|writer| {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(writer)
    });
    let text = text.map(|writer| {
        fmt::layer()
            .compact()
            .with_ansi(false)
            .with_target(false)
            .fmt_fields(format::debug_fn(field).delimited(" "))
            .with_writer(writer)
    });
    tracing_subscriber::registry().with(targets).with(json).with(text)
}

/// Writes control characters from a client as escapes, so that they start no line and send no command
/// to a terminal (R174).
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    for character in format!("{value:?}").chars() {
        if character.is_control() {
            write!(writer, "{}", character.escape_debug())?;
        } else {
            writer.write_char(character)?;
        }
    }
    Ok(())
}

/// Makes `subscriber` the one of this process. Only the first call has an effect.
pub fn start(subscriber: impl Subscriber + Send + Sync) {
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("logging had been started before");
    }
}
