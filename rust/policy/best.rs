// SPDX-License-Identifier: GPL-2.0

//! The choice of one listener of a group for a connection.

use super::{
    rank::{
        Candidate,
        Rank, //
    },
    search::{
        Look,
        Search, //
    },
    Match,
    Preferences, //
};
use kernel::macros::kunit_tests;

/// How many listeners are compared for the one with the most room, where the
/// group has more of them.
const COMPARED: u16 = 8;

/// The position in a group of `n` listeners, at least 1, at which the search
/// for a connection with this hash begins.
///
/// `reciprocal_scale()`, as in `reuseport_select_sock_by_hash()`.
pub(crate) fn first(hash: u32, n: u16) -> u16 {
    ((u64::from(hash) * u64::from(n)) >> 32) as u16
}

impl<T: Copy> Candidate<T> {
    /// Whether [`best`] would find no better one, if this is the first, or the only one.
    #[inline]
    pub(crate) fn is_best(
        &self,
        is_only: bool,
        preferences: Preferences,
        matches: impl FnOnce(T) -> bool,
    ) -> bool {
        let Preferences { matching, balance } = preferences;

        // There may be nothing to compare it with.
        (is_only && matching != Match::Require)
            || ((!balance || self.level.is_empty())
                && self
                    .rank(matching, |rank| rank == Rank::BEST, matches)
                    .is_some())
    }
}

