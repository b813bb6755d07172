//! Counterparts of the stories, each tested alone.

mod artifacts;
mod http_api;
mod real_browser;
