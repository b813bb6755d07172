//! The bundle as it is run, against counterparts that nobody here wrote: Chromium, Firefox, WebKit,
//! `cargo lambda watch`, a certified provider. And the proof that the machinery for it works.
#![expect(clippy::expect_used, clippy::panic, reason = "what a story expects is its assertion")]

mod browsers;
mod certified;
mod certified_refresh;
mod concurrent;
mod deployed;
mod machinery;
mod operator;
mod own_function;
mod processes;
