// SPDX-License-Identifier: GPL-2.0

//! The choice of several listeners of a group, for all that waits in a queue.

use super::{
    rank::Rank,
    search::{
        Look,
        Search, //
    },
    share::{
        share,
        Share, //
    },
    Match, //
};
use kernel::macros::kunit_tests;

/// Among how many listeners a queue is shared out at a time.
const LISTENERS: usize = 64;

/// The best listeners of a group, which are equals, and what each gets of a queue.
pub(crate) struct Shortlist<T> {
    listeners: [Option<T>; LISTENERS],
    shares: [Share; LISTENERS],
    len: usize,
    /// The rank of each.
    rank: Rank,
    /// Whose turn it is in the iteration.
    next: usize,
}

impl<T: Copy> Shortlist<T> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self {
            listeners: [None; LISTENERS],
            shares: [Share::NONE; LISTENERS],
            len: 0,
            rank: Rank::WORST,
            next: 0,
        }
    }

    /// Chooses listeners for `n` connections, and shares these out among them; false
    /// where there's none to choose.
    ///
    /// When those with room, or with the same settings, have no room left, others are
    /// chosen for the rest in another list.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        search: &mut Search,
        mut listeners: impl Iterator<Item = T>,
        mut look: impl FnMut(T) -> Look<T>,
        n: u32,
        matching: Match,
        mut matches: impl FnMut(T) -> bool,
    ) -> bool {
        let enough = LISTENERS.min(n as usize);

        while let Some(listener) = search.next(&mut listeners) {
            let Some(candidate) = search.see(look(listener)) else {
                continue;
            };
            let beats = |rank| rank > self.rank || (rank == self.rank && self.len < enough);
            let Some(rank) = candidate.rank(matching, beats, &mut matches) else {
                continue;
            };

            if rank > self.rank {
                self.len = 0;
                self.rank = rank;
            }
            self.listeners[self.len] = Some(candidate.listener);
            self.shares[self.len] = Share {
                level: candidate.level,
                n: 0,
            };
            self.len += 1;
            if rank == Rank::BEST && self.len == enough {
                break;
            }
        }
        share(&mut self.shares[..self.len], n);
        self.len > 0
    }

    /// Whether they have room for what they get.
    pub(crate) fn has_room(&self) -> bool {
        self.rank.has_room()
    }
}

/// The listeners that get connections, and how many.
impl<T: Copy> Iterator for Shortlist<T> {
    type Item = (T, u32);

    fn next(&mut self) -> Option<(T, u32)> {
        while self.next < self.len {
            let i = self.next;

            self.next += 1;
            if self.shares[i].n > 0 {
                return Some((self.listeners[i]?, self.shares[i].n));
            }
        }
        None
    }
}

#[kunit_tests(tcp_migrate_shortlist)]
mod tests {
    use super::*;
    use crate::policy::{
        outcome::Outcome,
        rank::Candidate,
        search::search,
        Level, //
    };

    /// A listener as it may be: how long its queue is, with a backlog of 9, and
    /// what else counts.
    #[derive(Clone, Copy)]
    struct Socket {
        len: u32,
        stays: bool,
        matches: bool,
    }

    const IDLE: Socket = Socket {
        len: 0,
        stays: true,
        matches: true,
    };
    const FULL: Socket = Socket { len: 10, ..IDLE };
    const CLOSING: Socket = Socket {
        stays: false,
        ..IDLE
    };
    const OTHER: Socket = Socket {
        matches: false,
        ..IDLE
    };

    /// What is said of a group, how many of its listeners are looked at, and how often
    /// settings are compared.
    struct Listed {
        list: Result<Shortlist<usize>, Outcome>,
        looks: usize,
        compared: usize,
    }

    impl Listed {
        fn new(matching: Match, n: u32, sockets: &[Socket]) -> Self {
            let (mut looks, mut compared) = (0, 0);
            let mut list = Shortlist::new();
            let found = search(
                (),
                |()| None,
                |()| None,
                |(), search| {
                    let look = |i: usize| {
                        looks += 1;
                        Look::Fit(Candidate {
                            listener: i,
                            stays: sockets[i].stays,
                            level: Level::new(sockets[i].len, 9),
                            on_cpu: true,
                        })
                    };
                    let matches = |i: usize| {
                        compared += 1;
                        sockets[i].matches
                    };

                    list.fill(search, 0..sockets.len(), look, n, matching, matches)
                        .then_some(())
                },
            );

            Self {
                list: found.map(|()| list),
                looks,
                compared,
            }
        }

        /// Whether these listeners get so many.
        fn gives<const K: usize>(self, shares: [(usize, u32); K]) -> bool {
            self.list.is_ok_and(|list| list.eq(shares))
        }
    }

    #[test]
    fn equals_share() {
        assert!(Listed::new(Match::Prefer, 6, &[IDLE; 3]).gives([(0, 2), (1, 2), (2, 2)]));
        assert!(Listed::new(Match::Prefer, 2, &[IDLE; 3]).gives([(0, 1), (1, 1)]));
        assert!(Listed::new(Match::Prefer, 2, &[]).list.is_err());
    }

    #[test]
    fn the_best_do() {
        let full_and_closing = Socket {
            stays: false,
            ..FULL
        };
        let from_worst = [full_and_closing, CLOSING, FULL, OTHER, IDLE];

        for n in 1..from_worst.len() {
            let (worse, better) = (from_worst[n - 1], from_worst[n]);
            let sockets = [worse, better, worse, better];

            assert!(Listed::new(Match::Prefer, 4, &sockets).gives([(1, 2), (3, 2)]));
        }
    }

    #[test]
    fn says_whether_there_is_room() {
        let has_room = |sockets: &[Socket]| {
            let list = Listed::new(Match::Prefer, 4, sockets).list;

            list.is_ok_and(|list| list.has_room())
        };

        assert!(has_room(&[FULL, OTHER]));
        assert!(!has_room(&[FULL, FULL]));
    }

    #[test]
    fn settings_may_be_ignored_or_required() {
        let sockets = [OTHER, IDLE];
        let ignored = Listed::new(Match::Any, 2, &sockets);

        assert_eq!(ignored.compared, 0);
        assert!(ignored.gives([(0, 1), (1, 1)]));
        assert!(Listed::new(Match::Require, 2, &sockets).gives([(1, 2)]));
        assert!(Listed::new(Match::Require, 2, &[OTHER]).list.is_err());
    }

    #[test]
    fn looks_no_further_than_it_must() {
        let few = Listed::new(Match::Prefer, 5, &[IDLE; 99]);
        let many = Listed::new(Match::Prefer, 500, &[IDLE; 99]);
        let worse = Listed::new(Match::Prefer, 5, &[IDLE, CLOSING, FULL]);

        assert_eq!((few.looks, few.compared), (5, 5));
        assert_eq!((many.looks, many.compared), (LISTENERS, LISTENERS));
        assert_eq!((worse.looks, worse.compared), (3, 1));
    }
}
