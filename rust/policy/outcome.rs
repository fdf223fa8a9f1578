// SPDX-License-Identifier: GPL-2.0

//! What becomes of a connection whose listener has stopped.

use core::ffi::CStr;
use kernel::macros::kunit_tests;

/// Defines an enum whose variants have names for users.
macro_rules! named {
    (
        $(#[$attr:meta])*
        $vis:vis enum $Enum:ident {
            $($(#[$doc:meta])* $Variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$attr])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $vis enum $Enum {
            $($(#[$doc])* $Variant,)+
        }

        impl $Enum {
            /// All of them, in their order.
            pub(crate) const ALL: [Self; [$($name),+].len()] = [$(Self::$Variant),+];

            /// The name that users see.
            pub(crate) const fn name(self) -> &'static CStr {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }
        }
    };
}

named! {
    /// When a connection was to be migrated.
    pub(crate) enum Path {
        /// Its listener stopped while it waited in the accept queue.
        Close = c"close",
        /// Its final ACK came, or its listener stopped before the child was queued.
        Ack = c"ack",
        /// Its SYN+ACK timer ran.
        Timer = c"timer",
        /// An orphaned listener ended while it waited in the accept queue.
        Grace = c"grace",
        /// The process that had accepted it has died.
        Unread = c"unread",
        /// It waited for a listener that accepted nothing.
        Stall = c"stall",
    }
}

named! {
    /// What became of it then.
    pub(crate) enum Outcome {
        /// Another listener has it.
        Migrated = c"migrated",
        /// Another listener has it, beyond its backlog.
        OverBacklog = c"over_backlog",
        /// Migration was switched off after the listener had stopped.
        Disabled = c"disabled",
        /// The group has no live listener.
        NoListener = c"no_listener",
        /// The group has live listeners, none of which may have it.
        Incompatible = c"incompatible",
        /// A program said that none is to have it.
        Cancelled = c"cancelled",
        /// There was no memory for a clone, a child, or to ask the program.
        NoMemory = c"no_memory",
        /// The new listener's accept queue was full.
        QueueFull = c"queue_full",
        /// Its SYN+ACK had been sent for the last time.
        Expired = c"expired",
        /// Its SYN+ACK could not be sent again.
        Unanswered = c"unanswered",
        /// Another CPU took the request meanwhile, or stopped the new listener.
        LostRace = c"lost_race",
        /// A process owned the child of Fast Open.
        Busy = c"busy",
        /// Nobody came in the time that its orphaned listener had.
        GraceOver = c"grace_over",
    }
}

/// What becomes of a listener that goes on without a process.
#[derive(Clone, Copy)]
pub(crate) enum Life {
    /// It has lost its last file descriptor.
    Orphaned,
    /// It has ended, as another one listens.
    Adopted,
    /// It has ended, as nobody came in time.
    GraceOver,
    /// It has ended, as there are to be none any more.
    Disabled,
    /// Somebody else has ended it, as `ss -K` does.
    Killed,
}

impl Life {
    /// The name that users see.
    #[cfg(CONFIG_TRACEPOINTS)]
    pub(crate) const fn name(self) -> &'static CStr {
        match self {
            Self::Orphaned => c"orphaned",
            Self::Adopted => c"adopted",
            Self::GraceOver => c"grace_over",
            Self::Disabled => c"disabled",
            Self::Killed => c"killed",
        }
    }
}

impl Outcome {
    /// That of a child which another listener gets, with room for it or without.
    pub(crate) const fn queued(has_room: bool) -> Self {
        if has_room {
            Self::Migrated
        } else {
            Self::OverBacklog
        }
    }

    /// Whether another listener has the connection.
    pub(crate) const fn is_success(self) -> bool {
        matches!(self, Self::Migrated | Self::OverBacklog)
    }
}

/// How many connections had which outcome.
///
/// Mostly all are migrated, and nobody looks for others.
#[derive(Default)]
pub(crate) struct Tally {
    migrated: u32,
    others: [u32; Outcome::ALL.len()],
    has_others: bool,
}

impl Tally {
    /// Adds `n` connections that another listener has, `over` of them beyond its backlog.
    #[inline]
    pub(crate) fn add_queued(&mut self, n: u32, over: u32) {
        self.migrated += n - over;
        if over > 0 {
            self.add(Outcome::OverBacklog, over);
        }
    }

    /// Adds `n` connections with another outcome.
    pub(crate) fn add(&mut self, outcome: Outcome, n: u32) {
        self.others[outcome as usize] += n;
        self.has_others = true;
    }

    /// Calls `count` with each outcome that there was, and how many connections had it.
    #[inline]
    pub(crate) fn for_each(&self, mut count: impl FnMut(Outcome, u32)) {
        if self.migrated > 0 {
            count(Outcome::Migrated, self.migrated);
        }
        if self.has_others {
            self.for_each_other(count);
        }
    }

    #[cold]
    fn for_each_other(&self, mut count: impl FnMut(Outcome, u32)) {
        for outcome in Outcome::ALL {
            let n = self.others[outcome as usize];

            if n > 0 {
                count(outcome, n);
            }
        }
    }
}

#[kunit_tests(tcp_migrate_outcome)]
mod tests {
    use super::*;

    #[test]
    fn all_are_in_order() {
        for (i, path) in Path::ALL.into_iter().enumerate() {
            assert_eq!(path as usize, i);
        }
        for (i, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, i);
        }
    }

    #[test]
    fn two_are_successes() {
        let successes = Outcome::ALL.into_iter().filter(|o| o.is_success());

        assert_eq!(successes.count(), 2);
    }

    #[test]
    fn tallies_add_up() {
        let mut tally = Tally::default();

        tally.add(Outcome::Busy, 1);
        tally.add_queued(3, 0);
        tally.add_queued(3, 2);
        tally.add(Outcome::NoMemory, 0);

        let mut counts = [
            (Outcome::Migrated, 4),
            (Outcome::OverBacklog, 2),
            (Outcome::Busy, 1),
        ]
        .into_iter();

        tally.for_each(|outcome, n| assert_eq!(counts.next(), Some((outcome, n))));
        assert_eq!(counts.next(), None);
    }
}
