//! `postern.yaml` as it is meant.
