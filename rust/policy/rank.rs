// SPDX-License-Identifier: GPL-2.0

//! What makes one listener better than another.

use super::{
    Level,
    Match, //
};
use kernel::macros::kunit_tests;

/// A listener that may have a connection.
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

/// How good a listener is.
///
/// A bit for each thing that speaks for it, the weightiest first: that it stays, has
/// room, has the same settings as the former listener, and is on the CPU.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u8);

impl Rank {
    /// Everything speaks for it.
    pub(super) const BEST: Self = Self(0b1111);

    /// Nothing does.
    pub(super) const WORST: Self = Self(0);

    /// Whether it has room.
    pub(super) fn has_room(self) -> bool {
        self.0 & 0b0100 != 0
    }
}

impl<T: Copy> Candidate<T> {
    /// Its rank, if its settings match or not.
    fn rank_if(&self, matches: bool) -> Rank {
        let bits = [self.stays, !self.level.is_full(), matches, self.on_cpu];

        Rank(
            bits.into_iter()
                .fold(0, |rank, bit| rank << 1 | u8::from(bit)),
        )
    }

    /// Its rank, if it may have the connection by its settings and its rank `beats`
    /// what there is. Whether the settings match is only asked where that decides.
    #[inline]
    pub(super) fn rank(
        &self,
        matching: Match,
        beats: impl Fn(Rank) -> bool,
        matches: impl FnOnce(T) -> bool,
    ) -> Option<Rank> {
        let rank = self.rank_if(true);

        if !beats(rank) {
            return None;
        }
        if matching == Match::Any || matches(self.listener) {
            return Some(rank);
        }
        let rank = self.rank_if(false);

        (matching == Match::Prefer && beats(rank)).then_some(rank)
    }
}

#[kunit_tests(tcp_migrate_rank)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// A listener that everything speaks for, but perhaps its settings.
    fn idle() -> Candidate<()> {
        Candidate {
            listener: (),
            stays: true,
            level: Level::new(0, 9),
            on_cpu: true,
        }
    }

    #[test]
    fn the_weightiest_decides() {
        let closing = Candidate {
            stays: false,
            ..idle()
        };
        let full = Candidate {
            level: Level::new(10, 9),
            ..idle()
        };
        let elsewhere = Candidate {
            on_cpu: false,
            ..idle()
        };
        let from_worst = [
            closing.rank_if(true),
            full.rank_if(true),
            idle().rank_if(false),
            elsewhere.rank_if(true),
            Rank::BEST,
        ];

        assert!(from_worst.is_sorted());
        assert!(idle().rank_if(true) == Rank::BEST);
        assert!(elsewhere.rank_if(true).has_room());
        assert!(!full.rank_if(true).has_room());
    }

    /// Whether there's a rank where settings are to match and do or don't, and the
    /// one to beat is `best`; and how often it's asked whether they do.
    fn ranks(matching: Match, matches: bool, best: Rank) -> (bool, u32) {
        let asked = Cell::new(0);
        let ask = |()| {
            asked.set(asked.get() + 1);
            matches
        };
        let rank = idle().rank(matching, |rank| rank > best, ask);

        (rank.is_some(), asked.get())
    }

    #[test]
    fn settings_are_compared_only_where_that_decides() {
        let (other, worse) = (idle().rank_if(false), Rank::WORST);

        assert_eq!(ranks(Match::Prefer, true, Rank::BEST), (false, 0));
        assert_eq!(ranks(Match::Require, true, Rank::BEST), (false, 0));
        assert_eq!(ranks(Match::Any, false, other), (true, 0));
        assert_eq!(ranks(Match::Prefer, true, other), (true, 1));
        assert_eq!(ranks(Match::Prefer, false, other), (false, 1));
        assert_eq!(ranks(Match::Prefer, false, worse), (true, 1));
        assert_eq!(ranks(Match::Require, false, worse), (false, 1));
    }
}
