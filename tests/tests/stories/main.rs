//! The end-to-end stories of the bundle: a browser with a cookie jar calls the real handlers, both
//! with requests that must succeed and with requests that must be rejected. The number in a test's
//! name is that of the requirement it covers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod authorizer;
mod backchannel_logout;
mod browser_defences;
mod callback;
mod clocks;
mod cold_starts;
mod conformance;
mod deployment;
mod doctor;
mod elsewhere;
mod email;
mod faults;
mod form_post;
mod guards;
mod http_edge;
mod keys;
mod login;
mod logout;
mod logs;
mod machine;
mod organizations;
mod other_tokens;
mod pages;
mod providers;
mod races;
mod refresh;
mod refresh_turns;
mod released_rows;
mod resource;
mod return_to;
mod rights;
mod route_rules;
mod routes;
mod rules;
mod same_token;
mod secrets;
mod sessions;
mod step_up;
mod tokens;
mod user_info;
