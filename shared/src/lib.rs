//! The library that all functions share: login, sessions, tokens, the session store and the
//! identity provider.
//!
//! A module imports only from lower floors, or from its own floor if that creates no cycle.
//!
//! | floor | modules | contents |
//! |---|---|---|
//! | 7 | [`guard`] | authentication and authorization of requests |
//! | 6 | [`dependencies`] | a function's store, provider, keys and source of randomness |
//! | 5 | [`pages`], [`discovery`], `testing` | responses; provider metadata and keys; test support |
//! | 4 | [`session`], [`login`], [`provider`] | sessions; logins in progress; provider requests |
//! | 3 | [`store`], [`secrets`] | storage of sessions; the two secrets |
//! | 2 | `aws`, [`web`], [`jwt`], `cache` | AWS clients; HTTP; tokens and keys; a cache |
//! | 1 | [`crypto`], [`settings`], [`clock`], [`issuer`], [`names`], [`texts`] | cryptography; settings; time; the issuer; names of log events and errors; texts of pages |

#[cfg(feature = "aws")]
pub mod aws;
mod cache;
pub mod clock;
pub mod crypto;
pub mod dependencies;
pub mod discovery;
pub mod guard;
pub mod issuer;
pub mod jwt;
pub mod login;
pub mod names;
pub mod pages;
pub mod provider;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod store;
#[cfg(any(test, feature = "testing", feature = "contract"))]
pub mod testing;
pub mod texts;
pub mod web;
