//! The key `audit`: where the trail goes, and what becomes of writes when it cannot.
//!
//! ```yaml
//! audit:
//!   file: audit/audit.ndjson        # or stdout
//!   key_file: audit.key             # keys the chain and the digests: openssl rand -hex 32
//!   rotate: {size: 100MiB, keep: 30, daily: false}
//!   when_full: fail-closed          # or drop-and-count
//!   wait: 250ms                     # so long a write waits for its record at most
//!   sync: always                    # or batch (once a second), never
//! ```

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{GIB, KIB, Reader};
use crate::audit::{Place, Rotate, Settings, Sync, WhenFull};
use crate::yaml::{Node, Table};

impl Reader<'_> {
    pub(super) fn audit(&mut self, node: &Node) -> Option<Settings> {
        let mut table = Table::open(self.source, node, "`audit`", &mut self.found)?;
        let file = table.required("file", &mut self.found);
        let key = table.optional("key_file");
        let rotate = table.optional("rotate");
        let when_full = table.optional("when_full");
        let wait = table.optional("wait");
        let sync = table.optional("sync");
        table.finish(&mut self.found);
        let place = file.and_then(|node| self.place(node));
        let key_file = key.and_then(|node| self.path(node));
        let stdout = place == Some(Place::Stdout);
        let mut settings = Settings::at(place.unwrap_or(Place::Stdout));
        settings.key_file = key_file;
        if let Some(node) = rotate {
            if stdout {
                let help = "whoever collects standard output rotates it: leave `rotate` out";
                self.error(node.span, "standard output has no files", help);
            }
            self.rotate(node, &mut settings.rotate);
        }
        let words = ["fail-closed", "drop-and-count"];
        if when_full.and_then(|node| self.word(node, &words)) == Some(1) {
            settings.when_full = WhenFull::DropAndCount;
        }
        self.time(wait, &mut settings.wait, &WAIT);
        match sync.and_then(|node| self.word(node, &["always", "batch", "never"])) {
            Some(1) => settings.sync = Sync::Batch,
            Some(2) => settings.sync = Sync::Never,
            _ => {}
        }
        Some(settings)
    }

    fn place(&mut self, node: &Node) -> Option<Place> {
        // A file of this name is `./stdout`.
        if node.string(self.source, &mut self.found)? == "stdout" {
            return Some(Place::Stdout);
        }
        Some(Place::File(self.path(node)?))
    }

    fn rotate(&mut self, node: &Node, rotate: &mut Rotate) {
        let Some(mut table) = Table::open(self.source, node, "`rotate`", &mut self.found) else {
            return;
        };
        let mut size = usize::try_from(rotate.size).unwrap_or(GIB);
        self.size(table.optional("size"), &mut size, 64 * KIB..=64 * GIB);
        rotate.size = u64::try_from(size).unwrap_or(u64::MAX);
        self.count(table.optional("keep"), &mut rotate.keep, 1..=100_000);
        let daily = table.optional("daily");
        table.finish(&mut self.found);
        if let Some(daily) = daily.and_then(|node| node.boolean(self.source, &mut self.found)) {
            rotate.daily = daily;
        }
    }
}

const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::yaml::Source;

    fn read(audit: &str) -> Result<Option<Settings>, String> {
        let text = format!("tls: {{certificate: a, key: b}}\n{audit}");
        let source = Source::new("postern.yaml", text);
        let config = Config::parse(&source, Path::new("/etc/postern"));
        config
            .map(|config| config.audit)
            .map_err(|found| found.render(false))
    }

    #[test]
    fn there_is_no_trail_unless_it_is_asked_for() {
        assert_eq!(read(""), Ok(None));
        let settings = read("audit: {file: stdout}").unwrap().unwrap();
        assert_eq!(settings, Settings::at(Place::Stdout));
        assert_eq!(
            (settings.when_full, settings.sync),
            (WhenFull::FailClosed, Sync::Always)
        );
    }

    #[test]
    fn the_manual_s_example_says_the_defaults() {
        let manual = include_str!("audit.rs")
            .lines()
            .skip_while(|line| *line != "//! ```yaml")
            .skip(1)
            .take_while(|line| *line != "//! ```");
        let yaml: Vec<_> = manual
            .filter_map(|line| line.strip_prefix("//! "))
            .collect();
        let mut wanted = Settings::at(Place::File("/etc/postern/audit/audit.ndjson".into()));
        wanted.key_file = Some("/etc/postern/audit.key".into());
        assert_eq!(read(&yaml.join("\n")), Ok(Some(wanted)));
    }

    #[test]
    fn every_key_is_taken() {
        let settings = read(
            "audit: {file: ./stdout, key_file: /k, rotate: {size: 1MiB, keep: 2, daily: true}, \
             when_full: drop-and-count, wait: 1s, sync: never}",
        );
        let wanted = Settings {
            place: Place::File("/etc/postern/./stdout".into()),
            rotate: Rotate {
                size: 1 << 20,
                keep: 2,
                daily: true,
            },
            when_full: WhenFull::DropAndCount,
            wait: Duration::from_secs(1),
            sync: Sync::Never,
            key_file: Some("/k".into()),
        };
        assert_eq!(settings, Ok(Some(wanted)));
    }

    #[test]
    fn every_mistake_is_reported_in_one_go() {
        insta::assert_snapshot!(read(
            "audit: {fil: x, key_file: \"\", rotate: {size: 1KiB, keep: 0, daily: sometimes, days: 3},
        when_full: fail-open, wait: 1m, sync: often}"
        ).unwrap_err());
        insta::assert_snapshot!(read("audit: {file: stdout, rotate: {keep: 3}}").unwrap_err());
    }
}
