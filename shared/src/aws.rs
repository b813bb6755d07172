//! The common parts of the AWS clients: endpoints, credentials, HTTP and timeouts.
//!
//! Only this module and those of the services, `store::dynamodb` and `secrets_manager`, use the SDK.

mod call;
mod connection;
mod connector;
#[cfg(feature = "dynamodb")]
mod telemetry;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(feature = "dynamodb")]
use aws_sdk_dynamodb::config::{self, Config};
#[cfg(feature = "dynamodb")]
use aws_types::SdkConfig;

#[cfg(feature = "dynamodb")]
use crate::settings::Settings;

pub(crate) use self::{
    call::{CALL_TIMEOUT, CallError},
    connection::{Connection, Service},
};

#[cfg(feature = "dynamodb")]
pub(crate) const DYNAMODB: Service = Service { endpoint_variable: "AWS_ENDPOINT_URL_DYNAMODB" };

/// The configuration of a DynamoDB client for an application's own tables. It reads what Lambda sets,
/// such as `AWS_REGION`, and starts as fast as that of the sessions. For `Client::from_conf`.
///
/// A call may reach DynamoDB more than once, even without attempts of the SDK: it is repeated if the
/// function was idle and its connection may have died meanwhile. So a write needs a condition or an
/// idempotency token, or must do no harm when it is done twice.
#[cfg(feature = "dynamodb")]
pub fn dynamodb(settings: &mut Settings) -> Option<Config> {
    let connection = Connection::from_settings(settings, DYNAMODB)?;
    let config = connection.sdk_config();
    config
        .map_err(|error| settings.fault("AWS_REGION", format_args!("cannot be used: {error}")))
        .ok()
        .map(|config| dynamodb_config(&config))
}

/// The configuration of a DynamoDB client, with only what a call needs.
#[cfg(feature = "dynamodb")]
pub(crate) fn dynamodb_config(config: &SdkConfig) -> Config {
    config::Builder::from(config).interceptor(telemetry::NoTelemetry).build()
}
