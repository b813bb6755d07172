//! The same `GetItem` without the SDK: a request that is signed by hand, one attempt, no timeout.

use std::{
    env,
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest::{self, SHA256},
    hmac::{self, HMAC_SHA256, Key},
};
use lambda_http::Error;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use shared::{clock::Clock, crypto::tls::Network};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const TARGET: &str = "DynamoDB_20120810.GetItem";
const HEADERS: &str = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";

/// The table's address and the credentials.
pub(crate) struct Signed {
    client: Client,
    url: Url,
    region: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
}

impl Signed {
    pub(crate) fn new(network: &Network) -> Result<Self, Error> {
        Ok(Self {
            client: network.client()?.build()?,
            url: env::var("AWS_ENDPOINT_URL_DYNAMODB")?.parse()?,
            region: env::var("AWS_REGION")?,
            access_key_id: env::var("AWS_ACCESS_KEY_ID")?,
            secret_access_key: env::var("AWS_SECRET_ACCESS_KEY")?,
            session_token: env::var("AWS_SESSION_TOKEN").unwrap_or_default(),
        })
    }

    pub(crate) async fn is_there(&self, table: &str, row: &str) -> Result<bool, Error> {
        let key = json!({ "pk": { "S": row } });
        let body = json!({ "TableName": table, "Key": key, "ConsistentRead": true }).to_string();
        let now = UNIX_EPOCH + Duration::from_secs(Clock::system().now().as_unix());
        let now = humantime::format_rfc3339_seconds(now);
        let time = now.to_string().replace(['-', ':'], "");
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", CONTENT_TYPE)
            .header("x-amz-date", &time)
            .header("x-amz-security-token", &self.session_token)
            .header("x-amz-target", TARGET)
            .header("authorization", self.authorization(&time, &body))
            .body(body);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice::<Value>(&answer)?["Item"].is_object())
    }

    /// AWS Signature Version 4.
    fn authorization(&self, time: &str, body: &str) -> String {
        let Self { url, region, access_key_id, secret_access_key, session_token, .. } = self;
        let host = url.authority();
        let canonical = format!(
            "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:{time}\n\
             x-amz-security-token:{session_token}\nx-amz-target:{TARGET}\n\n{HEADERS}\n{}",
            hex(digest::digest(&SHA256, body.as_bytes()))
        );
        let date = &time[..8];
        let scope = format!("{date}/{region}/dynamodb/aws4_request");
        let digest = hex(digest::digest(&SHA256, canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let steps = [date, region, "dynamodb", "aws4_request", &text];
        let key = Key::new(HMAC_SHA256, format!("AWS4{secret_access_key}").as_bytes());
        let (_, signature) = steps.iter().fold((key, None), |(key, _), step| {
            let tag = hmac::sign(&key, step.as_bytes());
            (Key::new(HMAC_SHA256, tag.as_ref()), Some(tag))
        });
        let signature = signature.map(hex).unwrap_or_default();
        format!(
            "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={HEADERS}, \
             Signature={signature}"
        )
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(half: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(half)])
}
