//! Lists that change while they are gathered, told as Active Directory and Samba tell them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// How a server says that a place is behind the last value.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// By an error.
    ActiveDirectory,
    /// By none of the values.
    Samba,
    /// Not at all: it tells all values.
    Other,
}

fn value(number: u32) -> Bytes {
    number.to_string().into()
}

/// What a server with these values says, of which it tells at most so many at a time.
fn told(values: &BTreeSet<u32>, from: u32, most: usize, kind: Kind) -> Part {
    let all = values.iter().copied().map(value);
    let (Kind::ActiveDirectory | Kind::Samba) = kind else {
        return Part::All(all.collect());
    };
    if values.is_empty() {
        return Part::All(Vec::new());
    }
    let left: Vec<Bytes> = all.skip(from as usize).collect();
    if left.is_empty() && matches!(kind, Kind::ActiveDirectory) {
        return Part::Beyond;
    }
    let some: Vec<Bytes> = left.iter().take(most).cloned().collect();
    let last = from + u32::try_from(some.len()).unwrap() - u32::from(!some.is_empty());
    let to = (some.len() < left.len()).then_some(last);
    Part::Range(Range { from, to }, some)
}

fn gathered(
    mut values: BTreeSet<u32>,
    most: usize,
    kind: Kind,
    mut change: impl FnMut(&mut BTreeSet<u32>),
) -> Result<Vec<Bytes>, Stuck> {
    let mut gathered = Gathered::nothing();
    while let Some(from) = gathered.next() {
        gathered.take(told(&values, from, most, kind))?;
        change(&mut values);
    }
    Ok(gathered.values())
}

#[test]
fn what_stays_is_gathered_in_as_few_parts_as_can_be() {
    for (count, most, parts) in [(1_u32, 5, 1), (5, 5, 1), (1500, 1500, 1), (4000, 1500, 3)] {
        let all: BTreeSet<u32> = (0..count).collect();
        let mut asked = 0;
        let found = gathered(all.clone(), most, Kind::ActiveDirectory, |_| asked += 1).unwrap();
        assert_eq!(found, all.into_iter().map(value).collect::<Vec<_>>());
        assert_eq!(asked, parts, "{count} of {most}");
    }
}

#[test]
fn a_list_that_shrinks_to_nothing_ends() {
    for kind in [Kind::ActiveDirectory, Kind::Samba, Kind::Other] {
        let found = gathered((0..100).collect(), 10, kind, BTreeSet::clear).unwrap();
        assert!(found.len() <= 100);
    }
}

#[test]
fn answers_to_other_questions_are_no_parts() {
    let part = |from, to, count| {
        let values: Vec<Bytes> = (0..count).map(value).collect();
        Gathered::nothing().take(Part::Range(Range { from, to }, values))
    };
    assert_eq!(part(0, None, 0), Ok(()));
    for (from, to, count) in [
        (3, None, 2),
        (0, Some(4), 0),
        (0, Some(u32::MAX), 2),
        (0, Some(0), 5),
    ] {
        assert_eq!(
            part(from, to, count),
            Err(Stuck::Broken),
            "{from} {to:?} {count}"
        );
    }
}

#[test]
fn who_is_never_told_the_same_gives_up() {
    let mut gathered = Gathered::nothing();
    let mut number = 0;
    let end = loop {
        let from = gathered.next().unwrap();
        let values = (0..10).map(|_| {
            number += 1;
            value(number)
        });
        let range = Range {
            from,
            to: Some(from + 9),
        };
        if let Err(stuck) = gathered.take(Part::Range(range, values.collect())) {
            break stuck;
        }
    };
    assert_eq!(end, Stuck::Unsteady);
}

proptest! {
    #[test]
    fn whoever_stays_is_gathered_once_whatever_else_changes(
        there in prop::collection::btree_set(0..400_u32, 0..300),
        most in 1..60_usize,
        changes in prop::collection::vec(prop::collection::vec((0..400_u32, any::<bool>()), 0..40), 1..30),
        kind in prop::sample::select(vec![Kind::ActiveDirectory, Kind::Samba]),
    ) {
        // With parts of one value nothing can be asked for twice.
        let most = most.max(2);
        let mut stays = there.clone();
        let mut ever = there.clone();
        let mut rounds = changes.iter();
        let found = gathered(there, most, kind, |values| {
            for (number, comes) in rounds.next().into_iter().flatten() {
                if *comes {
                    values.insert(*number);
                    ever.insert(*number);
                } else {
                    values.remove(number);
                    stays.remove(number);
                }
            }
        });
        let found = found.unwrap();
        let once: HashSet<&Bytes> = found.iter().collect();
        prop_assert_eq!(once.len(), found.len());
        for number in &stays {
            prop_assert!(once.contains(&value(*number)), "{} is missing", number);
        }
        for one in &found {
            let number: u32 = std::str::from_utf8(one).unwrap().parse().unwrap();
            prop_assert!(ever.contains(&number));
        }
    }
}

#[test]
fn an_attribute_without_end_is_given_up() {
    let mut gathered = Gathered::nothing();
    let value = |number: u32| Bytes::from(vec![u8::try_from(number % 256).unwrap(); 1 << 20]);
    let mut parts = 0_u32;
    let outcome = loop {
        let from = gathered.next().unwrap();
        // Each begins with what is known, and has one more.
        let values = vec![value(parts), value(parts + 1)];
        let range = Range {
            from,
            to: Some(from + 1),
        };
        match gathered.take(Part::Range(range, values)) {
            Ok(()) if parts < 200 => parts += 1,
            outcome => break outcome,
        }
        if parts == 100 {
            gathered.held += MOST_HELD - 110 * (1 << 20);
        }
    };
    assert_eq!(outcome, Err(Stuck::TooMany));
}
