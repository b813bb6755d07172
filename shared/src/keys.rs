//! The provider's signing keys and metadata, cached.
