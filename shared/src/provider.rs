//! The identity provider, as a seam.
