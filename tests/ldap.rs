//! The LDAP client against real servers, which `scripts/test ldap` starts, and against one that
//! says what a test wants. Without servers, the tests that need one say that they are skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

#[path = "ldap/app.rs"]
mod app;
#[path = "ldap/app_attacks.rs"]
mod app_attacks;
#[path = "ldap/app_concurrent.rs"]
mod app_concurrent;
#[path = "ldap/app_count.rs"]
mod app_count;
#[path = "ldap/app_cursors.rs"]
mod app_cursors;
#[path = "ldap/app_filters.rs"]
mod app_filters;
#[path = "ldap/app_guards.rs"]
mod app_guards;
#[path = "ldap/app_limits.rs"]
mod app_limits;
#[path = "ldap/app_members.rs"]
mod app_members;
#[path = "ldap/app_odd_names.rs"]
mod app_odd_names;
#[path = "ldap/app_pages.rs"]
mod app_pages;
#[path = "ldap/app_parts.rs"]
mod app_parts;
#[path = "ldap/app_passwords.rs"]
mod app_passwords;
#[path = "ldap/app_places.rs"]
mod app_places;
#[path = "ldap/app_protect.rs"]
mod app_protect;
#[path = "ldap/app_races.rs"]
mod app_races;
#[path = "ldap/app_ranges.rs"]
mod app_ranges;
#[path = "ldap/app_rehearsal.rs"]
mod app_rehearsal;
#[path = "ldap/app_repeats.rs"]
mod app_repeats;
#[path = "ldap/app_schema.rs"]
mod app_schema;
#[path = "ldap/app_sizes.rs"]
mod app_sizes;
#[path = "ldap/app_windows.rs"]
mod app_windows;
#[path = "ldap/app_writes.rs"]
mod app_writes;
#[path = "ldap/distrust.rs"]
mod distrust;
#[path = "ldap/faults.rs"]
mod faults;
#[path = "ldap/filters.rs"]
mod filters;
#[path = "ldap/front.rs"]
mod front;
#[path = "ldap/hostile.rs"]
mod hostile;
#[path = "ldap/limits.rs"]
mod limits;
#[path = "ldap/lists.rs"]
mod lists;
#[path = "ldap/memberships.rs"]
mod memberships;
#[path = "ldap/names.rs"]
mod names;
#[path = "ldap/outages.rs"]
mod outages;
#[path = "ldap/own.rs"]
mod own;
#[path = "ldap/place.rs"]
mod place;
#[path = "ldap/relay.rs"]
mod relay;
#[path = "ldap/restarts.rs"]
mod restarts;
#[path = "ldap/scripted.rs"]
mod scripted;
#[path = "ldap/searches.rs"]
mod searches;
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests of the whole program use all of it"
)]
#[path = "it/support/mod.rs"]
mod support;
#[path = "ldap/trust.rs"]
mod trust;
#[path = "ldap/writes.rs"]
mod writes;
