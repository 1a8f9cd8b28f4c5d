//! The next number of a counter that all replicas share: an entry whose value is taken away and
//! replaced by the next in one modify, which fails where somebody else was faster.

use super::Ldap;
use super::refusal;
use crate::directory::ldap::{
    Attribute, Change as Modification, ChangeKind, Code, Dn, Pinned, Search, Write,
};
use crate::directory::{Ask, DirectoryError};

impl Ldap {
    /// Takes a number. It is used up, whatever becomes of the entry that it was for.
    pub(super) async fn take_number(
        &self,
        pinned: &Pinned,
        (counter, attribute): (&Dn, &str),
        (low, high): (u64, u64),
        ask: &Ask,
    ) -> Result<u64, DirectoryError> {
        for _ in 0..TRIES {
            let search = Search::entry(counter.clone(), &[attribute]);
            let entry = match pinned.one(search, ask.deadline).await {
                Ok(entry) => entry,
                Err(error) if error.code() == Some(Code::NO_SUCH_OBJECT) => None,
                Err(error) => return Err(refusal::of_read(error)),
            };
            let entry = entry.ok_or_else(|| wrong("is not there"))?;
            let text = entry.text(attribute);
            let next = match text.map(str::parse::<u64>) {
                None => low,
                Some(Ok(number)) => number.max(low),
                Some(Err(_)) => return Err(wrong("holds no number")),
            };
            if next > high {
                return Err(wrong("has no number left"));
            }
            let change =
                |kind, value: String| Modification::new(kind, Attribute::one(attribute, value));
            let mut changes = Vec::with_capacity(2);
            changes.extend(text.map(|text| change(ChangeKind::Delete, text.to_owned())));
            changes.push(change(ChangeKind::Add, (next + 1).to_string()));
            let write = Write::Modify {
                dn: counter.clone(),
                changes,
            };
            let outcome = pinned.write(write, &[], ask.deadline).await;
            let result = outcome.map_err(refusal::of_write)?.result;
            match result.code {
                Code::SUCCESS => return Ok(next),
                // Somebody else took it.
                Code::NO_SUCH_ATTRIBUTE
                | Code::ATTRIBUTE_OR_VALUE_EXISTS
                | Code::CONSTRAINT_VIOLATION
                | Code::BUSY => {}
                _ => return Err(refusal::of(&result)),
            }
        }
        Err(refusal::unsteady())
    }
}

fn wrong(what: &str) -> DirectoryError {
    DirectoryError::Malformed(format!("the counter of an `allocate` line {what}"))
}

/// Each means that another writer got a number.
const TRIES: usize = 100;
