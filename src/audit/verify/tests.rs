//! Tampering of every kind, and what is found of it.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::super::folder::Folder;
use super::super::record::Record;
use super::super::tail::torn;
use super::super::writer::repaired;
use super::*;

fn secret() -> Key {
    Key::new(b"0123456789abcdef0123456789abcdef")
}

/// Lines of a chain, each with its line break.
fn chain(count: usize, seal: &Seal) -> Vec<Vec<u8>> {
    let mut head = Head::default();
    let line = |n: usize| {
        let mut out = Vec::new();
        let event = if n == 0 { "start" } else { "intent" };
        let record = Record::new(event, UNIX_EPOCH).number("n", n as u64);
        head.write(record.members(), seal, &mut out);
        out
    };
    (0..count).map(line).collect()
}

fn faults(files: &[&[u8]], keys: &[Key]) -> Vec<(String, u64, String)> {
    let folder = Folder::new();
    let paths: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(at, bytes)| folder.file(&format!("{at}"), bytes))
        .collect();
    let found = verify(&paths, keys, false).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let told = found.faults.into_iter();
    told.map(|fault| (name(&fault.file), fault.line, fault.what))
        .collect()
}

#[test]
fn a_whole_trail_is_whole_in_whatever_order_its_files_are_named() {
    let lines = chain(9, &Seal::keyed(&secret()));
    let (old, mid, new) = (
        lines[..3].concat(),
        lines[3..6].concat(),
        lines[6..].concat(),
    );
    assert_eq!(faults(&[&new, &old, &mid], &[secret()]), []);
    // The oldest was deleted in time.
    assert_eq!(faults(&[&new, &mid], &[secret()]), []);
    let folder = Folder::new();
    let found = verify(&[folder.file("a", &lines.concat())], &[secret()], false).unwrap();
    assert_eq!((found.records, found.starts, found.wrong), (9, 1, 0));
    let last = Link::read(lines[8].strip_suffix(b"\n").unwrap()).unwrap();
    assert_eq!(found.last.unwrap().sum, hex(&last.sum));
}

