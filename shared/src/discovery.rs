//! What the identity provider publishes, kept in memory and in the store.

pub(crate) mod document;
pub mod keys;
pub mod login_methods;
