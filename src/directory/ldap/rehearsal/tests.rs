//! Rehearsals by themselves.
