//! Tests over real HTTP: a provider on a free port, a browser with a cookie jar, a client that
//! keeps or breaks the rules, and a clock that can be moved.

mod authorize;
mod harness;
mod login;
mod logout;
mod start;
mod token;
