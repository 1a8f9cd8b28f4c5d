//! SCIM over HTTP.
