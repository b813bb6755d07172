//! What the stories stand on, on its own.

mod artifacts;
mod browser;
mod certified_provider;
mod deployment;
mod http_api;
mod lambda;
mod process;
mod real_browser;
mod watch;
