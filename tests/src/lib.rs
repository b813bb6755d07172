//! Stories.

pub mod answer;
pub mod misbehaving_provider;
pub mod observed_store;
pub mod secrets;
pub mod site;
pub mod visitor;
