//! AWS on this machine, for the deployed form: an HTTP API, Lambda with its Runtime API, and the
//! project's template.
//!
//! A broken invariant of the emulator ends the process.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "nothing here is deployed; a broken invariant ends a local run or fails a test"
)]

pub mod http_api;
pub mod lambda;
pub mod template;
