//! Tests over real HTTP: a provider on a free port, a browser with a cookie, a client that follows or
//! breaks the rules, and a clock that tests can move.

mod authorize;
mod harness;
mod login;
mod logout;
mod start;
mod token;
