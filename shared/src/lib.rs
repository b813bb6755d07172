//! What two functions need, or what is a seam: the session store and the identity provider.
//!
//! Imports point down. A module uses modules of lower floors, and those of its own floor where no
//! circle arises.
//!
//! | floor | modules | what |
//! |---|---|---|
//! | 7 | [`guard`] | who sent a request, and what they may do |
//! | 6 | [`dependencies`] | the store, the provider, the clock and randomness of a function |
//! | 5 | [`pages`], [`discovery`], `testing` | answers; what the provider publishes; support for tests |
//! | 4 | [`session`], [`login`], [`provider`] | sessions; a login under way; requests to the provider |
//! | 3 | [`store`], [`secrets`] | where sessions are kept; the two secrets |
//! | 2 | `aws`, [`web`], [`jwt`], `cache` | AWS clients; HTTP; tokens and keys; a cache |
//! | 1 | [`crypto`], [`settings`], [`clock`], [`issuer`] | cryptography; the environment; time; the issuer's name |

#[cfg(feature = "aws")]
mod aws;
mod cache;
pub mod clock;
pub mod crypto;
pub mod dependencies;
pub mod discovery;
pub mod guard;
pub mod issuer;
pub mod jwt;
pub mod login;
pub mod pages;
pub mod provider;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod store;
#[cfg(any(test, feature = "testing", feature = "contract"))]
pub mod testing;
pub mod web;
