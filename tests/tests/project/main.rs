//! Checks that the project's documents match its sources.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod documentation;
mod floors;
mod new_function;
mod requirements;
mod words;
