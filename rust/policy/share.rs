// SPDX-License-Identifier: GPL-2.0

//! The sharing out of a queue among several listeners.

use super::Level;
use kernel::macros::kunit_tests;

/// What one listener gets of a queue.
#[derive(Clone, Copy)]
pub(super) struct Share {
    /// How full its accept queue is.
    pub(super) level: Level,
    /// How many connections it gets.
    pub(super) n: u32,
}

impl Share {
    /// Nobody's share.
    pub(super) const NONE: Self = Self {
        level: Level::NONE,
        n: 0,
    };
}

/// Shares out up to `n` connections so that the listeners end level, in relation
/// to their backlogs, within one connection of each: as far as they have room, or
/// all where none has any.
///
/// The sum of all capacities must fit in 31 bits, as that of 64 does.
pub(super) fn share(shares: &mut [Share], n: u32) {
    let (mut len, mut capacity, mut room) = (0, 0, 0);
    for level in shares.iter().map(|share| share.level) {
        len += level.len();
        capacity += level.capacity();
        room += level.capacity().saturating_sub(level.len());
    }

    let n = u64::from(n).min(if room > 0 { room } else { u64::MAX });
    len += n;

    // Queues that are fuller than the others end up get nothing. They made that level
    // seem higher, so it's computed again without them.
    let mut takers = shares.len();
    let mut left = loop {
        let (mut l, mut c, mut t, mut given) = (n, 0, 0, 0);

        for share in shares.iter_mut() {
            let level = share.level;

            share.n = 0;
            if !is_above(level, len, capacity) {
                let end = (len * level.capacity()).checked_div(capacity);

                share.n = (end.unwrap_or(0) - level.len()) as u32;
                given += u64::from(share.n);
                l += level.len();
                c += level.capacity();
                t += 1;
            }
        }
        if t == takers {
            break n - given;
        }
        (len, capacity, takers) = (l, c, t);
    };

    // What rounding has left is less than one for each.
    for share in shares {
        if left == 0 {
            break;
        }
        if !is_above(share.level, len, capacity) {
            share.n += 1;
            left -= 1;
        }
    }
}

/// Whether a queue is fuller than one with `len` connections of `capacity`.
fn is_above(level: Level, len: u64, capacity: u64) -> bool {
    level.len() * capacity > len * level.capacity()
}

#[kunit_tests(tcp_migrate_share)]
mod tests {
    use super::*;

    /// What listeners get of `n` connections, with the lengths of their queues and
    /// their backlogs.
    fn shares<const K: usize>(n: u32, listeners: [(u32, u32); K]) -> [u32; K] {
        let mut shares = listeners.map(|(len, backlog)| Share {
            level: Level::new(len, backlog),
            n: 7,
        });

        share(&mut shares, n);
        shares.map(|share| share.n)
    }

    #[test]
    fn nobody_gets_anything() {
        assert_eq!(shares(5, []), []);
        assert_eq!(shares(0, [(0, 9)]), [0]);
        assert_eq!(shares(0, [(0, 9), (5, 9)]), [0, 0]);
    }

    #[test]
    fn one_gets_all_it_has_room_for() {
        assert_eq!(shares(5, [(0, 9)]), [5]);
        assert_eq!(shares(50, [(3, 9)]), [7]);
    }

    #[test]
    fn equals_get_the_same() {
        assert_eq!(shares(8, [(0, 99); 4]), [2; 4]);
        assert_eq!(shares(10, [(0, 99); 4]), [3, 3, 2, 2]);
    }

    #[test]
    fn shares_are_as_backlogs() {
        assert_eq!(shares(60, [(0, 99), (0, 199), (0, 299)]), [10, 20, 30]);
    }

    #[test]
    fn levels_what_is_uneven() {
        assert_eq!(shares(30, [(10, 99), (0, 99), (20, 99)]), [10, 20, 0]);
        assert_eq!(shares(4, [(50, 99), (0, 99), (0, 99)]), [0, 2, 2]);
        assert_eq!(
            shares(3, [(50, 99), (40, 99), (0, 99), (30, 99)]),
            [0, 0, 3, 0]
        );
    }

    #[test]
    fn fills_all_exactly() {
        let listeners = [(10, 99), (0, 49), (60, 109)];

        assert_eq!(shares(190, listeners), [90, 50, 50]);
        assert_eq!(shares(500, listeners), [90, 50, 50]);
    }

    #[test]
    fn goes_over_backlogs_only_without_room() {
        assert_eq!(shares(10, [(10, 9), (9, 9)]), [0, 1]);
        assert_eq!(shares(10, [(10, 9), (10, 9)]), [5, 5]);
        assert_eq!(shares(10, [(30, 9), (10, 9)]), [0, 10]);
    }

    #[test]
    fn ends_within_one_of_level() {
        let got = shares(777, [(13, 127), (0, 511), (99, 255), (7, 1023)]);

        assert_eq!(got.iter().sum::<u32>(), 777);
        // (777 + 13 + 99 + 7) / (128 + 512 + 256 + 1024) of each.
        for (n, ideal) in got.iter().zip([46, 238, 20, 470]) {
            assert!(ideal <= *n && *n <= ideal + 1);
        }
    }

    #[test]
    fn is_exact_at_the_limits() {
        assert_eq!(shares(u32::MAX, [(0, u32::MAX); 64]), [1 << 24; 64]);
    }
}
