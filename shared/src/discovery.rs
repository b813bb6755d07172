//! The documents that the identity provider publishes, cached in memory and in the store.

pub(crate) mod document;
pub mod keys;
pub mod login_methods;
