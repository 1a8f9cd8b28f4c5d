//! The demo's directory as data: flat records of people and teams under running numbers, as an
//! old system would keep them. Pure; [`super::directory`] puts it on the network.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use crate::scim::Resource;
use crate::scim::resource::{get, get_mut};

/// Everything that the directory holds.
#[derive(Debug, Default)]
pub(super) struct Store {
    people: Rows,
    teams: Rows,
    last: u64,
}

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// `/people`.
    People,
    /// `/teams`.
    Teams,
}

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Its number, also in its field `no`; people and teams share the numbers.
    pub(super) no: u64,
    /// How often it was written.
    pub(super) version: u64,
    /// Its fields.
    pub(super) fields: Resource,
}

/// Why the store does not do it; each text is what the client of the directory gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    /// A field is missing or cannot be so.
    #[error("{0}")]
    Field(String),
    /// A name is taken.
    #[error("{field} is taken")]
    Taken {
        /// The field that must be unique.
        field: &'static str,
    },
    /// There is no record of this number.
    #[error("no such record")]
    Missing,
    /// It has been written in between.
    #[error("record has changed")]
    Changed,
    /// There are too many.
    #[error("directory is full")]
    Full,
}

#[derive(Debug, Default)]
struct Rows {
    records: BTreeMap<u64, Record>,
    /// From the unique name in lower case.
    names: HashMap<String, u64>,
}

