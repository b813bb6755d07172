//! Logins in progress.

pub mod attempt;
pub mod cookies;
pub mod request;
