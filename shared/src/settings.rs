//! Settings, read from the environment once at cold start.
//!
//! A function reads only the settings that it uses. All faults are collected, so that an operator can
//! fix them at once. No message repeats a value, because a secret may have been pasted into the wrong
//! variable.

use std::{collections::BTreeMap, env, fmt, time::Duration};

/// The environment variables of a process, and the faults found so far.
///
/// A method that reads a value records a fault if it is invalid, and returns no value then.
/// [`Settings::read`] turns all faults into one error.
#[derive(Clone)]
pub struct Settings {
    values: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

/// A variable with an invalid value, and the expected form.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Fault {
    variable: &'static str,
    expected: String,
}

/// A variable is invalid, and [`Settings`] has recorded the fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Faulty;

/// All faulty variables in one message.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(Vec<Fault>);

/// The struct with these fields, each read from the settings, or `None` after a fault in one of them.
///
/// Every field is read before the first fault ends it, so that all faults are reported together. The
/// expression of a field may name an earlier field, which is still an `Option`.
#[macro_export]
macro_rules! all_of {
    ($name:ident { $($field:ident $(: $value:expr)?),+ $(,)? }) => {{
        $($(let $field = $value;)?)+
        Some($name { $($field: $field?),+ })
    }};
}

pub use all_of;

impl Settings {
    /// The variables of this process. Empty ones and those that are not UTF-8 count as not set.
    pub fn from_env() -> Self {
        Self::from_values(env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// The variables in `values`.
    pub fn from_values(
        values: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let values =
            values.into_iter().map(|(name, value)| (name.into(), value.into().trim().to_owned()));
        Self { values: values.filter(|(_, value)| !value.is_empty()).collect(), faults: Vec::new() }
    }

    /// Whether this process runs inside Lambda.
    ///
    /// `AWS_LAMBDA_FUNCTION_NAME` is not a sign of it: the emulator of `cargo lambda watch` sets it
    /// too.
    pub fn inside_lambda(&self) -> bool {
        ["AWS_LAMBDA_INITIALIZATION_TYPE", "LAMBDA_TASK_ROOT"]
            .iter()
            .any(|name| self.values.contains_key(*name))
    }

    /// The raw value of `variable`.
    pub fn value_of(&self, variable: &str) -> Option<&str> {
        self.values.get(variable).map(String::as_str)
    }

    /// Whether `variable` is set.
    pub fn is_set(&self, variable: &str) -> bool {
        self.values.contains_key(variable)
    }

    /// Sets `variable` unless the environment sets it.
    pub fn assume(&mut self, variable: &str, value: impl Into<String>) {
        self.values.entry(variable.to_owned()).or_insert_with(|| value.into());
    }

    /// Records that `variable` is invalid, and the expected form.
    pub fn fault(&mut self, variable: &'static str, expected: impl fmt::Display) {
        self.faults.push(Fault { variable, expected: expected.to_string() });
    }

    /// The value of `variable`, parsed by `parse`; `None` if it is not set.
    ///
    /// # Errors
    ///
    /// If the value is invalid.
    pub fn optional<T, E: fmt::Display>(
        &mut self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Faulty> {
        let parsed = self.values.get(variable).map(|value| parse(value)).transpose();
        parsed.map_err(|expected| {
            self.fault(variable, expected);
            Faulty
        })
    }

    /// The value of `variable`, parsed by `parse`; `default` if it is not set.
    pub fn with_default<T, E: fmt::Display>(
        &mut self,
        variable: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.optional(variable, parse).ok().map(|value| value.unwrap_or(default))
    }

    /// The value of `variable`, parsed by `parse`. Records a fault if it is not set.
    pub fn required<T, E: fmt::Display>(
        &mut self,
        variable: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.optional(variable, parse).ok()?;
        if value.is_none() {
            self.fault(variable, format_args!("is not set: {what}"));
        }
        value
    }

    /// A boolean; `default` if not set.
    pub fn flag(&mut self, variable: &'static str, default: bool) -> Option<bool> {
        self.with_default(variable, default, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("must be `true` or `false`"),
        })
    }

    /// A time span such as `12h` or `7d` in whole seconds, at least one; `default` if not set.
    pub fn duration(&mut self, variable: &'static str, default: Duration) -> Option<Duration> {
        self.with_default(variable, default, |text| {
            duration(text).ok_or("must be a time span such as `12h`, `30m` or `7d`")
        })
    }

    /// Calls `read` and returns its value.
    ///
    /// # Errors
    ///
    /// All recorded faults together. An error without a fault if `read` returns `None` and recorded none.
    pub fn read<T>(mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, ConfigError> {
        let value = read(&mut self);
        self.finish()?;
        value.ok_or(ConfigError(Vec::new()))
    }

    /// Finishes the reading.
    ///
    /// # Errors
    ///
    /// All faults that were recorded, if any.
    pub fn finish(mut self) -> Result<(), ConfigError> {
        self.faults.sort();
        self.faults.dedup();
        if self.faults.is_empty() { Ok(()) } else { Err(ConfigError(self.faults)) }
    }
}

/// A time span such as `12h` or `7d` in whole seconds, at least one.
pub fn duration(text: &str) -> Option<Duration> {
    let seconds = humantime::parse_duration(text).ok()?.as_secs();
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Shows names only: a value may be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        if self.0.is_empty() {
            f.write_str(" no variable was named as the reason")?;
        }
        for Fault { variable, expected } in &self.0 {
            write!(f, "\n  {variable} {expected}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named_once_and_no_value_is_repeated() {
        let mut settings =
            Settings::from_values([("SHOW_KEY", "hunter2"), ("SESSION_IDLE", "soon")]);
        settings.flag("SHOW_KEY", true);
        settings.flag("SHOW_KEY", true);
        settings.duration("SESSION_IDLE", Duration::from_secs(1));
        settings.required("CLIENT_ID", "the application's client id", |text| {
            Ok::<_, &str>(text.to_owned())
        });
        let message = settings.finish().unwrap_err().to_string();
        assert_eq!(
            message,
            "the configuration cannot be used:\n  \
             CLIENT_ID is not set: the application's client id\n  \
             SESSION_IDLE must be a time span such as `12h`, `30m` or `7d`\n  \
             SHOW_KEY must be `true` or `false`"
        );
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let mut settings = Settings::from_values([("SHOW_KEY", " ")]);
        assert_eq!(settings.flag("SHOW_KEY", true), Some(true));
    }

    #[test]
    fn r179_debug_output_contains_names_and_no_values() {
        let settings = Settings::from_values([("CLIENT_SECRET", "hunter2")]);
        assert_eq!(format!("{settings:?}"), r#"{"CLIENT_SECRET"}"#);
    }
}
