//! The parts of HTTP that the functions use: requests, cookies, query, origins, addresses, errors.

pub mod base_url;
pub mod cookie;
pub mod error;
pub mod origin;
pub mod query;
pub mod request;
pub mod return_to;
