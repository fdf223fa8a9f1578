// SPDX-License-Identifier: GPL-2.0

//! The choice of one listener of a group for a connection.

use super::{
    Level,
    Match,
    Preferences, //
};
use kernel::macros::kunit_tests;

/// How many listeners are compared for the one with the most room, where the
/// group has more of them.
const COMPARED: u16 = 8;

/// A listener that may take a connection.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<T> {
    /// The listener.
    pub(crate) listener: T,
    /// Whether nothing says that it's about to stop, too.
    pub(crate) stays: bool,
    /// How full its accept queue is.
    pub(crate) level: Level,
    /// Whether it's meant for the connection's CPU, or the group makes no
    /// difference between CPUs.
    pub(crate) on_cpu: bool,
}

/// The best candidate so far.
struct Best<T> {
    candidate: Candidate<T>,
    /// Whether its settings match, once that has made a difference.
    matches: Option<bool>,
}

/// The position in a group of `n` listeners, at least 1, at which the search
/// for a connection with this hash begins.
///
/// `reciprocal_scale()`, as in `reuseport_select_sock_by_hash()`.
pub(crate) fn first(hash: u32, n: u16) -> u16 {
    ((u64::from(hash) * u64::from(n)) >> 32) as u16
}

/// The positions in a group of `n` listeners, from [`first`] on.
pub(crate) fn round(hash: u32, n: u16) -> impl Iterator<Item = u16> {
    let start = if n == 0 { 0 } else { first(hash, n) };

    (start..n).chain(0..start)
}

impl<T> Candidate<T> {
    /// What speaks for it, whatever its settings are.
    fn first_of_all(&self) -> (bool, bool) {
        (self.stays, !self.level.is_full())
    }

    /// Whether it comes before `other`, where their settings make no difference.
    fn is_before(&self, other: &Self, balance: bool) -> bool {
        if self.on_cpu == other.on_cpu {
            balance && self.level.is_below(other.level)
        } else {
            self.on_cpu
        }
    }

    /// Whether no other can be better, if its settings match, than by a shorter
    /// queue.
    fn is_good(&self) -> bool {
        self.first_of_all() == (true, true) && self.on_cpu
    }
}

/// Chooses among `n` listeners for a connection with this hash: those for which
/// `probe` has a candidate, from [`first`] on and round the group.
///
/// Who stays is preferred, then who has room, whose settings match, and who is on
/// the CPU; among equals the first, or with [`Preferences::balance`] the one of the
/// first [`COMPARED`] whose queue is the least full; an empty one ends the search.
/// Whether the settings of a listener `matches` is only asked where it makes a
/// difference.
pub(crate) fn select<T: Copy>(
    hash: u32,
    n: u16,
    preferences: Preferences,
    mut probe: impl FnMut(u16) -> Option<Candidate<T>>,
    mut matches: impl FnMut(T) -> bool,
) -> Option<Candidate<T>> {
    let Preferences { matching, balance } = preferences;
    let enough = if balance { COMPARED } else { 1 };
    let mut best = None::<Best<T>>;
    let mut matches = |listener| matching == Match::Any || matches(listener);

    // There's nothing to compare it with.
    if n == 1 && matching != Match::Require {
        return probe(0);
    }
    for (seen, i) in (0..n).zip(round(hash, n)) {
        if seen >= enough
            || best
                .as_ref()
                .is_some_and(|best| best.candidate.level.is_empty())
        {
            let good = best.as_mut().is_some_and(|best| {
                best.candidate.is_good()
                    && *best
                        .matches
                        .get_or_insert_with(|| matches(best.candidate.listener))
            });

            if good {
                break;
            }
        }
        let Some(candidate) = probe(i) else { continue };
        let its = if matching == Match::Require {
            if !matches(candidate.listener) {
                continue;
            }
            Some(true)
        } else {
            None
        };

        best = Some(match best {
            Some(mut best) if candidate.first_of_all() == best.candidate.first_of_all() => {
                let known = *best
                    .matches
                    .get_or_insert_with(|| matches(best.candidate.listener));
                let before = candidate.is_before(&best.candidate, balance);

                // One that matches is only beaten by another that does.
                if known && !before {
                    best
                } else {
                    let its = its.unwrap_or_else(|| matches(candidate.listener));

                    let better = if its == known { before } else { its };

                    if better {
                        Best {
                            candidate,
                            matches: Some(its),
                        }
                    } else {
                        best
                    }
                }
            }
            Some(best) if candidate.first_of_all() < best.candidate.first_of_all() => best,
            _ => Best {
                candidate,
                matches: its,
            },
        });
    }
    best.map(|best| best.candidate)
}

#[kunit_tests(tcp_migrate_select)]
mod tests {
    use super::*;

    /// A hash that begins the search at `i` of `n`.
    fn hash(i: u16, n: u16) -> u32 {
        let n = u64::from(n);
        let round_up = n.saturating_sub(1);

        ((u64::from(i) << 32) + round_up)
            .checked_div(n)
            .unwrap_or(0) as u32
    }

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

    /// What is chosen at `start` among listeners, some of which can't be.
    fn chosen(preferences: Preferences, start: u16, sockets: &[Option<Socket>]) -> Option<u16> {
        let n = sockets.len() as u16;
        let probe = |i| {
            let socket = sockets[usize::from(i)]?;

            Some(Candidate {
                listener: i,
                stays: socket.stays,
                level: Level::new(socket.len, 9),
                on_cpu: socket.on_cpu,
            })
        };
        let matches = |i| sockets[usize::from(i)].is_some_and(|socket| socket.matches);

        select(hash(start, n), n, preferences, probe, matches).map(|candidate| candidate.listener)
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
    fn looks_at_each_once() {
        let mut seen = [0; 5];

        select(
            hash(3, 5),
            5,
            BY_ROOM,
            |i| -> Option<Candidate<u16>> {
                seen[usize::from(i)] += 1;
                None
            },
            |_| true,
        );
        assert_eq!(seen, [1; 5]);
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

    #[test]
    fn compares_settings_only_where_it_makes_a_difference() {
        let mut compared = 0;
        let probe = |i| {
            Some(Candidate {
                listener: i,
                stays: true,
                level: Level::new(0, 9),
                on_cpu: true,
            })
        };

        let mut matches = |_| {
            compared += 1;
            true
        };

        select(0, 1, BY_ROOM, probe, &mut matches);
        select(0, 64, BY_ROOM, probe, &mut matches);
        assert_eq!(compared, 1);
    }

    #[test]
    fn looks_no_further_than_at_an_empty_queue() {
        let mut looks = 0;
        let probe = |i| {
            looks += 1;
            Some(Candidate {
                listener: i,
                stays: true,
                level: Level::new(u32::from(3_u16.saturating_sub(i)), 9),
                on_cpu: true,
            })
        };

        let best = select(0, 64, BY_ROOM, probe, |_| true);
        assert_eq!(best.map(|best| best.listener), Some(3));
        assert_eq!(looks, 4);
    }
}
