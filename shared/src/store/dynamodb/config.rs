//! The settings of the DynamoDB store: its table, and the connection to AWS.

use crate::{
    aws::{Connection, DYNAMODB},
    crypto::tls::Network,
    settings::{Settings, all_of},
};

/// The table, its region, and the credentials of the process.
#[derive(Clone, Debug)]
pub struct DynamoConfig {
    pub(super) table: String,
    pub(super) connection: Connection,
}

impl DynamoConfig {
    /// Reads `SESSION_TABLE`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, and `AWS_ENDPOINT_URL_DYNAMODB` or else `AWS_ENDPOINT_URL`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        all_of!(Self {
            table: settings.required("SESSION_TABLE", "the table that keeps sessions", table_name),
            connection: Connection::from_settings(settings, DYNAMODB),
        })
    }

    /// The same table, reached over `network`.
    #[must_use]
    pub fn over(mut self, network: Network) -> Self {
        self.connection.network = network;
        self
    }
}

fn table_name(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (3..=255).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be a table's name: 3 to 255 letters, digits, `_`, `-` or `.`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION: [(&str, &str); 3] = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ];

    fn read(values: &[(&str, &str)]) -> Result<DynamoConfig, String> {
        let settings = Settings::from_values(values.iter().copied());
        settings.read(DynamoConfig::from_settings).map_err(|error| error.to_string())
    }

    #[test]
    fn an_invalid_table_name_is_refused() {
        let named = |name| read(&[&CONNECTION[..], &[("SESSION_TABLE", name)]].concat());
        assert_eq!(named("sessions").unwrap().table, "sessions");
        for bad in ["no table", "qq", &"q".repeat(256)] {
            let message = named(bad).unwrap_err();
            assert!(message.contains("SESSION_TABLE must be a table's name"), "{message}");
            assert!(!message.contains(&format!(" {bad}")), "{message}");
        }
    }
}
