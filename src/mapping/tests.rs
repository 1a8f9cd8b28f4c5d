//! The mapping through its six places, by rules as people write them.

mod answers;
mod documents;
mod filters;
mod guarded;
mod laws;
mod ldap;
mod patches;
mod roles;
mod rules;
mod scopes;
mod spelling;
mod support;
