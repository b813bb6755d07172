//! Cryptography: randomness, secrets and their digests, sealing, TLS.

pub mod random;
pub mod seal;
pub mod secret;
pub mod tls;
