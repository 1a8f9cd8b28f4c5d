//! The certificates of an account, and whether it has to show one.
//!
//! ```yaml
//! certificates:
//!   - {subject: "CN=okta,O=Example"}     # as `openssl x509 -noout -subject -nameopt RFC2253` says
//!   - {san: "dns:okta.example.com"}      # or uri:, email:, ip:
//!   - {sha256: "…"}                      # of the whole certificate
//! requires: both                         # or token, certificate
//! ```

use super::{Reader, short, text};
use crate::auth::certificates::{CertificateName, Requires};
use crate::net::certificate::name;
use crate::yaml::{Node, Table, Value, suggest};

impl<'a> Reader<'a> {
    pub(super) fn certificates(&mut self, node: Option<&'a Node>) -> Vec<CertificateName> {
        // `certificates:` with nothing behind it is what is left when the last was taken out.
        let items = self.list(node.filter(|node| node.value != Value::Null));
        items
            .iter()
            .filter_map(|item| self.certificate(item))
            .collect()
    }

    fn certificate(&mut self, item: &'a Node) -> Option<CertificateName> {
        let mut table = Table::open(self.source, item, "a certificate", &mut self.found)?;
        let keys = ["subject", "san", "sha256"].map(|key| table.optional(key));
        table.finish(&mut self.found);
        let given: Vec<&Node> = keys.iter().flatten().copied().collect();
        let [node] = given[..] else {
            self.error(item.span, "a certificate has one name here", HELP);
            return None;
        };
        let written = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        let [subject, san, _] = keys;
        let (name, help) = if subject.is_some() {
            let subject = name::parse(written).map(CertificateName::Subject);
            (
                subject,
                "such as `CN=okta,O=Example`, the last part of the name first",
            )
        } else if san.is_some() {
            let san = name::alternative(written).map(CertificateName::Other);
            (
                san,
                "`dns:NAME`, `uri:URI`, `email:ADDRESS` or `ip:ADDRESS`",
            )
        } else {
            let hash = fingerprint(written).map(CertificateName::Sha256);
            (
                hash,
                "64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints them",
            )
        };
        let Some(name) = name else {
            let message = format!("`{}` is no name of a certificate", short(written));
            self.error(node.span, message, help);
            return None;
        };
        if let Some(first) = self.certificates.insert(name.clone(), node.span) {
            let message = "this certificate is named before: one of the two cannot be meant";
            self.twice(node.span, message, first);
        }
        Some(name)
    }

    /// What an account has to prove. `other` says whether it can prove itself without one of these
    /// certificates.
    pub(super) fn requires(
        &mut self,
        node: Option<&'a Node>,
        certificates: &[CertificateName],
        other: bool,
    ) -> Requires {
        let default = if certificates.is_empty() || other {
            Requires::Token
        } else {
            Requires::Certificate
        };
        let Some(node) = node else {
            return default;
        };
        let Some(word) = node.string(self.source, &mut self.found) else {
            return default;
        };
        let all = [Requires::Token, Requires::Certificate, Requires::Both];
        let Some(requires) = all.into_iter().find(|known| known.as_str() == word) else {
            let words = all.map(Requires::as_str);
            let help = match suggest(word, words) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of {}", words.join(", ")),
            };
            self.error(
                node.span,
                format!("`{}` is not known here", short(word)),
                help,
            );
            return default;
        };
        if requires != Requires::Token && certificates.is_empty() {
            let help = "`certificates: [{subject: \"CN=okta,O=Example\"}]` says which";
            self.error(node.span, "the account has no certificates", help);
        }
        requires
    }
}

/// With colons or without.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    rest.is_empty().then(|| bytes.try_into().ok()).flatten()
}

const HELP: &str = "`subject: \"CN=okta,O=Example\"`, `san: \"dns:okta.example.com\"` or \
                    `sha256: \"…\"`, each in an item of its own";

#[cfg(test)]
mod tests {
    use super::super::{Files, load};
    use crate::yaml::Source;

    fn findings(account: &str) -> String {
        let text = format!(
            "roles: {{}}\naccounts:\n  - {{name: a, roles: [], tenants: [], {account}}}\n  \
             - {{name: b, roles: [], tenants: [], certificates: [{{subject: \"CN=b\"}}]}}\n"
        );
        let found = load(&Source::new("access.yaml", text), &Files::default()).err();
        found.unwrap_or_default().render(false)
    }

    #[test]
    fn what_is_meant_is_taken() {
        let hash = "AB:".repeat(31) + "cd";
        for fine in [
            "certificates: [{subject: \"cn = x , O=y\"}, {san: \"dns:a.b\"}]".to_owned(),
            format!("certificates: [{{sha256: \"{hash}\"}}], requires: both"),
            "certificates: , requires: token".to_owned(),
            "certificates: []".to_owned(),
        ] {
            assert_eq!(findings(&fine), "", "{fine}");
        }
    }

    #[test]
    fn every_mistake_is_told() {
        let mut all = String::new();
        for wrong in [
            "certificates: [{subject: okta}, {san: okta.example.com}, {sha256: abc}]",
            "certificates: [{}, {subject: \"CN=x\", san: \"dns:x\"}, x, {subjekt: x}]",
            "certificates: [{subject: \"cn=b\"}]",
            "certificates: [{san: \"dns:X\"}, {san: \"dns:x\"}]",
            "requires: certificate",
            "requires: both, certificates: []",
            "requires: tokens",
            "requires: [both], certificates: x",
        ] {
            all += &format!("{wrong}\n{}\n\n", findings(wrong));
        }
        insta::assert_snapshot!(all);
    }
}
