//! A login under way.

pub mod attempt;
pub mod request;
