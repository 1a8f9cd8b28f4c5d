//! Tampering of every kind, and what is found of it.
