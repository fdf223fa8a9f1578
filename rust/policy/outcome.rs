// SPDX-License-Identifier: GPL-2.0

//! What becomes of a connection whose listener has stopped.

use core::{
    ffi::CStr,
    iter,
    num::NonZero, //
};
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
/// Few outcomes occur at a time: a word has a bit for each that may have.
#[derive(Default)]
pub(crate) struct Tally {
    counts: [u32; Outcome::ALL.len()],
    seen: u32,
}

impl Tally {
    /// Adds `n` connections with this outcome.
    pub(crate) fn add(&mut self, outcome: Outcome, n: u32) {
        self.counts[outcome as usize] += n;
        self.seen |= 1 << outcome as u32;
    }

    /// The outcomes that there were, and how many connections had each.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u32)> + '_ {
        iter::successors(NonZero::new(self.seen), |seen| {
            NonZero::new(seen.get() & (seen.get() - 1))
        })
        .map(|seen| {
            let i = seen.trailing_zeros() as usize;

            (Outcome::ALL[i], self.counts[i])
        })
        .filter(|&(_, n)| n > 0)
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
        tally.add(Outcome::Migrated, 3);
        tally.add(Outcome::OverBacklog, 0);
        tally.add(Outcome::Migrated, 1);

        assert!(tally
            .outcomes()
            .eq([(Outcome::Migrated, 4), (Outcome::Busy, 1)]));
    }
}
