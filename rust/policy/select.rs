// SPDX-License-Identifier: GPL-2.0

//! The choice of one listener among those of a group.

use kernel::macros::kunit_tests;

/// A listener that may take a connection.
pub(crate) struct Candidate<T> {
    /// The listener.
    pub(crate) listener: T,
    /// Whether its accept queue is below its backlog.
    pub(crate) has_room: bool,
    /// Whether it's meant for the connection's CPU, or the group makes no
    /// difference between CPUs.
    pub(crate) on_cpu: bool,
}

/// The position in a group of `n` listeners, at least 1, at which the search
/// for a connection with this hash begins.
///
/// `reciprocal_scale()`, as in `reuseport_select_sock_by_hash()`.
pub(crate) fn first(hash: u32, n: u16) -> u16 {
    ((u64::from(hash) * u64::from(n)) >> 32) as u16
}

/// Chooses among `n` listeners for a connection with this hash: from [`first`]
/// on, round the group, the first with room on its CPU for which `probe` has a
/// candidate.
///
/// Without one of these, the first with room; without one of those, the first on
/// its CPU, or else the first.
pub(crate) fn select<T>(
    hash: u32,
    n: u16,
    mut probe: impl FnMut(u16) -> Option<Candidate<T>>,
) -> Option<Candidate<T>> {
    let mut best = None::<Candidate<T>>;

    if n == 0 {
        return None;
    }

    let start = first(hash, n);
    for i in (start..n).chain(0..start) {
        let Some(candidate) = probe(i) else { continue };

        if candidate.rank() == BEST {
            return Some(candidate);
        }
        if best.as_ref().is_none_or(|b| b.rank() < candidate.rank()) {
            best = Some(candidate);
        }
    }
    best
}

/// The rank of a candidate that no other can beat.
const BEST: (bool, bool) = (true, true);

impl<T> Candidate<T> {
    fn rank(&self) -> (bool, bool) {
        (self.has_room, self.on_cpu)
    }
}

#[kunit_tests(tcp_migrate_select)]
mod tests {
    use super::*;

    /// A hash that begins the search at `i` of `n`.
    fn hash(i: u16, n: u16) -> u32 {
        (u64::from(i) << 32).div_ceil(n.into()) as u32
    }

    /// What is chosen at `start` among listeners that are named by their
    /// position and are `(has_room, on_cpu)`, or can't be chosen.
    fn chosen(start: u16, listeners: &[Option<(bool, bool)>]) -> Option<u16> {
        let n = listeners.len() as u16;

        let chosen = select(hash(start, n), n, |i| {
            let (has_room, on_cpu) = listeners[usize::from(i)]?;

            Some(Candidate {
                listener: i,
                has_room,
                on_cpu,
            })
        });
        chosen.map(|candidate| candidate.listener)
    }

    const BEST: Option<(bool, bool)> = Some((true, true));
    const ELSEWHERE: Option<(bool, bool)> = Some((true, false));
    const FULL: Option<(bool, bool)> = Some((false, true));
    const FULL_ELSEWHERE: Option<(bool, bool)> = Some((false, false));

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
        let none = select(7, 0, |_| -> Option<Candidate<u16>> { None });

        assert!(none.is_none());
    }

    #[test]
    fn begins_where_the_hash_says() {
        for i in 0..3 {
            assert_eq!(chosen(i, &[BEST; 3]), Some(i));
        }
    }

    #[test]
    fn goes_round_the_group() {
        assert_eq!(chosen(2, &[None, BEST, None]), Some(1));
        assert_eq!(chosen(2, &[None, None, None]), None);
    }

    #[test]
    fn looks_at_each_once() {
        let mut seen = [0; 5];

        select(hash(3, 5), 5, |i| -> Option<Candidate<u16>> {
            seen[usize::from(i)] += 1;
            None
        });
        assert_eq!(seen, [1; 5]);
    }

    #[test]
    fn prefers_room_to_the_cpu() {
        assert_eq!(chosen(0, &[FULL, ELSEWHERE, BEST]), Some(2));
        assert_eq!(chosen(0, &[FULL, ELSEWHERE, FULL]), Some(1));
        assert_eq!(chosen(1, &[FULL, FULL_ELSEWHERE, FULL]), Some(2));
    }

    #[test]
    fn takes_the_first_among_equals() {
        assert_eq!(chosen(1, &[ELSEWHERE; 3]), Some(1));
        assert_eq!(chosen(2, &[FULL_ELSEWHERE; 3]), Some(2));
    }
}
