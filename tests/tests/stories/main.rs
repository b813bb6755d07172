//! Stories.
#![expect(clippy::expect_used, clippy::panic, reason = "what a story expects is its assertion")]

mod certified;
mod chromium;
mod machinery;
