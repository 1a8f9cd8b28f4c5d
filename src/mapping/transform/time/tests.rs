//! Times: known spellings, the laws, and questions that mean the same on either side.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const FORMS: [TimeForm; 4] = [
    TimeForm::Generalized,
    TimeForm::FileTime,
    TimeForm::Seconds,
    TimeForm::Days,
];

fn time(form: TimeForm) -> Time {
    Time {
        form,
        fraction: false,
    }
}

#[test]
fn spellings_of_directories() {
    for (form, kept, seen) in [
        (
            TimeForm::Generalized,
            "20261101080000Z",
            "2026-11-01T08:00:00Z",
        ),
        (
            TimeForm::Generalized,
            "20261101080000.0Z",
            "2026-11-01T08:00:00Z",
        ),
        (
            TimeForm::Generalized,
            "20261101080000.25Z",
            "2026-11-01T08:00:00.25Z",
        ),
        (
            TimeForm::Generalized,
            "20261101080000,5+0130",
            "2026-11-01T06:30:00.5Z",
        ),
        (
            TimeForm::Generalized,
            "202611010800-02",
            "2026-11-01T10:00:00Z",
        ),
        (
            TimeForm::Generalized,
            "2026110108.5Z",
            "2026-11-01T08:30:00Z",
        ),
        (
            TimeForm::Generalized,
            "20261231235960Z",
            "2027-01-01T00:00:00Z",
        ),
        (
            TimeForm::FileTime,
            "116444736000000000",
            "1970-01-01T00:00:00Z",
        ),
        (TimeForm::FileTime, "1", "1601-01-01T00:00:00.0000001Z"),
        (TimeForm::Seconds, "-1", "1969-12-31T23:59:59Z"),
        (TimeForm::Days, "20758", "2026-11-01T00:00:00Z"),
    ] {
        assert_eq!(time(form).get(json!(kept)), Ok(Some(json!(seen))), "{kept}");
        assert_eq!(shown(form, kept).as_deref(), Some(seen));
    }
    let active_directory = Time {
        form: TimeForm::Generalized,
        fraction: true,
    };
    let put = active_directory.put(json!("2026-11-01T09:00:00.7+01:00"));
    assert_eq!(put, Ok(json!("20261101080000.0Z")));
}

#[test]
fn never_is_nothing_and_nonsense_is_left_out() {
    for never in ["0", "9223372036854775807"] {
        assert_eq!(time(TimeForm::FileTime).get(json!(never)), Ok(None));
    }
    for (form, wrong) in [
        (TimeForm::Generalized, "000001010000"),
        (TimeForm::Generalized, "20261301000000Z"),
        (TimeForm::Generalized, "20260230000000Z"),
        (TimeForm::Generalized, "2026110108Z0"),
        (TimeForm::Generalized, "20261101080000.Z"),
        (TimeForm::Generalized, "20261101240000Z"),
        (TimeForm::Generalized, "20261101080000"),
        (TimeForm::Generalized, "20261101080000+25"),
        (TimeForm::Generalized, "20261101080000é"),
        (TimeForm::FileTime, "-1"),
        (TimeForm::FileTime, "9223372036854775806"),
        (TimeForm::FileTime, "99999999999999999999"),
        (TimeForm::Seconds, "+1"),
        (TimeForm::Seconds, "9223372036854775807"),
        (TimeForm::Days, "9223372036854775807"),
        (TimeForm::Days, ""),
    ] {
        assert!(time(form).get(json!(wrong)).is_err(), "{form:?} {wrong}");
    }
    assert!(
        time(TimeForm::FileTime)
            .put(json!("1600-01-01T00:00:00Z"))
            .is_err()
    );
    assert!(
        time(TimeForm::Generalized)
            .put(json!("10000-01-01T00:00:00Z"))
            .is_err()
    );
}

proptest! {
    #[test]
    fn what_is_put_comes_back_cut_to_its_form(seconds in -11_644_473_599i64..253_402_300_799, nanos in 0u32..1_000_000_000) {
        let sent = json!(Instant::print(seconds, nanos).unwrap());
        for form in FORMS {
            let kept = time(form).put(sent.clone()).unwrap();
            let seen = time(form).get(kept.clone()).unwrap().unwrap();
            // Put again, it stays.
            prop_assert_eq!(time(form).put(seen.clone()).unwrap(), kept);
            let step = match form { TimeForm::Days => DAY, _ => 1 };
            let (came, _) = Instant::parse(seen.as_str().unwrap()).unwrap().nanos();
            prop_assert_eq!(came, seconds.div_euclid(step) * step);
        }
    }

    #[test]
    fn a_question_means_the_same_on_either_side(kept in -200_000i64..200_000, asked in -200_000i64..200_000, half: bool) {
        let nanos = if half { 500_000_000 } else { 0 };
        let wanted = json!(Instant::print(asked, nanos).unwrap());
        for form in [TimeForm::Seconds, TimeForm::Days] {
            for op in [CompareOp::Eq, CompareOp::Gt, CompareOp::Ge, CompareOp::Lt, CompareOp::Le] {
                let number: i64 = kept / if form == TimeForm::Days { DAY } else { 1 };
                let seen = time(form).get(json!(number.to_string())).unwrap().unwrap();
                let seen = Instant::parse(seen.as_str().unwrap()).unwrap();
                let meant = Instant::parse(wanted.as_str().unwrap()).unwrap();
                let holds = match op {
                    CompareOp::Eq => seen == meant,
                    CompareOp::Gt => seen > meant,
                    CompareOp::Ge => seen >= meant,
                    CompareOp::Lt => seen < meant,
                    _ => seen <= meant,
                };
                let answer = std::cell::Cell::new(false);
                let pushed = time(form).test(Test::Compare(op, &wanted), &|test| {
                    let Test::Compare(op, value) = test else { panic!("{test:?}") };
                    let other: i64 = value.as_str().unwrap().parse().unwrap();
                    answer.set(match op {
                        CompareOp::Eq => number == other,
                        CompareOp::Gt => number > other,
                        CompareOp::Ge => number >= other,
                        CompareOp::Lt => number < other,
                        _ => number <= other,
                    });
                    Ok(answer.get().into())
                });
                prop_assert_eq!(pushed.unwrap(), Pushed::from(holds), "{:?} {:?} {} {}", form, op, kept, asked);
            }
        }
    }

    #[test]
    fn nothing_panics(text in ".{0,24}", digits in "[0-9.,Z+-]{0,24}") {
        for form in FORMS {
            for text in [&text, &digits] {
                let _ = (time(form).get(json!(text)), time(form).put(json!(text)));
            }
        }
    }
}
