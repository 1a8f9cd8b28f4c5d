//! `roles`: each a name and its `allow` lines.

use std::sync::Arc;

use super::{NAME_HELP, Reader, is_name};
use crate::yaml::{Node, Table};

impl<'a> Reader<'a> {
    pub(super) fn roles(&mut self, node: &'a Node) {
        let Some(roles) = Table::open(self.source, node, "the roles", &mut self.found) else {
            return;
        };
        for (key, node) in roles.entries() {
            if !is_name(&key.text) {
                self.error(key.span, "this is no name for a role", NAME_HELP);
            }
            self.no_token(&key.text, key.span);
            let mut grants = Vec::new();
            if let Some(mut role) = Table::open(self.source, node, "a role", &mut self.found) {
                let allow = role.required("allow", &mut self.found);
                role.finish(&mut self.found);
                let name = key.text.as_str().into();
                let lines = self.list(allow).iter();
                grants.extend(lines.filter_map(|line| self.grant(&name, line).map(Arc::new)));
            }
            // A role with mistakes is known all the same: one mistake, one finding.
            self.roles.insert(&key.text, grants);
        }
    }
}
