//! protected
