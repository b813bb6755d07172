//! End-to-end tests of the product as it is run, against software that the project did not write:
//! Chromium, Firefox, WebKit, `cargo lambda watch`, a certified provider, an MCP client. Also tests of the test
//! machinery itself.
#![expect(clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

mod auth0_settings;
mod browsers;
mod certified;
mod certified_doctor;
mod certified_refresh;
mod concurrent;
mod deployed;
mod local_start;
mod machinery;
mod mcp;
mod operator;
mod own_function;
mod own_repository;
mod processes;
