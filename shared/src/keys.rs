//! The provider's signing keys and metadata, cached.

mod key_set;
pub use self::key_set::{Key, KeySet, MalformedKeySet};
