//! Logins in progress.

pub mod attempt;
pub mod request;
