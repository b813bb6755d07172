//! The common parts of the AWS clients: endpoints, credentials, HTTP and timeouts.
//!
//! Only this module and those of the services, `store::dynamodb` and `secrets_manager`, use the SDK.

mod call;
mod connection;
mod connector;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::{
    call::{CALL_TIMEOUT, CallError},
    connection::{Connection, Service},
};
