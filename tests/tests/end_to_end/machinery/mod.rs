//! Tests of the test machinery itself.

mod artifacts;
mod browser;
mod certified_provider;
mod deployment;
mod http_api;
mod lambda;
mod process;
mod real_browser;
mod watch;
