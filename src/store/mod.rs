//! Where boards live.

pub mod dir;
