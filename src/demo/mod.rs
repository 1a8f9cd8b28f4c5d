//! (seam)

pub mod directory;
mod rest;
mod store;
