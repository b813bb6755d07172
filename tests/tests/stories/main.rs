//! Stories.
#![expect(clippy::expect_used, reason = "what a story expects is its assertion")]

mod machinery;
