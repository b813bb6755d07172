//! What the services of AWS that we ask have in common: where they are, as whom they are asked, by
//! which HTTP, and how long that may take.
//!
//! The SDK is named here and by the modules of those services, `store::dynamodb` and
//! `secrets_manager`, and nowhere else.

mod call;
mod connection;
mod connector;

pub(crate) use self::{
    call::{CALL_TIMEOUT, CallError},
    connection::{Connection, Service},
};
