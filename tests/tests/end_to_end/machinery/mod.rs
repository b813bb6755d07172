//! What the stories stand on, on its own.

mod browser;
mod certified_provider;
mod chromium;
mod process;
mod watch;
