//! W3C Trace Context: which trace a request belongs to, read from its head and written into the
//! head of those that it leads to.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::hex::decode as unhex;

/// Names a trace; never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// Names a span of a trace; never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// What `traceparent` and `tracestate` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span that caused the request.
    pub parent: SpanId,
    /// The flags of version 00.
    pub flags: u8,
    /// What tracing systems say to one another; not ours to understand.
    pub state: Option<Arc<str>>,
}

impl TraceId {
    /// A random one.
    #[must_use]
    pub fn random() -> Self {
        Self((u128::from(random()) << 64 | u128::from(random())).to_be_bytes())
    }

    /// A number that is spread evenly over all traces: everybody who samples by it agrees.
    #[must_use]
    pub fn share(self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl SpanId {
    /// A random one.
    #[must_use]
    pub fn random() -> Self {
        Self(random().to_be_bytes())
    }
}

impl TraceContext {
    /// What a head says of it: `None` where it says nothing, or anything but one valid
    /// `traceparent`. A `tracestate` that is not well formed is left out.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let (line, None) = (lines.next()?, lines.next()) else {
            return None;
        };
        let mut context = Self::parse(line.as_bytes())?;
        context.state = state(headers);
        Some(context)
    }

    /// `version-trace-parent-flags`. A version that we do not know may go on after that; of it we
    /// understand what 00 has, and say 00 ourselves.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, more) = text.split_at_checked(LENGTH)?;
        let [b'-', b'-', b'-'] = [2, 35, 52].map(|at| known.get(at).copied().unwrap_or_default())
        else {
            return None;
        };
        let [version] = unhex(known.get(..2)?)?;
        let (trace, parent) = (unhex(known.get(3..35)?)?, unhex(known.get(36..52)?)?);
        let [flags] = unhex(known.get(53..55)?)?;
        let fits = match version {
            0 => more.is_empty(),
            1..=254 => more.first().is_none_or(|next| *next == b'-'),
            255 => false,
        };
        let named = trace != [0; 16] && parent != [0; 8];
        (fits && named).then_some(Self {
            trace: TraceId(trace),
            parent: SpanId(parent),
            flags: if version == 0 { flags } else { flags & KNOWN },
            state: None,
        })
    }

    /// The beginning of a trace that is recorded.
    #[must_use]
    pub fn new(trace: TraceId, span: SpanId) -> Self {
        Self {
            trace,
            parent: span,
            flags: SAMPLED,
            state: None,
        }
    }

    /// Whether whoever sent this records the trace.
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The same trace as seen from another span of it.
    #[must_use]
    pub fn under(&self, parent: SpanId) -> Self {
        Self {
            parent,
            ..self.clone()
        }
    }

    /// Writes the headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.to_string()) {
            headers.insert(TRACEPARENT, value);
        }
        let state = self.state.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(value)) = state {
            headers.insert(TRACESTATE, value);
        }
    }
}

/// The value of `traceparent`, as version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.parent, self.flags)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// All lines as one list: at most 32 members and 512 bytes of it, as the standard bounds what has
/// to be handed on. Where that is too much, long members go first, then those at the end.
fn state(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut members = Vec::new();
    for line in headers.get_all(TRACESTATE) {
        let line = line.to_str().ok()?;
        for member in line.split(',').map(|part| part.trim_matches([' ', '\t'])) {
            if member.is_empty() {
                continue;
            }
            if !is_member(member) || members.len() == MEMBERS {
                return None;
            }
            members.push(member);
        }
    }
    let long = |members: &[&str]| {
        let commas = members.len().saturating_sub(1);
        members.iter().map(|member| member.len()).sum::<usize>() + commas > STATE
    };
    if long(&members) {
        members.retain(|member| member.len() <= LONG_MEMBER);
    }
    while long(&members) {
        members.pop();
    }
    (!members.is_empty()).then(|| members.join(",").into())
}

/// `key=value`, or `tenant@system=value`.
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    let of_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    let begins = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let of_value = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b',' | b'=');
    key.len() <= 256
        && key.bytes().all(of_key)
        && begins(key.as_bytes().first())
        && key.matches('@').count() <= 1
        && (1..=256).contains(&value.len())
        && value.bytes().all(of_value)
}

