//! (seam)

pub mod token;
