//! Buckets, with time as an argument.

use proptest::prelude::*;

use super::super::access::tests::authenticator;
use super::*;
use crate::yaml;

fn read(text: &str) -> Result<Rate, String> {
    let source = Source::new("access.yaml", text);
    let node = yaml::parse(&source).unwrap();
    let mut found = Diagnostics::default();
    let rate = Rate::read(&node, &source, &mut found);
    if found.has_errors() {
        return Err(found.iter().map(Diagnostic::one_line).collect());
    }
    Ok(rate.unwrap())
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn rates_as_written() {
    let shown = |text| read(text).map(|rate| rate.to_string());
    assert_eq!(
        shown("{requests: 50/s, burst: 100}").as_deref(),
        Ok("50/s, 100 at once")
    );
    assert_eq!(
        shown("{requests: 600/m}").as_deref(),
        Ok("600/m, 600 at once")
    );
    assert_eq!(
        shown("requests: \"1/h\"\nburst: 1000000").as_deref(),
        Ok("1/h, 1000000 at once")
    );
    for text in [
        "{}",
        "{burst: 5}",
        "{requests: 50}",
        "{requests: 0/s}",
        "{requests: 1000001/s}",
        "{requests: 50/d}",
        "{requests: 50/S}",
        "{requests: 50/}",
        "{requests: /s}",
        "{requests: +5/s}",
        "{requests: 1.5/s}",
        "{requests: 50 / s}",
        "{requests: 50s}",
        "{requests: [50/s]}",
        "{requests: 50/s, burst: 0}",
        "{requests: 50/s, burst: 1000001}",
        "{requests: 50/s, burst: -1}",
        "{requests: 50/s, burst: many}",
        "{requests: 50/s, bursts: 5}",
        "50/s",
        "[]",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_burst_and_then_the_rate() {
    let (rate, bucket) = (Rate::per_second(10, 3), Bucket::default());
    let take = |now| bucket.take(rate, 1, 1, at(now));
    assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
    assert_eq!(take(0), Err(at(100)));
    assert_eq!(take(40), Err(at(60)));
    assert_eq!((take(100), take(100)), (Ok(()), Err(at(100))));
    // A long rest gives a burst, not more.
    assert_eq!([take(9_000), take(9_000), take(9_000)], [Ok(()); 3]);
    assert_eq!(take(9_000), Err(at(100)));
}

#[test]
fn seconds_to_wait_are_whole_and_enough() {
    for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
        assert_eq!(whole_seconds(at(millis)), seconds, "{millis}");
    }
    assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
}

/// Accounts `a`, with this rate, and `b`, without.
fn access(rate: &str) -> Authenticator {
    authenticator(&format!(
        "roles: {{}}\naccounts:\n  - {{name: a, roles: [], tenants: [], rate: {rate}}}\n  \
         - {{name: b, roles: [], tenants: []}}\n"
    ))
}

#[test]
fn an_account_s_bucket_outlives_a_reload_that_does_not_change_its_rate() {
    let rates = Rates::default();
    let take = |access: &Authenticator| rates.take(&access.caller_for_test("a"), at(0)).is_ok();
    let old = access("{requests: 1/h, burst: 2}");
    assert_eq!([take(&old), take(&old), take(&old)], [true, true, false]);
    let same = access("{requests: 1/h, burst: 2}");
    rates.prune(&same);
    assert!(!take(&same));
    let free = same.caller_for_test("b");
    assert!((0..1_000).all(|_| rates.take(&free, at(0)).is_ok()));
    assert_eq!(rates.buckets().len(), 1, "who has no rate has no bucket");

    let more = access("{requests: 60/h, burst: 1}");
    assert_eq!([take(&more), take(&more)], [true, false]);

    rates.prune(&authenticator("roles: {}\naccounts: []\n"));
    assert_eq!(rates.buckets().len(), 0);
    let without = authenticator("roles: {}\naccounts: [{name: a, roles: [], tenants: []}]\n");
    assert!(take(&without) && take(&more));
    rates.prune(&without);
    assert_eq!(rates.buckets().len(), 0, "its rate is gone");
}

#[test]
fn operations_of_one_request_count_each() {
    let rates = Rates::default();
    let access = access("{requests: 1/s, burst: 10}");
    let caller = access.caller_for_test("a");
    // As a bulk request has it: the request first, then what it holds beyond one.
    let bulk = |operations: usize, now| {
        rates.take(&caller, at(now))?;
        rates.take_more(&caller, operations.saturating_sub(1), at(now))
    };
    assert_eq!(bulk(4, 0), Ok(()));
    assert_eq!(bulk(6, 0), Ok(()));
    assert_eq!(bulk(1, 0), Err(at(1_000)));
    // Not enough for all of it: nothing but the request itself is taken, and the wait is right.
    assert_eq!(bulk(5, 2_000), Err(at(4_000)));
    assert_eq!(bulk(5, 6_000), Ok(()));
    assert_eq!(bulk(0, 6_000), Err(at(1_000)));
    // More than the bucket holds, out of a full one: the debt is paid before the next.
    assert_eq!(bulk(30, 60_000), Ok(()));
    assert_eq!(bulk(1, 80_000), Err(at(1_000)));
    assert_eq!(bulk(1, 81_000), Ok(()));
}

proptest! {
    /// Whatever comes when: within any stretch of time no more than the burst and what the time
    /// gives; and who waits as told gets what they ask for.
    #[test]
    fn never_more_than_written_and_nobody_starves(
        count in 1u64..2_000,
        per in prop::sample::select(vec![Per::Second, Per::Minute, Per::Hour]),
        burst in 1u64..50,
        steps in prop::collection::vec(0u64..2_000_000_000, 1..200),
    ) {
        let rate = Rate { count, per, burst };
        let bucket = Bucket::default();
        let mut now = 0;
        let mut taken = Vec::new();
        for step in steps {
            now += step;
            match bucket.take(rate, 1, 1, Duration::from_nanos(now)) {
                Ok(()) => taken.push(now),
                Err(wait) => {
                    prop_assert!(wait > Duration::ZERO);
                    now += u64::try_from(wait.as_nanos()).unwrap();
                    prop_assert_eq!(bucket.take(rate, 1, 1, Duration::from_nanos(now)), Ok(()));
                    taken.push(now);
                }
            }
        }
        let seconds = match per { Per::Second => 1, Per::Minute => 60, Per::Hour => 3_600 };
        for (from, first) in taken.iter().enumerate() {
            for (to, last) in taken.iter().enumerate().skip(from) {
                let many = u128::try_from(to - from + 1).unwrap();
                let gained = u128::from(last - first) * u128::from(count)
                    / (u128::from(NANOS) * seconds);
                prop_assert!(many <= u128::from(burst) + gained, "{many} from {first} to {last}");
            }
        }
    }

    /// A clock that jumps gives no more than its latest moment allows, and nothing overflows.
    #[test]
    fn a_clock_that_goes_back_gives_nothing(
        count in 1u64..100,
        burst in 1u64..50,
        moments in prop::collection::vec(0u64..10_000_000_000, 1..200),
        far in any::<u64>(),
    ) {
        let (rate, bucket) = (Rate::per_second(count, burst), Bucket::default());
        let latest = moments.iter().max().copied().unwrap_or_default();
        let taken = moments.iter().filter(|now| {
            bucket.take(rate, 1, 1, Duration::from_nanos(**now)).is_ok()
        });
        let taken = u64::try_from(taken.count()).unwrap();
        prop_assert!(taken <= burst + latest * count / NANOS);
        let _ = bucket.take(rate, far, far, Duration::from_nanos(far));
        let _ = bucket.take(rate, 1, 1, Duration::MAX);
    }
}
