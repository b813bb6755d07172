//! What the project says of itself, held against its sources.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod documentation;
mod floors;
mod requirements;
