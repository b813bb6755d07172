//! HTTP helpers for the functions: requests, cookies, queries, origins, base URL, errors.

pub mod base_url;
pub mod cookie;
pub mod cors;
pub mod error;
pub mod form;
pub mod query;
pub mod request;
pub mod return_to;
pub mod same_origin;
