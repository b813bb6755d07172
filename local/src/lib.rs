//! Local runs: every handler in one process, and an identity provider to sign in with.

pub mod identity_provider;
