//! Local runs: every handler in one process, and an identity provider to log in with.

#[cfg(feature = "backends")]
pub mod backends;
pub mod bundle;
pub mod identity_provider;
#[cfg(feature = "operator")]
pub mod operator;
pub mod settings;
