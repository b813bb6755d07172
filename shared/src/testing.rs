//! Test support: keys, tokens, a provider, a log, and the contract tests of stores.

#[cfg(any(test, feature = "testing"))]
pub mod captured_log;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod provider;
#[cfg(any(test, feature = "testing"))]
pub mod tokens;
