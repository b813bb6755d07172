//! Where the table is, and as whom it is asked.

use aws_sdk_dynamodb::config::{Credentials, Region};
use url::Url;

use crate::config::Settings;

/// The table, its region, and the credentials of the process.
///
/// They are read from the environment, where Lambda puts them, and from nowhere else: no profile,
/// no single sign-on, no metadata service. Lambda's credentials live as long as its process.
#[derive(Clone, Debug)]
pub struct DynamoConfig {
    pub(super) table: String,
    pub(super) region: Region,
    pub(super) credentials: Credentials,
    /// Instead of the region's own endpoint.
    pub(super) endpoint: Option<Url>,
}

impl DynamoConfig {
    /// Reads `SESSION_TABLE`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, and `AWS_ENDPOINT_URL_DYNAMODB` or else `AWS_ENDPOINT_URL`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let table = settings.required("SESSION_TABLE", "the table that keeps sessions", table_name);
        let region = settings.required("AWS_REGION", "the table's region", region_name);
        let access_key_id = text(settings, "AWS_ACCESS_KEY_ID");
        let secret_access_key = text(settings, "AWS_SECRET_ACCESS_KEY");
        let session_token =
            settings.optional("AWS_SESSION_TOKEN", |text| Ok::<_, &str>(text.to_owned()));
        let own_endpoint = settings.optional("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url);
        let any_endpoint = settings.optional("AWS_ENDPOINT_URL", endpoint_url);
        let credentials = Credentials::new(
            access_key_id?,
            secret_access_key?,
            session_token?,
            None,
            "environment",
        );
        let (table, region) = (table?, region?);
        Some(Self { table, region, credentials, endpoint: own_endpoint?.or(any_endpoint?) })
    }

    /// Whether plain HTTP is asked for, as emulators speak it.
    pub(super) fn is_plain_http(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http")
    }
}

fn text(settings: &mut Settings, variable: &'static str) -> Option<String> {
    let what = "part of the credentials that DynamoDB is asked with";
    settings.required(variable, what, |text| Ok::<_, &str>(text.to_owned()))
}

fn table_name(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (3..=255).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be a table's name: 3 to 255 letters, digits, `_`, `-` or `.`")
    }
}

/// The region becomes part of a host name.
fn region_name(text: &str) -> Result<Region, &'static str> {
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        Ok(Region::new(text.to_owned()))
    } else {
        Err("must be a region such as `eu-central-1`")
    }
}

fn endpoint_url(text: &str) -> Result<Url, &'static str> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or("must be an `https://` or `http://` URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: [(&str, &str); 5] = [
        ("SESSION_TABLE", "sessions"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "swordfish"),
    ];

    fn read(more: &[(&str, &str)]) -> Option<DynamoConfig> {
        DynamoConfig::from_settings(&mut Settings::from_values([&COMPLETE, more].concat()))
    }

    fn faults(values: &[(&str, &str)]) -> String {
        let mut settings = Settings::from_values(values.iter().copied());
        assert!(DynamoConfig::from_settings(&mut settings).is_none());
        settings.finish().unwrap_err().to_string()
    }

    #[test]
    fn what_lambda_sets_is_enough() {
        let config = read(&[]).unwrap();
        assert_eq!((config.table.as_str(), config.region.as_ref()), ("sessions", "eu-central-1"));
        assert_eq!(config.credentials.access_key_id(), "AKIDEXAMPLE");
        assert_eq!(config.credentials.secret_access_key(), "hunter2");
        assert_eq!(config.credentials.session_token(), Some("swordfish"));
        assert_eq!(config.endpoint, None);
    }

    #[test]
    fn the_endpoint_of_dynamodb_wins_over_that_of_every_service() {
        let endpoint = |more: &[_]| read(more).unwrap().endpoint.unwrap().to_string();
        let any = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/");
        let own = ("AWS_ENDPOINT_URL_DYNAMODB", "https://127.0.0.1:2/");
        assert_eq!(endpoint(&[any]), any.1);
        assert_eq!(endpoint(&[any, own]), own.1);
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        assert_eq!(
            faults(&[]),
            "the configuration cannot be used:\n  \
             AWS_ACCESS_KEY_ID is not set: part of the credentials that DynamoDB is asked with\n  \
             AWS_REGION is not set: the table's region\n  \
             AWS_SECRET_ACCESS_KEY is not set: part of the credentials that DynamoDB is asked with\n  \
             SESSION_TABLE is not set: the table that keeps sessions"
        );
    }

    #[test]
    fn what_cannot_be_right_is_named_without_its_value() {
        let bad = [
            ("SESSION_TABLE", "no table", "must be a table's name"),
            ("SESSION_TABLE", "qq", "must be a table's name"),
            ("AWS_REGION", "evil.example/", "must be a region"),
            ("AWS_ENDPOINT_URL", "localhost", "must be an `https://`"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "file:///etc/passwd", "must be an `https://`"),
        ];
        for (variable, value, expected) in bad {
            let message = faults(&[&COMPLETE[..], &[(variable, value)]].concat());
            assert!(message.contains(&format!("{variable} {expected}")), "{message}");
            assert!(!message.contains(value), "{message}");
        }
    }

    #[test]
    fn r179_debug_output_hides_the_credentials() {
        let shown = format!("{:?}", read(&[]).unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }
}
