// SPDX-License-Identifier: GPL-2.0

//! The room that a backlog leaves.

use kernel::macros::kunit_tests;

/// How many connections a listener takes on until it drops SYNs, with `len` in
/// its accept queue and a backlog of `max`: one more than the backlog says, as
/// `sk_acceptq_is_full()` has it.
pub(crate) fn room(len: u32, max: u32) -> u32 {
    if len > max {
        0
    } else {
        (max - len).saturating_add(1)
    }
}

#[kunit_tests(tcp_migrate_room)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_more_than_the_backlog() {
        assert_eq!(room(0, 0), 1);
        assert_eq!(room(0, 128), 129);
        assert_eq!(room(128, 128), 1);
    }

    #[test]
    fn is_full_beyond_the_backlog() {
        assert_eq!(room(1, 0), 0);
        assert_eq!(room(129, 128), 0);
        assert_eq!(room(u32::MAX, 128), 0);
    }

    #[test]
    fn is_bounded_by_its_type() {
        assert_eq!(room(0, u32::MAX), u32::MAX);
    }
}