#[test]
fn the_tail_of_an_older_file_is_missed_with_its_place() {
    let lines = chain(9, &Seal::Plain);
    let (old, new) = (lines[..3].concat(), lines[5..].concat());
    let found = faults(&[&old, &new], &[]);
    let [(file, line, what)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((file.as_str(), *line), ("1", 1));
    assert!(
        what.starts_with("records 4 to 5 are missing between line 3 of "),
        "{what}"
    );
}

#[test]
fn a_torn_line_is_well_only_where_the_next_one_tells_of_it() {
    let seal = Seal::keyed(&secret());
    let lines = chain(3, &seal);
    let piece = &lines[2][..40];
    let read = Link::read(lines[1].strip_suffix(b"\n").unwrap()).unwrap();
    let mut head = read.head();
    let mut told = Vec::new();
    head.write(
        repaired(&torn(piece), UNIX_EPOCH).members(),
        &seal,
        &mut told,
    );
    let with = |piece: &[u8]| [&lines[0][..], &lines[1], piece, b"\n", &told].concat();
    assert_eq!(faults(&[&with(piece)], &[secret()]), []);
    let other = faults(&[&with(&piece[..39])], &[secret()]);
    assert_eq!(other[0].1, 3);
    // A whole line in its place is not torn.
    assert_ne!(
        faults(&[&with(&lines[2][..lines[2].len() - 1])], &[secret()]),
        []
    );
    let broken = faults(&[&[&lines[0][..], piece].concat()], &[secret()]);
    assert!(broken[0].2.starts_with("it breaks off"), "{broken:?}");
}

#[test]
fn who_has_not_the_key_cannot_forge() {
    let key = secret();
    let lines = chain(4, &Seal::keyed(&key));
    let forged = chain(4, &Seal::Plain).concat();
    assert!(
        faults(&[&forged], std::slice::from_ref(&key))[0]
            .2
            .contains("not sealed with the key")
    );
    let forged = chain(4, &Seal::keyed(&Key::new(b"another"))).concat();
    assert_ne!(faults(&[&forged], std::slice::from_ref(&key)), []);
    assert!(
        faults(&[&lines.concat()], &[])[0]
            .2
            .contains("name the key file")
    );
    // Another key is taken up at a start.
    let mut head = Link::read(lines[3].strip_suffix(b"\n").unwrap())
        .unwrap()
        .head();
    let (other, mut more) = (Key::new(b"another"), lines.concat());
    for event in ["start", "intent"] {
        head.write(
            Record::new(event, UNIX_EPOCH).members(),
            &Seal::keyed(&other),
            &mut more,
        );
    }
    assert_eq!(faults(&[&more], &[key.clone(), other]), []);
    assert_ne!(faults(&[&more], &[key]), []);
}

#[test]
fn what_is_collected_of_standard_output_has_other_lines_and_other_starts() {
    let one = chain(3, &Seal::Plain);
    let mixed = [
        &b"{\"public\":\"x\"}\n"[..],
        &one.concat(),
        b"{\"time\":1}\n",
        &one.concat(),
    ]
    .concat();
    let folder = Folder::new();
    let path = folder.file("a", &mixed);
    let found = verify(std::slice::from_ref(&path), &[], true).unwrap();
    assert_eq!((found.wrong, found.starts, found.records), (0, 2, 6));
    assert!(verify(&[path], &[], false).unwrap().wrong > 0);
    // A chain that begins anew does not hide what is missing.
    let cut = [one[0].clone(), one[2].clone()].concat();
    let found = verify(&[folder.file("b", &cut)], &[], true).unwrap();
    assert_eq!(found.wrong, 1);
}

/// What somebody does to a trail.
#[derive(Debug, Clone)]
enum Deed {
    Flip(usize, usize, u8),
    Insert(usize, usize, u8),
    Cut(usize, usize),
    Remove(usize),
    Swap(usize, usize),
    Double(usize, usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let at = || 0_usize..LINES;
    prop_oneof![
        (at(), any::<usize>(), 1_u8..)
            .prop_map(|(line, place, with)| Deed::Flip(line, place, with)),
        (at(), any::<usize>(), any::<u8>())
            .prop_map(|(line, place, byte)| Deed::Insert(line, place, byte)),
        (at(), any::<usize>()).prop_map(|(line, place)| Deed::Cut(line, place)),
        // The last line alone may be gone unseen: that is what the logged heads are for.
        (0..LINES - 1).prop_map(Deed::Remove),
        (at(), at()).prop_map(|(one, other)| Deed::Swap(one, other)),
        (at(), 0..=LINES).prop_map(|(line, to)| Deed::Double(line, to)),
    ]
}

const LINES: usize = 6;

proptest! {
    #[test]
    fn whatever_is_done_to_a_line_is_found(deed in deed(), keyed: bool, two_files: bool) {
        let (seal, keys) = if keyed { (Seal::keyed(&secret()), vec![secret()]) } else { (Seal::Plain, vec![]) };
        let mut lines = chain(LINES, &seal);
        let whole = lines.clone();
        match deed {
            Deed::Flip(line, place, with) => {
                let place = place % lines[line].len();
                lines[line][place] ^= with;
            }
            Deed::Insert(line, place, byte) => {
                let place = place % (lines[line].len() + 1);
                lines[line].insert(place, byte);
            }
            Deed::Cut(line, place) => {
                let place = place % lines[line].len();
                lines[line].remove(place);
            }
            Deed::Remove(line) => { lines.remove(line); }
            Deed::Swap(one, other) => lines.swap(one, other),
            Deed::Double(line, to) => lines.insert(to, lines[line].clone()),
        }
        prop_assume!(lines.concat() != whole.concat());
        // The first line may be gone: the oldest files are deleted in time.
        prop_assume!(lines.concat() != whole[1..].concat());
        let found = if two_files {
            let (one, two) = lines.split_at(3);
            faults(&[&one.concat(), &two.concat()], &keys)
        } else {
            faults(&[&lines.concat()], &keys)
        };
        prop_assert!(!found.is_empty());
    }
}