/// Hash keys are the randomness that `std` has: from the system once for each thread, and other
/// ones at each call.
fn random() -> u64 {
    // Once in 2^64 times this would be no id.
    RandomState::new().hash_one(0_u8).max(1)
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;
/// Sampled, and random trace id.
const KNOWN: u8 = 3;
const MEMBERS: usize = 32;
const STATE: usize = 512;
const LONG_MEMBER: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn read(parent: &str) -> Option<String> {
        TraceContext::read(&headers(&[("traceparent", parent)])).map(|c| c.to_string())
    }

    fn state_of(lines: &[&str]) -> Option<String> {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let mut all = vec![("traceparent", parent.as_str())];
        all.extend(lines.iter().map(|line| ("tracestate", *line)));
        let context = TraceContext::read(&headers(&all)).unwrap();
        context.state.map(|state| state.to_string())
    }

    #[test]
    fn version_00_is_handed_on_as_it_came() {
        for flags in ["00", "01", "02", "03", "ff"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            assert_eq!(read(&text).as_deref(), Some(&*text));
        }
    }

    #[test]
    fn of_later_versions_the_known_part_is_understood() {
        for (text, flags) in [
            (format!("01-{TRACE}-{SPAN}-01"), "01"),
            (format!("cc-{TRACE}-{SPAN}-ff-what.the.future-brings"), "03"),
            (format!("fe-{TRACE}-{SPAN}-04-"), "00"),
        ] {
            assert_eq!(read(&text), Some(format!("00-{TRACE}-{SPAN}-{flags}")));
        }
        assert_eq!(read(&format!("01-{TRACE}-{SPAN}-01.more")), None);
    }

    #[test]
    fn what_is_not_valid_is_nothing() {
        for bad in [
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0G"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}"),
            "00".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
        let text = format!("00-{TRACE}-{SPAN}-01");
        let twice = headers(&[("traceparent", &text), ("traceparent", &text)]);
        assert_eq!(TraceContext::read(&twice), None);
    }

    #[test]
    fn state_is_one_list_within_bounds() {
        assert_eq!(state_of(&[]), None);
        assert_eq!(
            state_of(&["a=1, b@c=2 ,", "", "d=x y"]).unwrap(),
            "a=1,b@c=2,d=x y"
        );
        for bad in [
            "a", "A=1", "a=", "=1", "a@b@c=1", "a=1=2", "@a=1", "a=\u{e9}",
        ] {
            assert_eq!(state_of(&["good=1", bad]), None, "{bad}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=1")).collect();
        assert!(state_of(&[&many[..32].join(",")]).is_some());
        assert_eq!(state_of(&[&many.join(",")]), None);
        // The longest member goes, then the last one.
        let long = format!("long={}", "x".repeat(200));
        let short = |n: usize| format!("s{n}={}", "y".repeat(100));
        let list = [short(0), long, short(1), short(2), short(3), short(4)].join(",");
        let kept = [short(0), short(1), short(2), short(3)].join(",");
        assert_eq!(state_of(&[&list]).unwrap(), kept);
    }

    #[test]
    fn without_a_parent_state_means_nothing() {
        assert_eq!(TraceContext::read(&headers(&[("tracestate", "a=1")])), None);
    }

    #[test]
    fn ids_differ() {
        let spans: std::collections::HashSet<_> = (0..1_000).map(|_| SpanId::random()).collect();
        assert_eq!(spans.len(), 1_000);
        let traces: std::collections::HashSet<_> = (0..1_000).map(|_| TraceId::random()).collect();
        assert_eq!(traces.len(), 1_000);
    }

    proptest! {
        #[test]
        fn whatever_comes_what_goes_on_is_valid(text in "[0-9a-f-]{50,60}|\\PC{0,60}") {
            if let Some(context) = TraceContext::parse(text.as_bytes()) {
                prop_assert_eq!(TraceContext::parse(context.to_string().as_bytes()), Some(context));
            }
        }

        #[test]
        fn whatever_state_comes_what_goes_on_is_bounded(text in "[ -~]{0,900}|([a-c]=[x-z]{0,150},?){0,40}") {
            if let Some(state) = state(&headers(&[("tracestate", &text)])) {
                prop_assert!(state.len() <= STATE);
                prop_assert!(state.split(',').all(is_member));
            }
        }
    }
}
