//! Placeholder of a crate that is being built.
