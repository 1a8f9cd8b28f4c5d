//! Client accents: what Entra ID and Okta say differently from the RFC, brought into its form in
//! this one place and counted per kind. Nothing further in knows of vendors.

mod change;
mod document;
mod key;
mod plain;
#[cfg(test)]
mod tests;
mod value;

pub(super) use change::{changes, members};
pub use document::document;
pub(super) use key::settle_attr;
pub use plain::is_plain;

/// The kinds of accent, one per deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Accent {
    /// `"op": "Add"`: an operation not in lower case.
    OpCase,
    /// `"active": "True"`: a boolean as a string, in a value.
    BooleanText,
    /// `primary eq "True"`: a boolean as a string, in a filter.
    BooleanTextInFilter,
    /// `"name.familyName": …`: a dotted key in a value without path.
    DottedKey,
    /// `"urn:…:User:department": …`: a URN-prefixed key in a value without path.
    UrnKey,
    /// `remove members` with an array of values.
    RemoveWithValues,
    /// A value path without match that creates its element.
    ElementCreated,
    /// `"manager": "26118915"`: a manager as a bare string, an array, or under the path `manager`.
    ManagerShape,
    /// `emails[type eq "work"].value eq "x"` in a filter.
    FilterOnElement,
    /// Null, empty string or empty array where the RFC would have nothing.
    EmptyValue,
    /// A `schemas` URI that this tenant does not have.
    UnknownSchema,
    /// An unknown query parameter, such as `aadOptscim062020`.
    UnknownParameter,
    /// A multi-valued attribute given as one value instead of an array.
    SingleAsArray,
    /// A single value given as an array of one, or as `{"value": …}`.
    WrappedValue,
}

impl Accent {
    /// All kinds, for metrics that are complete from the start.
    pub const ALL: [Self; 14] = [
        Self::OpCase,
        Self::BooleanText,
        Self::BooleanTextInFilter,
        Self::DottedKey,
        Self::UrnKey,
        Self::RemoveWithValues,
        Self::ElementCreated,
        Self::ManagerShape,
        Self::FilterOnElement,
        Self::EmptyValue,
        Self::UnknownSchema,
        Self::UnknownParameter,
        Self::SingleAsArray,
        Self::WrappedValue,
    ];

    /// The word for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpCase => "op_case",
            Self::BooleanText => "boolean_text",
            Self::BooleanTextInFilter => "boolean_text_in_filter",
            Self::DottedKey => "dotted_key",
            Self::UrnKey => "urn_key",
            Self::RemoveWithValues => "remove_with_values",
            Self::ElementCreated => "element_created",
            Self::ManagerShape => "manager_shape",
            Self::FilterOnElement => "filter_on_element",
            Self::EmptyValue => "empty_value",
            Self::UnknownSchema => "unknown_schema",
            Self::UnknownParameter => "unknown_parameter",
            Self::SingleAsArray => "single_as_array",
            Self::WrappedValue => "wrapped_value",
        }
    }
}

/// What was met in one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accents {
    /// Whether they are accepted; where not, the parsers refuse them.
    pub refuse: bool,
    met: Vec<Accent>,
}

impl Accents {
    /// Accents that are accepted and noted.
    #[must_use]
    pub fn accepted() -> Self {
        Self::default()
    }

    /// Accents that are refused: the RFC only.
    #[must_use]
    pub fn refused() -> Self {
        Self {
            refuse: true,
            met: Vec::new(),
        }
    }

    /// Notes one; says whether it is accepted.
    pub fn met(&mut self, accent: Accent) -> bool {
        if !self.refuse {
            self.met.push(accent);
        }
        !self.refuse
    }

    /// What was met, in order, repeats included.
    #[must_use]
    pub fn seen(&self) -> &[Accent] {
        &self.met
    }
}
