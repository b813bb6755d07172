//! The application's two secrets, and AWS Secrets Manager.

mod location;
#[cfg(feature = "secrets-manager")]
pub mod secrets_manager;
pub mod stored_secret;
