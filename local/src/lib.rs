//! Local runs: every handler in one process, and an identity provider to log in with.

pub mod bundle;
pub mod identity_provider;
pub mod settings;
