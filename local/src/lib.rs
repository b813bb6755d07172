//! Local runs: every handler in one process, and a development identity provider.

#[cfg(feature = "backends")]
pub mod backends;
pub mod bundle;
#[cfg(feature = "backends")]
pub mod deployed;
pub mod doctor;
#[cfg(feature = "backends")]
pub mod emulator;
pub mod environment;
pub mod identity_provider;
pub mod network;
#[cfg(feature = "operator")]
pub mod operator;
#[cfg(feature = "backends")]
pub mod process;
pub mod settings;
pub mod watch;
