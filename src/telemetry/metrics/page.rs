//! One answer of `/metrics`: series gathered by family, written as text.

use std::collections::HashMap;

use prometheus::TextEncoder;
use prometheus::core::Metric;
use prometheus::proto;

use super::families::{FAMILIES, Family};
use super::tenant::Slot;

/// The series of this moment.
#[derive(Debug, Default)]
pub(super) struct Page(HashMap<&'static str, Vec<proto::Metric>>);

impl Page {
    /// A series.
    pub(super) fn add(&mut self, family: &Family, series: proto::Metric) {
        self.0.entry(family.name).or_default().push(series);
    }

    /// A series that is kept.
    pub(super) fn kept(&mut self, family: &Family, series: &impl Metric) {
        self.add(family, series.metric());
    }

    /// Those that were made.
    pub(super) fn slots<'s, C: Metric + 's>(
        &mut self,
        family: &Family,
        slots: impl IntoIterator<Item = &'s Slot<C>>,
    ) {
        let made = slots.into_iter().filter_map(Slot::made);
        let series = self.0.entry(family.name).or_default();
        series.extend(made.map(Metric::metric));
    }

    /// The text: families in the order of their table, series in the order of their labels.
    pub(super) fn text(mut self) -> String {
        let mut families = Vec::new();
        for family in FAMILIES {
            let Some(mut series) = self.0.remove(family.name).filter(|s| !s.is_empty()) else {
                continue;
            };
            series.sort_by(|a, b| values(a).cmp(values(b)));
            families.push(family.with(series));
        }
        // It refuses only families without series.
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_default()
    }
}

fn values(series: &proto::Metric) -> impl Iterator<Item = &str> {
    series.get_label().iter().map(proto::LabelPair::value)
}
