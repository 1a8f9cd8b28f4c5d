//! (seam)

pub mod directory;
mod rest;
mod store;

#[cfg(test)]
mod tests;
