// SPDX-License-Identifier: GPL-2.0

//! The search of a group that may change meanwhile.

use super::{
    outcome::Outcome,
    rank::Candidate, //
};
use kernel::macros::kunit_tests;

/// How many listeners a search looks at for one connection, over all attempts. The
/// best of these gets it; where none of them may, the search gives up.
///
/// At the final ACK and the timer that's in softirq, which is to last for no more than
/// 2 ms in a row (`MAX_SOFTIRQ_TIME`). So many looks take about as long, where each
/// waits for four cache lines.
const LOOKS: u16 = 4096;

/// What a look at a listener of the group has shown.
///
/// The variant has a byte of its own: it takes longer to find it within the candidate.
#[repr(u8)]
pub(crate) enum Look<T> {
    /// It has stopped.
    Stopped,
    /// It's alive, but may not have the connection.
    Unfit,
    /// It may have the connection.
    Fit(Candidate<T>),
}

/// A search of a group.
pub(crate) struct Search {
    /// How many more looks there may be.
    left: u16,
    /// Whether this attempt has seen a listener that is alive.
    live: bool,
    /// Whether it has seen one that has stopped.
    stopped: bool,
}

impl Search {
    const fn new() -> Self {
        Self {
            left: LOOKS,
            live: false,
            stopped: false,
        }
    }

    /// How many more looks there may be.
    pub(super) fn left(&self) -> u16 {
        self.left
    }

    /// The next listener to look at, unless there have been too many.
    #[inline]
    pub(super) fn next<T>(&mut self, listeners: &mut impl Iterator<Item = T>) -> Option<T> {
        let left = self.left.checked_sub(1)?;
        let listener = listeners.next()?;

        self.left = left;
        Some(listener)
    }

    /// Notes what a look has shown: a listener that may have the connection, or none.
    #[inline]
    pub(super) fn see<T>(&mut self, look: Look<T>) -> Option<Candidate<T>> {
        match look {
            Look::Stopped => {
                self.stopped = true;
                None
            }
            Look::Unfit => {
                self.live = true;
                None
            }
            Look::Fit(candidate) => {
                self.live = true;
                Some(candidate)
            }
        }
    }

    /// The listener that was found has stopped since.
    pub(crate) fn lost(&mut self) {
        self.stopped = true;
    }
}

/// Searches a group, as often as it takes to find something or to see no listener
/// that has stopped, or says why there's nothing to be found.
///
/// A listener leaves the group before its state changes. So when one that has
/// stopped is seen, the group is another by now, which `again` says, and perhaps
/// with a listener that has only just joined. When the group has no listener left, it's the
/// turn of the one that has `succeeded` it, if there's one.
#[inline(always)]
pub(crate) fn search<G, T>(
    mut group: G,
    again: impl Fn(&G) -> Option<G>,
    succeeded: impl Fn(&G) -> Option<G>,
    mut attempt: impl FnMut(&G, &mut Search) -> Option<T>,
) -> Result<T, Outcome> {
    let mut search = Search::new();

    loop {
        if let Some(found) = attempt(&group, &mut search) {
            return Ok(found);
        }
        let next = if search.stopped && search.left > 0 {
            again(&group)
        } else if search.live {
            return Err(Outcome::Incompatible);
        } else {
            None
        };

        group = next
            .or_else(|| succeeded(&group))
            .ok_or(Outcome::NoListener)?;
        (search.live, search.stopped) = (false, false);
    }
}

#[kunit_tests(tcp_migrate_search)]
mod tests {
    use super::*;
    use crate::policy::Level;

    const FIT: Look<()> = Look::Fit(Candidate {
        listener: (),
        stays: true,
        level: Level::NONE,
        on_cpu: true,
    });

    /// Searches groups one after the other, of which each has as many listeners that
    /// have stopped, that aren't fit, and that are, until there's one that is. What
    /// is said, how many groups were looked at, and how many listeners.
    fn searched(groups: &[[usize; 3]]) -> (Result<(), Outcome>, usize, usize) {
        searched_twice(groups, groups.len())
    }

    /// The same, where the last ones succeed the first `n`.
    fn searched_twice(groups: &[[usize; 3]], n: usize) -> (Result<(), Outcome>, usize, usize) {
        let (mut attempts, mut looks) = (0, 0);
        let found = search(
            0,
            |&i| (i + 1 < groups.len() && i + 1 != n).then_some(i + 1),
            |&i| (i < n && n < groups.len()).then_some(n),
            |&i, search| {
                let [stopped, unfit, fit] = groups[i];
                let mut group = (0..stopped)
                    .map(|_| Look::Stopped)
                    .chain((0..unfit).map(|_| Look::Unfit))
                    .chain((0..fit).map(|_| FIT));

                attempts += 1;
                while let Some(look) = search.next(&mut group) {
                    looks += 1;
                    if search.see(look).is_some() {
                        return Some(());
                    }
                }
                None
            },
        );

        (found, attempts, looks)
    }

    #[test]
    fn says_why_nothing_is_found() {
        assert_eq!(searched(&[[0, 0, 0]]), (Err(Outcome::NoListener), 1, 0));
        assert_eq!(searched(&[[0, 2, 0]]), (Err(Outcome::Incompatible), 1, 2));
        assert_eq!(searched(&[[2, 2, 0]]), (Err(Outcome::NoListener), 1, 4));
    }

    #[test]
    fn looks_again_where_one_has_stopped() {
        assert_eq!(searched(&[[1, 0, 0], [0, 0, 1]]), (Ok(()), 2, 2));
        assert_eq!(
            searched(&[[1, 1, 0], [0, 1, 0], [0, 0, 1]]),
            (Err(Outcome::Incompatible), 2, 3)
        );
        assert_eq!(
            searched(&[[1, 1, 0], [0, 0, 0], [0, 0, 1]]),
            (Err(Outcome::NoListener), 2, 2)
        );
    }

    #[test]
    fn looks_at_the_successors_where_none_is_left() {
        assert_eq!(searched_twice(&[[0, 0, 0], [0, 0, 1]], 1), (Ok(()), 2, 1));
        assert_eq!(
            searched_twice(&[[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]], 2),
            (Ok(()), 4, 4)
        );
        assert_eq!(
            searched_twice(&[[0, 1, 0], [0, 0, 1]], 1),
            (Err(Outcome::Incompatible), 1, 1)
        );
        assert_eq!(
            searched_twice(&[[0, 0, 0], [0, 0, 0]], 1),
            (Err(Outcome::NoListener), 2, 0)
        );
    }

    #[test]
    fn looks_no_further_than_at_so_many() {
        let most = usize::from(LOOKS);

        assert_eq!(searched(&[[0, most - 1, 1]]), (Ok(()), 1, most));
        assert_eq!(
            searched(&[[0, most, 1]]),
            (Err(Outcome::Incompatible), 1, most)
        );
        assert_eq!(
            searched(&[[1, most, 0], [0, 0, 1]]),
            (Err(Outcome::Incompatible), 1, most)
        );
        assert_eq!(
            searched(&[[most / 2, 0, 0], [most, 0, 1]]),
            (Err(Outcome::NoListener), 2, most)
        );
    }
}
