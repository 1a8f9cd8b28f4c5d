//! The ids of entries: what a client sees, what the directory holds, in the right byte order.

/// How a directory spells the ids of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdForm {
    /// `entryUUID` (RFC 4530): text, in small letters for clients.
    #[default]
    Uuid,
    /// `nsUniqueId`: four groups of eight hex digits.
    NsUniqueId,
    /// `objectGUID`: sixteen bytes, the first three fields with their low byte first.
    Guid,
    /// Any text.
    Text,
}

impl IdForm {
    /// The form of an id attribute, by its name.
    #[must_use]
    pub fn of(attribute: &str) -> Self {
        let known = [
            ("entryUUID", Self::Uuid),
            ("nsUniqueId", Self::NsUniqueId),
            ("objectGUID", Self::Guid),
        ];
        let found = known
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map_or(Self::Text, |(_, form)| *form)
    }

    /// The id that clients see of a directory's value; `None` where it is none.
    #[must_use]
    pub fn read(self, value: &[u8]) -> Option<String> {
        match self {
            Self::Guid => guid_text(value),
            Self::Uuid | Self::NsUniqueId | Self::Text => {
                self.canonical(std::str::from_utf8(value).ok()?)
            }
        }
    }

    /// The value to look for in the directory; `None` where no entry can have that id.
    #[must_use]
    pub fn write(self, id: &str) -> Option<Vec<u8>> {
        match self {
            Self::Guid => guid_bytes(id).map(|bytes| bytes.to_vec()),
            Self::Uuid | Self::NsUniqueId | Self::Text => {
                self.canonical(id).map(String::into_bytes)
            }
        }
    }

    /// The one spelling of an id; `None` where it is none.
    #[must_use]
    pub fn canonical(self, id: &str) -> Option<String> {
        let groups: &[usize] = match self {
            Self::Uuid | Self::Guid => &[8, 4, 4, 4, 12],
            Self::NsUniqueId => &[8, 8, 8, 8],
            Self::Text => return (!id.is_empty()).then(|| id.to_owned()),
        };
        let parts: Vec<&str> = id.split('-').collect();
        let fits = parts.len() == groups.len()
            && parts.iter().zip(groups).all(|(part, length)| {
                part.len() == *length && part.bytes().all(|b| b.is_ascii_hexdigit())
            });
        fits.then(|| id.to_ascii_lowercase())
    }
}

/// `objectGUID` as text.
#[must_use]
pub fn guid_text(bytes: &[u8]) -> Option<String> {
    let mut bytes: [u8; 16] = bytes.try_into().ok()?;
    swap(&mut bytes);
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    Some(text)
}

/// The bytes of an `objectGUID`.
#[must_use]
pub fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    let text = IdForm::Guid.canonical(text)?;
    let mut digits = text.chars().filter_map(|c| c.to_digit(16));
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        let (high, low) = (digits.next()?, digits.next()?);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    swap(&mut bytes);
    Some(bytes)
}

/// The first three fields are numbers that Windows keeps low byte first.
fn swap(bytes: &mut [u8; 16]) {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    let mixed = [d, c, b, a, f, e, h, g];
    for (place, byte) in bytes.iter_mut().zip(mixed) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_guid_has_its_byte_order() {
        // As Active Directory's own tools show it.
        let bytes = [
            0xa7, 0x83, 0x0d, 0x6e, 0x14, 0x5c, 0x2b, 0x4f, 0x9a, 0x01, 0x02, 0x03, 0x04, 0x05,
            0x06, 0x07,
        ];
        let text = "6e0d83a7-5c14-4f2b-9a01-020304050607";
        assert_eq!(guid_text(&bytes).as_deref(), Some(text));
        assert_eq!(
            IdForm::Guid.write(&text.to_uppercase()),
            Some(bytes.to_vec())
        );
        assert_eq!(guid_text(&bytes[..15]), None);
    }

    #[test]
    fn what_cannot_be_an_id_is_none() {
        let uuid = "597ae2f6-16a6-1027-98f4-d28b5365dc14";
        assert_eq!(
            IdForm::Uuid.canonical(&uuid.to_uppercase()).as_deref(),
            Some(uuid)
        );
        for form in [IdForm::Uuid, IdForm::Guid] {
            for wrong in [
                "",
                "*",
                "597ae2f616a6102798f4d28b5365dc14",
                "{597ae2f6-16a6-1027-98f4-d28b5365dc14}",
                "597ae2f6-16a6-1027-98f4-d28b5365dc1",
                "597ae2f6-16a6-1027-98f4-d28b5365dc1g",
                "597ae2f6-16a6-1027-98f4-d28b5365dc14-",
            ] {
                assert_eq!(form.write(wrong), None, "{form:?} {wrong}");
            }
        }
        let ns = "66446001-1dd211b2-80a6a700-00000000";
        assert_eq!(IdForm::NsUniqueId.canonical(ns).as_deref(), Some(ns));
        assert_eq!(IdForm::NsUniqueId.canonical(uuid), None);
        assert_eq!(IdForm::Text.write(""), None);
        assert_eq!(IdForm::of("ENTRYUUID"), IdForm::Uuid);
        assert_eq!(IdForm::of("uid"), IdForm::Text);
    }

    proptest! {
        #[test]
        fn guids_go_both_ways(bytes: [u8; 16]) {
            let text = guid_text(&bytes).unwrap();
            prop_assert_eq!(guid_bytes(&text), Some(bytes));
            prop_assert_eq!(IdForm::Guid.read(&bytes), Some(text));
        }

        #[test]
        fn nothing_panics(text: String, bytes: Vec<u8>) {
            for form in [IdForm::Uuid, IdForm::Guid, IdForm::NsUniqueId, IdForm::Text] {
                if let Some(value) = form.write(&text) {
                    prop_assert_eq!(form.read(&value), form.canonical(&text));
                }
                let _ = form.read(&bytes);
            }
        }
    }
}
