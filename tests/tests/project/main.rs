//! What the project says of itself, held against its sources.

mod requirements;
