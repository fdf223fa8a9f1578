// SPDX-License-Identifier: GPL-2.0

//! How full an accept queue is.

use kernel::macros::kunit_tests;

/// Larger lengths and capacities count as this where they are multiplied, so that products
/// of two, and sums of many, fit in 64 bits.
const MAX: u32 = 1 << 24;

/// The length of an accept queue and what it may be, in connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Level {
    len: u32,
    capacity: u32,
}

impl Level {
    /// The level of no queue.
    pub(super) const NONE: Self = Self {
        len: 0,
        capacity: 0,
    };

    /// The level of a queue with `len` connections and a backlog of `backlog`.
    ///
    /// A queue takes one connection more than its backlog, as `sk_acceptq_is_full()` has
    /// it.
    pub(crate) fn new(len: u32, backlog: u32) -> Self {
        Self {
            len,
            capacity: backlog.saturating_add(1),
        }
    }

    /// How many connections there are.
    pub(super) fn len(self) -> u64 {
        self.len.min(MAX).into()
    }

    /// How many there may be, at least 1.
    pub(super) fn capacity(self) -> u64 {
        self.capacity.min(MAX).into()
    }

    /// How many more there may be.
    pub(crate) fn room(self) -> u32 {
        self.capacity.saturating_sub(self.len)
    }

    /// Whether there are none.
    pub(super) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Whether there may be no more.
    pub(crate) fn is_full(self) -> bool {
        self.room() == 0
    }

    /// Whether this queue has less in it than `other`, in relation to what each
    /// may have.
    pub(crate) fn is_below(self, other: Self) -> bool {
        self.len() * other.capacity() < other.len() * self.capacity()
    }
}

#[kunit_tests(tcp_migrate_level)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_more_than_the_backlog() {
        assert_eq!(Level::new(0, 0).room(), 1);
        assert_eq!(Level::new(0, 128).room(), 129);
        assert_eq!(Level::new(128, 128).room(), 1);
    }

    #[test]
    fn is_full_beyond_the_backlog() {
        assert!(Level::new(1, 0).is_full());
        assert!(Level::new(129, 128).is_full());
        assert!(Level::new(u32::MAX, 128).is_full());
        assert!(!Level::new(128, 128).is_full());
    }

    #[test]
    fn is_bounded() {
        assert_eq!(Level::new(0, u32::MAX).room(), u32::MAX);
        assert!(Level::new(u32::MAX, u32::MAX).is_full());
        assert_eq!(Level::new(u32::MAX, u32::MAX).len(), MAX.into());
        assert_eq!(Level::new(0, u32::MAX).capacity(), MAX.into());
    }

    #[test]
    fn compares_in_relation_to_the_backlog() {
        let (half, most) = (Level::new(50, 99), Level::new(9, 9));

        assert!(half.is_below(most));
        assert!(!most.is_below(half));
        assert!(!half.is_below(Level::new(5, 9)));
        assert!(!Level::new(5, 9).is_below(half));
    }
}
