//! References `bulkId:…`: what an operation refers to, in which order a series must run, and real
//! ids in the place of references.

use std::collections::{BTreeSet, HashMap, HashSet};

use http::Method;
use serde_json::Value;

use crate::gateway::door;
use crate::gateway::error::{BulkReference, GatewayError};
use crate::scim::ResourceId;
use crate::scim::message::BulkOperation;

/// What has been made, by the client's own names; `None` where that failed.
pub(super) type Made = HashMap<String, Option<ResourceId>>;

/// The order of a series: as it came, but what is referred to comes first.
pub(super) struct Order {
    /// Operations that wait for no other.
    ready: BTreeSet<usize>,
    /// For every other one: for how many it waits.
    waiting: HashMap<usize, usize>,
    /// Who waits for a `bulkId`.
    dependants: HashMap<String, Vec<usize>>,
    /// The `bulkId` that an operation makes, and the references of each operation.
    makes: HashMap<usize, String>,
    refers: Vec<BTreeSet<String>>,
    /// Those that wait in a circle, or behind one.
    circular: BTreeSet<usize>,
    /// What has been made so far.
    pub(super) made: Made,
}

impl Order {
    pub(super) fn of(operations: &[BulkOperation]) -> Self {
        let mut makes = HashMap::new();
        let mut by_id: HashSet<&str> = HashSet::new();
        for (index, operation) in operations.iter().enumerate() {
            if let (&Method::POST, Some(id)) = (&operation.method, &operation.bulk_id) {
                // The reader of the request has seen to it that no two have the same.
                by_id.insert(id);
                makes.insert(index, id.clone());
            }
        }
        let refers: Vec<_> = operations.iter().map(references).collect();
        let mut order = Self {
            ready: BTreeSet::new(),
            waiting: HashMap::new(),
            dependants: HashMap::new(),
            makes,
            refers: Vec::new(),
            circular: BTreeSet::new(),
            made: HashMap::new(),
        };
        for (index, names) in refers.iter().enumerate() {
            // What nobody makes is not waited for; the operation will say so.
            let known: Vec<_> = names
                .iter()
                .filter(|name| by_id.contains(name.as_str()))
                .collect();
            if known.is_empty() {
                order.ready.insert(index);
            } else {
                order.waiting.insert(index, known.len());
            }
            for name in known {
                order
                    .dependants
                    .entry(name.clone())
                    .or_default()
                    .push(index);
            }
        }
        order.refers = refers;
        order
    }

    /// The next operation, and what is wrong with its references.
    pub(super) fn next(&mut self) -> Option<(usize, Result<(), BulkReference>)> {
        if let Some(index) = self.ready.pop_first() {
            return Some((index, self.checked(index)));
        }
        // What waits when nothing is ready waits for itself.
        self.circular
            .extend(self.waiting.drain().map(|(index, _)| index));
        let index = self.circular.pop_first()?;
        Some((index, Err(BulkReference::Circular)))
    }

    fn checked(&self, index: usize) -> Result<(), BulkReference> {
        for name in self.refers.get(index).into_iter().flatten() {
            match self.made.get(name) {
                None => return Err(BulkReference::Unknown(name.clone())),
                Some(None) => return Err(BulkReference::Failed(name.clone())),
                Some(Some(_)) => {}
            }
        }
        Ok(())
    }

    /// An operation is done; `id` is that of what it made.
    pub(super) fn done(&mut self, index: usize, id: Option<ResourceId>) {
        let Some(name) = self.makes.remove(&index) else {
            return;
        };
        for dependant in self.dependants.remove(&name).unwrap_or_default() {
            if let Some(count) = self.waiting.get_mut(&dependant) {
                *count -= 1;
                if *count == 0 {
                    self.waiting.remove(&dependant);
                    self.ready.insert(dependant);
                }
            }
        }
        self.made.insert(name, id);
    }
}

/// The decoded path under the Tenant URL, with real ids in the place of references. The URL itself
/// may stand before it, as in the locations that we give.
pub(super) fn path(url: &str, text: &str, made: &Made) -> Result<String, GatewayError> {
    if text.contains(['?', '#']) {
        return Err(GatewayError::Path("of an operation has no query"));
    }
    let decoded = door::canonical_path(text.strip_prefix(url).unwrap_or(text))?;
    let segments = decoded.split('/').map(|segment| {
        match reference(segment).and_then(|name| made.get(name)) {
            Some(Some(id)) => id.as_str(),
            Some(None) | None => segment,
        }
    });
    Ok(segments.collect::<Vec<_>>().join("/"))
}

/// All that an operation refers to.
fn references(operation: &BulkOperation) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    names.extend(
        operation
            .path
            .split('/')
            .filter_map(reference)
            .map(str::to_owned),
    );
    if let Some(data) = &operation.data {
        each_string(data, &mut |text| {
            names.extend(reference(text).map(str::to_owned))
        });
    }
    names
}

fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("bulkId:").filter(|name| !name.is_empty())
}

fn each_string(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| each_string(value, see)),
        Value::Object(map) => map.values().for_each(|value| each_string(value, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts real ids in the place of references.
pub(super) fn resolve(value: &mut Value, made: &Made) {
    match value {
        Value::String(text) => {
            if let Some(Some(id)) = reference(text).and_then(|name| made.get(name)) {
                *text = id.as_str().to_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| resolve(value, made)),
        Value::Object(map) => map.values_mut().for_each(|value| resolve(value, made)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operation(method: Method, bulk_id: Option<&str>, path: &str, data: Value) -> BulkOperation {
        BulkOperation {
            method,
            bulk_id: bulk_id.map(str::to_owned),
            version: None,
            path: path.to_owned(),
            data: Some(data),
        }
    }

    fn post(bulk_id: &str, refers: &[&str]) -> BulkOperation {
        let members: Vec<_> = refers
            .iter()
            .map(|name| json!({"value": format!("bulkId:{name}")}))
            .collect();
        operation(
            Method::POST,
            Some(bulk_id),
            "/Groups",
            json!({"members": members}),
        )
    }

    /// The order in which a series runs, every operation making the id `made-N`.
    fn order(operations: &[BulkOperation]) -> Vec<(usize, Result<(), BulkReference>)> {
        let mut order = Order::of(operations);
        let mut run = Vec::new();
        while let Some((index, checked)) = order.next() {
            let made = checked
                .is_ok()
                .then(|| format!("made-{index}").parse().unwrap());
            order.done(index, made);
            run.push((index, checked));
        }
        run
    }

    #[test]
    fn what_is_referred_to_comes_first_and_all_else_as_it_came() {
        let series = [
            post("a", &["c", "c"]),
            post("b", &[]),
            post("c", &["d"]),
            post("d", &[]),
        ];
        let indices: Vec<_> = order(&series).into_iter().map(|(index, _)| index).collect();
        assert_eq!(indices, [1, 3, 2, 0]);
    }

    #[test]
    fn circles_and_what_waits_behind_them_are_refused_and_the_rest_runs() {
        let series = [
            post("a", &["b"]),
            post("b", &["a"]),
            post("behind", &["a"]),
            post("self", &["self"]),
            post("free", &[]),
        ];
        let run = order(&series);
        assert_eq!(run.len(), 5);
        assert_eq!(run[0], (4, Ok(())));
        for (_, checked) in &run[1..] {
            assert_eq!(*checked, Err(BulkReference::Circular));
        }
    }

    #[test]
    fn references_to_nothing_and_to_failures() {
        let run = order(&[post("a", &["nowhere"]), post("b", &["a"]), post("c", &[])]);
        assert_eq!(
            run,
            [
                (0, Err(BulkReference::Unknown("nowhere".to_owned()))),
                (1, Err(BulkReference::Failed("a".to_owned()))),
                (2, Ok(())),
            ]
        );
    }

    #[test]
    fn references_are_resolved_in_paths_and_values_and_nowhere_else() {
        let made = HashMap::from([("x".to_owned(), Some("42".parse().unwrap()))]);
        let mut data = json!({
            "bulkId:x": "bulkId:x", "deep": [{"value": "bulkId:x"}], "text": "see bulkId:x",
        });
        resolve(&mut data, &made);
        assert_eq!(
            data,
            json!({"bulkId:x": "42", "deep": [{"value": "42"}], "text": "see bulkId:x"})
        );
        let url = "https://a.example/v2";
        for (text, wanted) in [
            ("/Users/bulkId:x", "/Users/42"),
            ("https://a.example/v2/Users/7", "/Users/7"),
            ("/Users/bulkId:y", "/Users/bulkId:y"),
        ] {
            assert_eq!(path(url, text, &made).unwrap(), wanted);
        }
        for bad in ["/Users/1?filter=x", "/Users/..", "Users", "", "/Users//1"] {
            assert!(path(url, bad, &made).is_err(), "{bad}");
        }
    }

    #[test]
    fn ten_thousand_references_take_no_time() {
        let names: Vec<_> = (0..1_000).map(|number| format!("n{number}")).collect();
        let series: Vec<_> = (0..1_000_usize)
            .map(|number| {
                let later = names.iter().skip(number + 1).take(10).map(String::as_str);
                post(&names[number], &later.collect::<Vec<_>>())
            })
            .collect();
        let run = order(&series);
        assert!(run.iter().all(|(_, checked)| checked.is_ok()));
        assert_eq!(run[0].0, 999);
    }
}
