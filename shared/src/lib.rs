//! What two functions need, or what is a seam: the session store and the identity provider.

pub mod application;
#[cfg(feature = "aws")]
mod aws;
pub mod base_url;
mod cache;
#[cfg(any(test, feature = "testing"))]
pub mod captured_log;
pub mod clock;
pub mod config;
pub mod cookie;
pub mod error;
pub mod guard;
pub mod issuer;
pub mod jwt;
pub mod keys;
pub mod login_attempt;
pub mod login_methods;
pub mod login_request;
pub mod origin;
pub mod provider;
pub mod query;
pub mod random;
pub mod request;
pub mod respond;
pub mod return_to;
pub mod seal;
pub mod seams;
pub mod secret;
#[cfg(feature = "secrets-manager")]
pub mod secrets_manager;
pub mod session;
pub mod store;
pub mod stored_secret;
pub mod tls;
pub mod view;
