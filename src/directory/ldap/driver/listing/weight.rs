//! How much of a list is in hand at once, by what its entries hold and not by how many they are: a
//! hundred groups may have half a million members, a hundred users as many pictures.

use crate::directory::ldap::Entry;
use crate::directory::ldap::driver::home::Home;
use crate::ldap::attribute::{base, range};

/// What an entry comes to as a resource, in bytes, roughly.
pub(super) fn weight(home: &Home, entry: &Entry) -> usize {
    let attributes = entry.attributes.iter().map(|attribute| {
        let known = home.place.attribute(base(&attribute.name));
        let points = known.is_some_and(|known| known.reference.is_some());
        let each = if points { POINTER } else { VALUE };
        let values = attribute.values.iter().map(|value| value.len() * 2 + each);
        // Of the values that did not come nobody knows how many they are.
        let more = range(&attribute.name).is_some_and(|range| range.to.is_some());
        values.sum::<usize>() + usize::from(more) * MOST
    });
    attributes.sum()
}

/// So much of a list is in hand at once; one entry may have more.
pub(super) const MOST: usize = 8 << 20;
/// What a value is beside its text.
const VALUE: usize = 100;
/// The same of one that becomes an object: what it points to, of which type, its name.
const POINTER: usize = 900;
