//! What two functions need, or what is a seam: the session store and the identity provider.

pub mod clock;
pub mod config;
pub mod issuer;
pub mod jwt;
pub mod keys;
pub mod login_methods;
pub mod provider;
pub mod random;
pub mod request;
pub mod view;
