// SPDX-License-Identifier: GPL-2.0

//! The sharing out of a queue among several listeners.

use super::Level;
use kernel::macros::kunit_tests;

/// What one listener gets of a queue.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    /// How full its accept queue is.
    pub(crate) level: Level,
    /// Whether it comes before those that don't match.
    pub(crate) matches: bool,
    /// How many connections it gets.
    pub(crate) n: u32,
}

impl Share {
    /// Nobody's share.
    pub(crate) const NONE: Self = Self {
        level: Level::NONE,
        matches: false,
        n: 0,
    };
}

/// Shares out up to `n` connections so that the listeners end level, in relation
/// to their backlogs, within one connection of each: first as far as those that
/// match have room, then as far as the others have. Without any room, those that
/// match go over their backlogs with all of it, or all if none does. Says how many
/// are shared out.
///
/// The sum of all capacities must fit in 31 bits, as that of 64 does.
pub(crate) fn share(shares: &mut [Share], n: u32) -> u32 {
    let mut left = n;

    for share in shares.iter_mut() {
        share.n = 0;
    }
    for matches in [true, false] {
        let room = shares
            .iter()
            .filter(|share| share.matches == matches)
            .fold(0_u32, |room, share| room.saturating_add(share.level.room()));
        let part = left.min(room);

        level(shares, part, |share| share.matches == matches);
        left -= part;
    }
    if left == n {
        let any = shares.iter().any(|share| share.matches);

        level(shares, n, |share| share.matches == any);
    }
    shares.iter().map(|share| share.n).sum()
}

/// Gives `n` connections to those of the listeners that `take` part, none of which
/// has any yet, so that they end level.
fn level(shares: &mut [Share], n: u32, take: impl Fn(&Share) -> bool) {
    if n == 0 {
        return;
    }

    // Those above the level at which the others end get nothing, and make it
    // higher by not taking part.
    let (mut len, mut capacity, mut takers) = (u64::from(n), 0, 0);
    for share in shares.iter().filter(|share| take(share)) {
        len += share.level.len();
        capacity += share.level.capacity();
        takers += 1;
    }
    let above =
        |share: &Share, len, capacity| share.level.len() * capacity > len * share.level.capacity();
    loop {
        let (mut l, mut c, mut t) = (u64::from(n), 0, 0);

        for share in shares
            .iter()
            .filter(|share| take(share) && !above(share, len, capacity))
        {
            l += share.level.len();
            c += share.level.capacity();
            t += 1;
        }
        if t == takers {
            break;
        }
        (len, capacity, takers) = (l, c, t);
    }
    if takers == 0 {
        return;
    }

    let mut left = n;
    for share in shares
        .iter_mut()
        .filter(|share| take(share) && !above(share, len, capacity))
    {
        let end = (len * share.level.capacity()).checked_div(capacity);

        share.n = (end.unwrap_or(0) - share.level.len()) as u32;
        left -= share.n;
    }
    // What rounding has left is less than one for each.
    for share in shares
        .iter_mut()
        .filter(|share| take(share) && !above(share, len, capacity))
        .take(left as usize)
    {
        share.n += 1;
    }
}

#[kunit_tests(tcp_migrate_share)]
mod tests {
    use super::*;

    /// What listeners get of `n` connections, of which each has a length, a
    /// backlog, and whether it matches.
    fn shares<const K: usize>(n: u32, listeners: [(u32, u32, bool); K]) -> ([u32; K], u32) {
        let mut shares = listeners.map(|(len, backlog, matches)| Share {
            level: Level::new(len, backlog),
            matches,
            n: 7,
        });
        let given = share(&mut shares, n);

        assert_eq!(shares.iter().map(|share| share.n).sum::<u32>(), given);
        (shares.map(|share| share.n), given)
    }

    #[test]
    fn nobody_gets_anything() {
        assert_eq!(shares(5, []), ([], 0));
        assert_eq!(shares(0, [(0, 9, true)]), ([0], 0));
    }

    #[test]
    fn one_gets_all_it_has_room_for() {
        assert_eq!(shares(5, [(0, 9, true)]), ([5], 5));
        assert_eq!(shares(50, [(3, 9, true)]), ([7], 7));
    }

    #[test]
    fn equals_get_the_same() {
        assert_eq!(shares(8, [(0, 99, true); 4]), ([2; 4], 8));
        assert_eq!(shares(10, [(0, 99, true); 4]), ([3, 3, 2, 2], 10));
    }

    #[test]
    fn shares_are_as_backlogs() {
        assert_eq!(
            shares(60, [(0, 99, true), (0, 199, true), (0, 299, true)]),
            ([10, 20, 30], 60)
        );
    }

    #[test]
    fn levels_what_is_uneven() {
        assert_eq!(
            shares(30, [(10, 99, true), (0, 99, true), (20, 99, true)]),
            ([10, 20, 0], 30)
        );
        assert_eq!(
            shares(4, [(50, 99, true), (0, 99, true), (0, 99, true)]),
            ([0, 2, 2], 4)
        );
    }

    #[test]
    fn fills_all_exactly() {
        assert_eq!(
            shares(190, [(10, 99, true), (0, 49, true), (60, 109, true)]),
            ([90, 50, 50], 190)
        );
        assert_eq!(
            shares(500, [(10, 99, true), (0, 49, true), (60, 109, true)]),
            ([90, 50, 50], 190)
        );
    }

    #[test]
    fn prefers_those_that_match() {
        assert_eq!(shares(9, [(0, 9, false), (0, 9, true)]), ([0, 9], 9));
        assert_eq!(shares(12, [(0, 9, false), (0, 9, true)]), ([2, 10], 12));
        assert_eq!(shares(12, [(0, 9, false), (10, 9, true)]), ([10, 0], 10));
    }

    #[test]
    fn goes_over_backlogs_only_without_room() {
        assert_eq!(shares(10, [(10, 9, true), (10, 9, true)]), ([5, 5], 10));
        assert_eq!(shares(10, [(10, 9, false), (10, 9, true)]), ([0, 10], 10));
        assert_eq!(shares(10, [(10, 9, false), (10, 9, false)]), ([5, 5], 10));
        assert_eq!(shares(10, [(30, 9, true), (10, 9, true)]), ([0, 10], 10));
    }

    #[test]
    fn ends_within_one_of_level() {
        let (got, given) = shares(
            777,
            [
                (13, 127, true),
                (0, 511, true),
                (99, 255, true),
                (7, 1023, true),
            ],
        );

        assert_eq!(given, 777);
        // (777 + 13 + 99 + 7) / (128 + 512 + 256 + 1024) of each.
        for (n, ideal) in got.iter().zip([46.., 238.., 20.., 470..]) {
            assert!(ideal.start <= *n && *n <= ideal.start + 1);
        }
    }

    #[test]
    fn is_exact_at_the_limits() {
        let (got, given) = shares(u32::MAX, [(0, u32::MAX, true); 64]);

        assert_eq!(given, 64 << 24);
        assert_eq!(got, [1 << 24; 64]);
    }
}
