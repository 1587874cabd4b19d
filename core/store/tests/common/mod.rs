//! What the property tests share.

pub(crate) mod model;
pub(crate) mod requests;