impl Table {
    /// The fields besides `no`: their names and what they hold.
    pub(super) fn fields(self) -> &'static [(&'static str, Holds)] {
        match self {
            Self::People => PEOPLE,
            Self::Teams => TEAMS,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::People => "login",
            Self::Teams => "team_name",
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A text.
    Text,
    /// `staff` or `leaver`.
    Status,
    /// The number of another record, kept as a text.
    Number,
    /// The numbers of records, kept as texts.
    Numbers,
}

impl Store {
    /// Five people and a team, none of whom exists.
    pub(super) fn seeded() -> Self {
        let mut store = Self::default();
        for (login, given, surname, title, dept) in SEED {
            let body = json!({
                "login": login,
                "given": given,
                "surname": surname,
                "full_name": format!("{given} {surname}"),
                "mail": format!("{login}@example.com"),
                "title": title,
                "dept": dept,
                "status": "staff",
            });
            // Seeds fit: a test says so.
            let _ = store.create(Table::People, &body);
        }
        let numbers: Vec<String> = store
            .people
            .records
            .keys()
            .take(3)
            .map(u64::to_string)
            .collect();
        let team = json!({ "team_name": "Example Operators", "member_ids": numbers });
        let _ = store.create(Table::Teams, &team);
        store
    }

    /// One record.
    pub(super) fn read(&self, table: Table, no: u64) -> Result<&Record, StoreError> {
        self.rows(table).records.get(&no).ok_or(StoreError::Missing)
    }

    /// All records of a table by their numbers.
    pub(super) fn all(&self, table: Table) -> impl Iterator<Item = &Record> {
        self.rows(table).records.values()
    }

    /// Makes a record.
    pub(super) fn create(&mut self, table: Table, body: &Value) -> Result<&Record, StoreError> {
        if self.people.records.len() + self.teams.records.len() >= MAX_RECORDS {
            return Err(StoreError::Full);
        }
        let no = self.last.checked_add(1).ok_or(StoreError::Full)?;
        let fields = self.accept(table, no, body)?;
        self.last = no;
        self.write(
            table,
            Record {
                no,
                version: 1,
                fields,
            },
        )
    }

    /// Gives a record a new state; `unless` sees the present one and may refuse.
    pub(super) fn replace(
        &mut self,
        table: Table,
        no: u64,
        body: &Value,
        guard: impl FnOnce(&Record) -> bool,
    ) -> Result<&Record, StoreError> {
        let present = self.read(table, no)?;
        if !guard(present) {
            return Err(StoreError::Changed);
        }
        let version = present.version.saturating_add(1);
        let fields = self.accept(table, no, body)?;
        self.write(
            table,
            Record {
                no,
                version,
                fields,
            },
        )
    }

    /// Ends a record, and its memberships with it.
    pub(super) fn delete(
        &mut self,
        table: Table,
        no: u64,
        guard: impl FnOnce(&Record) -> bool,
    ) -> Result<(), StoreError> {
        if !guard(self.read(table, no)?) {
            return Err(StoreError::Changed);
        }
        let rows = self.rows_mut(table);
        rows.records.remove(&no);
        rows.names.retain(|_, other| *other != no);
        let gone = Value::String(no.to_string());
        for team in self.teams.records.values_mut() {
            let members = get_mut(team.fields.as_map_mut(), "member_ids");
            if let Some(Value::Array(members)) = members {
                let before = members.len();
                members.retain(|member| *member != gone);
                if members.len() < before {
                    team.version = team.version.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    fn rows(&self, table: Table) -> &Rows {
        match table {
            Table::People => &self.people,
            Table::Teams => &self.teams,
        }
    }

    fn rows_mut(&mut self, table: Table) -> &mut Rows {
        match table {
            Table::People => &mut self.people,
            Table::Teams => &mut self.teams,
        }
    }

    fn write(&mut self, table: Table, record: Record) -> Result<&Record, StoreError> {
        let no = record.no;
        let name = lower(&record.fields, table.name());
        let rows = self.rows_mut(table);
        rows.names.retain(|_, other| *other != no);
        rows.names.insert(name, no);
        rows.records.insert(no, record);
        self.read(table, no)
    }

    /// The fields of a body as they are kept: known ones only, in our order, absent where null.
    fn accept(&self, table: Table, no: u64, body: &Value) -> Result<Resource, StoreError> {
        let wrong = |text: String| Err(StoreError::Field(text));
        let Value::Object(body) = body else {
            return wrong("a record is an object".to_owned());
        };
        let mut fields = Map::new();
        fields.insert("no".to_owned(), no.into());
        for (name, holds) in table.fields() {
            let value = match get(body, name) {
                None | Some(Value::Null) => continue,
                Some(value) => value,
            };
            let kept = match holds {
                Holds::Text => text(value),
                Holds::Status => text(value).filter(|v| *v == "staff" || *v == "leaver"),
                Holds::Number => number(value),
                Holds::Numbers => match self.numbers(value)? {
                    Some(numbers) => {
                        fields.insert((*name).to_owned(), numbers);
                        continue;
                    }
                    None => None,
                },
            };
            match kept {
                Some(text) => fields.insert((*name).to_owned(), text.into()),
                None => return wrong(format!("{name} cannot be so")),
            };
        }
        if table == Table::People && !fields.contains_key("status") {
            fields.insert("status".to_owned(), "staff".into());
        }
        if table == Table::Teams && !fields.contains_key("member_ids") {
            fields.insert("member_ids".to_owned(), Value::Array(Vec::new()));
        }
        let fields = Resource::from(fields);
        let field = table.name();
        let name = lower(&fields, field);
        if name.trim().is_empty() {
            return wrong(format!("{field} is needed"));
        }
        match self.rows(table).names.get(&name) {
            Some(other) if *other != no => Err(StoreError::Taken { field }),
            _ => Ok(fields),
        }
    }

    /// The numbers of records that exist, each once.
    fn numbers(&self, value: &Value) -> Result<Option<Value>, StoreError> {
        let Value::Array(items) = value else {
            return Ok(None);
        };
        if items.len() > MAX_RECORDS {
            return Ok(None);
        }
        let mut seen = std::collections::HashSet::new();
        let mut out = Vec::new();
        for item in items {
            let known = number(item).filter(|text| {
                text.parse::<u64>().is_ok_and(|no| {
                    self.people.records.contains_key(&no) || self.teams.records.contains_key(&no)
                })
            });
            let Some(known) = known else {
                return Err(StoreError::Field("member_ids names nobody".to_owned()));
            };
            if seen.insert(known.clone()) {
                out.push(Value::String(known));
            }
        }
        Ok(Some(Value::Array(out)))
    }
}

fn lower(fields: &Resource, name: &str) -> String {
    let value = fields.attr(name).and_then(Value::as_str);
    value.unwrap_or_default().to_lowercase()
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (text.len() <= MAX_TEXT).then(|| text.to_owned())
}

/// A reference, given as a number or as a text.
fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number.as_u64().map(|n| n.to_string()),
        other => text(other),
    }
}

const PEOPLE: &[(&str, Holds)] = &[
    ("login", Holds::Text),
    ("surname", Holds::Text),
    ("given", Holds::Text),
    ("full_name", Holds::Text),
    ("mail", Holds::Text),
    ("phone_office", Holds::Text),
    ("phone_mobile", Holds::Text),
    ("title", Holds::Text),
    ("dept", Holds::Text),
    ("emp_no", Holds::Text),
    ("status", Holds::Status),
    ("boss", Holds::Number),
    ("note", Holds::Text),
    ("ext_ref", Holds::Text),
];

const TEAMS: &[(&str, Holds)] = &[
    ("team_name", Holds::Text),
    ("member_ids", Holds::Numbers),
    ("ext_ref", Holds::Text),
];

const SEED: &[(&str, &str, &str, &str, &str)] = &[
    ("ada", "Ada", "Example", "Head of Examples", "Examples"),
    ("ben", "Ben", "Sample", "Operator", "Operations"),
    ("cleo", "Cleo", "Placeholder", "Operator", "Operations"),
    ("dan", "Dan", "Fixture", "Tester", "Quality"),
    ("eve", "Eve", "Specimen", "Archivist", "Records"),
];

/// People and teams together.
const MAX_RECORDS: usize = 10_000;
/// The longest text, in bytes.
const MAX_TEXT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_whole() {
        let store = Store::seeded();
        assert_eq!(store.all(Table::People).count(), 5);
        let team = store.all(Table::Teams).next().unwrap();
        assert_eq!(
            team.fields.attr("member_ids"),
            Some(&json!(["1", "2", "3"]))
        );
        assert_eq!(
            store.read(Table::People, 1).unwrap().fields.attr("no"),
            Some(&json!(1))
        );
    }

    #[test]
    fn a_login_is_taken_without_regard_to_case_until_it_is_given_up() {
        let mut store = Store::seeded();
        let taken = store
            .create(Table::People, &json!({ "login": "ADA" }))
            .unwrap_err();
        assert_eq!(taken, StoreError::Taken { field: "login" });
        store
            .replace(Table::People, 1, &json!({ "login": "Ada" }), |_| true)
            .unwrap();
        store
            .replace(Table::People, 1, &json!({ "login": "countess" }), |_| true)
            .unwrap();
        store
            .create(Table::People, &json!({ "login": "ADA" }))
            .unwrap();
        let taken = store.replace(Table::People, 1, &json!({ "login": "ada" }), |_| true);
        assert_eq!(taken.unwrap_err(), StoreError::Taken { field: "login" });
        store.delete(Table::People, 1, |_| true).unwrap();
        store
            .create(Table::People, &json!({ "login": "Countess" }))
            .unwrap();
    }

    #[test]
    fn a_member_that_goes_leaves_its_teams() {
        let mut store = Store::seeded();
        let body = json!({ "team_name": "T", "member_ids": [2, "2", "1"] });
        let no = store.create(Table::Teams, &body).unwrap().no;
        store.delete(Table::People, 2, |_| true).unwrap();
        let team = store.read(Table::Teams, no).unwrap();
        assert_eq!(team.fields.attr("member_ids"), Some(&json!(["1"])));
        assert_eq!(team.version, 2);
        let unknown = json!({ "team_name": "U", "member_ids": ["2"] });
        assert!(matches!(
            store.create(Table::Teams, &unknown),
            Err(StoreError::Field(_))
        ));
    }

    #[test]
    fn odd_fields_are_refused_or_dropped() {
        let mut store = Store::default();
        for body in [
            json!([]),
            json!({}),
            json!({ "login": " " }),
            json!({ "login": 7 }),
            json!({ "login": "x", "status": "gone" }),
            json!({ "login": "x", "note": "n".repeat(2000) }),
        ] {
            let refused = store.create(Table::People, &body);
            assert!(matches!(refused, Err(StoreError::Field(_))), "{body}");
        }
        let body = json!({ "login": "x", "password": "p", "no": 99, "mail": null });
        let record = store.create(Table::People, &body).unwrap();
        assert_eq!(record.no, 1);
        assert_eq!(
            Value::from(record.fields.clone()),
            json!({ "no": 1, "login": "x", "status": "staff" })
        );
    }

    #[test]
    fn there_is_an_end() {
        let mut store = Store::default();
        for n in 0..MAX_RECORDS {
            store.people.records.insert(
                n as u64 + 2,
                Record {
                    no: n as u64 + 2,
                    version: 1,
                    fields: Resource::new(),
                },
            );
        }
        let full = store.create(Table::People, &json!({ "login": "x" }));
        assert_eq!(full.unwrap_err(), StoreError::Full);
    }
}
