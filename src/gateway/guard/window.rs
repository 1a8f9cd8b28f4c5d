//! How much of something happened in the last so-and-so long, in bounded memory: what happened at
//! about the same time is kept together, and counts until all of it is past. So it may count a
//! sixtieth of the window too long, never too short.

use std::collections::VecDeque;
use std::time::Duration;

/// A sliding count. Times are since a moment that stays the same.
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: VecDeque<Part>,
    serial: u64,
}

/// What happened until about the same time.
#[derive(Debug)]
struct Part {
    serial: u64,
    ends: Duration,
    count: u64,
}

/// Where something was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Window {
    /// How much there was in the last `span`.
    pub(super) fn count(&self, span: Duration, now: Duration) -> u64 {
        let live = self.parts.iter().filter(|part| part.ends + span > now);
        live.map(|part| part.count).fold(0, u64::saturating_add)
    }

    /// Counts one more.
    pub(super) fn add(&mut self, span: Duration, now: Duration) -> Mark {
        while self
            .parts
            .front()
            .is_some_and(|part| part.ends + span <= now)
        {
            self.parts.pop_front();
        }
        if let Some(last) = self.parts.back_mut()
            && last.ends > now
        {
            last.count += 1;
            return Mark(last.serial);
        }
        self.serial += 1;
        self.parts.push_back(Part {
            serial: self.serial,
            ends: now + span / PARTS,
            count: 1,
        });
        while self.parts.len() > MOST_PARTS {
            // Only where the window was made longer: what is dropped joins what came next.
            let first = self.parts.pop_front().map_or(0, |part| part.count);
            if let Some(next) = self.parts.front_mut() {
                next.count += first;
            }
        }
        Mark(self.serial)
    }

    /// Counts one less where it was counted, if that is not past.
    pub(super) fn remove(&mut self, mark: Mark) {
        let part = self.parts.iter_mut().find(|part| part.serial == mark.0);
        if let Some(part) = part {
            part.count = part.count.saturating_sub(1);
        }
    }

    /// How long until fewer than `most` are left.
    pub(super) fn room(&self, most: u64, span: Duration, now: Duration) -> Duration {
        let mut left = self.count(span, now);
        for part in self.parts.iter().filter(|part| part.ends + span > now) {
            left = left.saturating_sub(part.count);
            if left < most {
                return (part.ends + span).saturating_sub(now);
            }
        }
        // There is never room, or there is room already.
        span
    }
}

const PARTS: u32 = 60;
const MOST_PARTS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_past_counts_no_more() {
        let mut window = Window::default();
        for second in 0..10 {
            window.add(SPAN, at(second));
        }
        assert_eq!(window.count(SPAN, at(10)), 10);
        assert_eq!(window.room(10, SPAN, at(10)), at(51));
        assert_eq!(window.room(5, SPAN, at(10)), at(56));
        assert_eq!(window.count(SPAN, at(60)), 10, "never too short");
        assert_eq!(window.count(SPAN, at(61)), 9);
        assert_eq!(window.count(SPAN, at(70)), 0);
        assert_eq!(window.room(0, SPAN, at(70)), SPAN);
    }

    #[test]
    fn what_is_given_back_counts_no_more() {
        let mut window = Window::default();
        let first = window.add(SPAN, at(0));
        let second = window.add(SPAN, at(30));
        window.remove(first);
        assert_eq!(window.count(SPAN, at(31)), 1);
        // Long after it is past.
        for second in 100..105 {
            window.add(SPAN, at(second));
        }
        window.remove(second);
        assert_eq!(window.count(SPAN, at(105)), 5);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut window = Window::default();
        for second in 0..100_000 {
            window.add(Duration::from_secs(7 * 86_400), at(second * 60));
            assert!(window.parts.len() <= MOST_PARTS);
        }
        assert!(window.count(Duration::from_secs(7 * 86_400), at(6_000_000)) >= 7 * 1_440);
        let mut window = Window::default();
        for second in 0..61 {
            window.add(SPAN, at(second));
        }
        // A rule edit makes the window longer: nothing is lost.
        for hour in 1..200 {
            window.add(Duration::from_secs(7 * 86_400), at(hour * 3_600));
            assert!(window.parts.len() <= MOST_PARTS);
        }
    }
}