/// The best listener of a group for a connection: of `listeners`, from [`first`] on
/// and round the group.
///
/// Among equals it's the first, or with [`Preferences::balance`] the one of the
/// first [`COMPARED`] whose queue is the least full; an empty one ends the search.
#[inline]
pub(crate) fn best<T: Copy>(
    search: &mut Search,
    mut listeners: impl Iterator<Item = T>,
    mut look: impl FnMut(T) -> Look<T>,
    preferences: Preferences,
    mut matches: impl FnMut(T) -> bool,
) -> Option<Candidate<T>> {
    let Preferences { matching, balance } = preferences;
    let mut best: Option<(_, Candidate<T>)> = None;
    let enough = if balance { COMPARED } else { 1 };
    let enough = search.left().saturating_sub(enough);

    while !best.is_some_and(|(rank, best)| {
        rank == Rank::BEST && (search.left() <= enough || best.level.is_empty())
    }) {
        let Some(listener) = search.next(&mut listeners) else {
            break;
        };
        let Some(candidate) = search.see(look(listener)) else {
            continue;
        };
        let beats = |rank| {
            best.is_none_or(|(highest, best)| {
                let is_shorter = || balance && candidate.level.is_below(best.level);

                rank > highest || (rank == highest && is_shorter())
            })
        };

        if let Some(rank) = candidate.rank(matching, beats, &mut matches) {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[kunit_tests(tcp_migrate_best)]
mod tests {
    use super::*;
    use crate::policy::{
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
        on_cpu: bool,
    }

    const IDLE: Socket = Socket {
        len: 0,
        stays: true,
        matches: true,
        on_cpu: true,
    };
    const BUSY: Socket = Socket { len: 5, ..IDLE };
    const FULL: Socket = Socket { len: 10, ..IDLE };
    const CLOSING: Socket = Socket {
        stays: false,
        ..IDLE
    };
    const OTHER: Socket = Socket {
        matches: false,
        ..IDLE
    };
    const ELSEWHERE: Socket = Socket {
        on_cpu: false,
        ..IDLE
    };
    const FULL_ELSEWHERE: Socket = Socket {
        on_cpu: false,
        ..FULL
    };

    const BY_HASH: Preferences = Preferences {
        matching: Match::Prefer,
        balance: false,
    };
    const BY_ROOM: Preferences = Preferences {
        matching: Match::Prefer,
        balance: true,
    };

    /// A look at the `i`th listener.
    fn look(i: u16, socket: Option<Socket>) -> Look<u16> {
        socket.map_or(Look::Unfit, |socket| {
            Look::Fit(Candidate {
                listener: i,
                stays: socket.stays,
                level: Level::new(socket.len, 9),
                on_cpu: socket.on_cpu,
            })
        })
    }

    /// What is chosen among listeners, some of which can't be, from `start` on.
    fn chosen(preferences: Preferences, start: u16, sockets: &[Option<Socket>]) -> Option<u16> {
        let n = sockets.len() as u16;
        let matches = |i| sockets[usize::from(i)].is_some_and(|socket| socket.matches);
        let found = search(
            (),
            |()| None,
            |()| None,
            |(), search| {
                let listeners = (0..n).map(|i| (start + i) % n);
                let look = |i| look(i, sockets[usize::from(i)]);

                best(search, listeners, look, preferences, matches)
            },
        );

        found.ok().map(|candidate| candidate.listener)
    }

    #[test]
    fn first_stays_within_the_group() {
        for n in [1, 2, 3, 128, u16::MAX] {
            assert_eq!(first(0, n), 0);
            assert_eq!(first(u32::MAX, n), n - 1);
        }
    }

    #[test]
    fn first_spreads_evenly() {
        for i in 0..8 {
            assert_eq!(first((u32::from(i) << 29) + 12345, 8), i);
        }
    }

    #[test]
    fn an_empty_group_has_none() {
        assert_eq!(chosen(BY_HASH, 0, &[]), None);
        assert_eq!(chosen(BY_ROOM, 0, &[]), None);
    }

    #[test]
    fn begins_where_the_hash_says() {
        for i in 0..3 {
            assert_eq!(chosen(BY_HASH, i, &[Some(IDLE); 3]), Some(i));
            assert_eq!(chosen(BY_ROOM, i, &[Some(IDLE); 3]), Some(i));
        }
    }

    #[test]
    fn goes_round_the_group() {
        for preferences in [BY_HASH, BY_ROOM] {
            assert_eq!(chosen(preferences, 2, &[None, Some(IDLE), None]), Some(1));
            assert_eq!(chosen(preferences, 2, &[None, None, None]), None);
        }
    }

    #[test]
    fn prefers_who_stays_to_room_to_settings_to_the_cpu() {
        let from_worst = [
            Socket {
                stays: false,
                ..FULL
            },
            CLOSING,
            FULL_ELSEWHERE,
            FULL,
            Socket {
                matches: false,
                ..ELSEWHERE
            },
            OTHER,
            ELSEWHERE,
            IDLE,
        ];

        for n in 1..from_worst.len() {
            let sockets = [Some(from_worst[n - 1]), Some(from_worst[n])];

            for preferences in [BY_HASH, BY_ROOM] {
                assert_eq!(chosen(preferences, 0, &sockets), Some(1));
                assert_eq!(chosen(preferences, 1, &sockets), Some(1));
            }
        }
    }

    #[test]
    fn takes_the_first_among_equals() {
        assert_eq!(chosen(BY_HASH, 1, &[Some(ELSEWHERE); 3]), Some(1));
        assert_eq!(chosen(BY_ROOM, 2, &[Some(FULL_ELSEWHERE); 3]), Some(2));
    }

    #[test]
    fn takes_the_one_with_the_most_room() {
        let sockets = [Some(BUSY), Some(FULL), Some(IDLE), Some(BUSY)];

        assert_eq!(chosen(BY_HASH, 3, &sockets), Some(3));
        for i in 0..4 {
            assert_eq!(chosen(BY_ROOM, i, &sockets), Some(2));
        }
    }

    #[test]
    fn settings_may_be_ignored_or_required() {
        let ignored = Preferences {
            matching: Match::Any,
            ..BY_HASH
        };
        let required = Preferences {
            matching: Match::Require,
            ..BY_HASH
        };

        assert_eq!(chosen(ignored, 0, &[Some(OTHER), Some(IDLE)]), Some(0));
        assert_eq!(chosen(required, 0, &[Some(OTHER), Some(FULL)]), Some(1));
        assert_eq!(chosen(required, 0, &[Some(OTHER), Some(OTHER)]), None);
        assert_eq!(chosen(required, 0, &[Some(OTHER)]), None);
        assert_eq!(chosen(BY_ROOM, 0, &[Some(OTHER)]), Some(0));
    }

    /// How many of `n` listeners are looked at, and how many settings are compared,
    /// where each has a queue that is shorter by one than the one before.
    fn looks(preferences: Preferences, n: u16, len: u32) -> (u32, u32) {
        let (mut looks, mut compared) = (0, 0);
        let found = search(
            (),
            |()| None,
            |()| None,
            |(), search| {
                let look = |i: u16| {
                    looks += 1;
                    let len = len.saturating_sub(i.into());

                    look(i, Some(Socket { len, ..IDLE }))
                };

                best(search, 0..n, look, preferences, |_| {
                    compared += 1;
                    true
                })
            },
        );

        assert!(found.is_ok());
        (looks, compared)
    }

    #[test]
    fn looks_no_further_than_it_must() {
        assert_eq!(looks(BY_HASH, 64, 9), (1, 1));
        assert_eq!(looks(BY_ROOM, 64, 0), (1, 1));
        assert_eq!(looks(BY_ROOM, 64, 3).0, 4);
        assert_eq!(looks(BY_ROOM, 64, 9).0, u32::from(COMPARED));
    }

    /// Whether a listener is the best one if it's the first, and whether its settings
    /// are compared for that.
    fn is_best(socket: Socket, is_only: bool, preferences: Preferences) -> (bool, bool) {
        let Look::Fit(candidate) = look(0, Some(socket)) else {
            return (false, false);
        };
        let mut compared = false;
        let is_best = candidate.is_best(is_only, preferences, |_| {
            compared = true;
            socket.matches
        });

        (is_best, compared)
    }

    #[test]
    fn knows_the_best_at_once() {
        let sockets = [IDLE, BUSY, FULL, CLOSING, OTHER, ELSEWHERE];

        for matching in [Match::Any, Match::Prefer, Match::Require] {
            for balance in [false, true] {
                let preferences = Preferences { matching, balance };

                for first in sockets {
                    if is_best(first, true, preferences).0 {
                        assert_eq!(chosen(preferences, 0, &[Some(first)]), Some(0));
                    }
                    if is_best(first, false, preferences).0 {
                        for second in sockets {
                            let both = [Some(first), Some(second)];

                            assert_eq!(chosen(preferences, 0, &both), Some(0));
                        }
                    }
                }
                assert!(is_best(IDLE, false, preferences).0);
            }
        }
        assert!(is_best(BUSY, false, BY_HASH).0);
    }

    #[test]
    fn does_not_compare_the_only_one() {
        assert_eq!(is_best(OTHER, true, BY_HASH), (true, false));
        assert_eq!(is_best(FULL, true, BY_ROOM), (true, false));
        assert_eq!(is_best(CLOSING, false, BY_HASH), (false, false));
        assert_eq!(is_best(IDLE, false, BY_HASH), (true, true));
    }
}
