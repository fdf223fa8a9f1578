// SPDX-License-Identifier: GPL-2.0

//! The selection of listeners of a group.

use super::{
    listener::Identity,
    Connection,
    Group,
    Listener,
    ListenerRef, //
};
use crate::policy::{
    self,
    outcome::Outcome,
    select::{
        self,
        Candidate, //
    },
    Match,
    Preferences,
    Share, //
};

/// How often a group is looked at in which all listeners stop meanwhile.
const ATTEMPTS: u32 = 16;

/// Among how many listeners a queue is shared out at a time.
const SHARES: usize = 64;

/// What was seen of a group.
#[derive(Default)]
struct Seen {
    /// A listener that is alive.
    live: bool,
    /// A listener that has stopped.
    stopped: bool,
}

/// What a candidate has to have.
struct Wanted<'a> {
    identity: Identity,
    /// The connection that it must be able to have, if one may be particular.
    connection: Option<Connection<'a>>,
    /// The CPU that it had better be meant for.
    cpu: Option<i32>,
}

/// A listener that was chosen.
pub(crate) struct Selected {
    /// The listener.
    pub(crate) listener: ListenerRef,
    /// How many connections it has room for. `None` if it is to have them in any
    /// case: no other has room, or a program says so.
    pub(crate) room: Option<u32>,
}

impl<'a> Group<'a> {
    /// The `i`th listener of the group as a candidate, if it's alive and may have
    /// what is wanted.
    #[inline(always)]
    fn candidate(
        &self,
        i: u16,
        wanted: &Wanted<'_>,
        seen: &mut Seen,
    ) -> Option<Candidate<&'a Listener>> {
        let listener = self.socket(i);
        let status = listener.status();

        if !status.is_listening {
            seen.stopped = true;
            return None;
        }
        seen.live = true;
        if listener.identity() != wanted.identity
            || wanted
                .connection
                .is_some_and(|connection| !self.may_have(listener, connection))
        {
            return None;
        }
        Some(Candidate {
            listener,
            stays: !status.is_closing,
            level: status.level,
            on_cpu: wanted.cpu.is_none_or(|cpu| cpu == status.incoming_cpu),
        })
    }

    /// Whether a listener has the settings of the former, as far as that has them
    /// yet.
    fn settings_match(&self, listener: &Listener) -> bool {
        let remaining = !self.is_stopping();

        self.former()
            .settings_equal(listener, remaining, self.rcu())
    }

    /// Has `look` look at the group until it has found something, or seen no
    /// listener that has stopped; says what was seen instead.
    ///
    /// A listener leaves the group before its state changes. So when one that has
    /// stopped is seen here, the group is another by now, and perhaps with a
    /// listener that has only just joined.
    fn look<T>(&self, mut look: impl FnMut(&Self, &mut Seen) -> Option<T>) -> Result<T, Outcome> {
        let mut group = *self;

        for _ in 0..ATTEMPTS {
            let mut seen = Seen::default();

            if let Some(found) = look(&group, &mut seen) {
                return Ok(found);
            }
            if !seen.stopped {
                return Err(if seen.live {
                    Outcome::Incompatible
                } else {
                    Outcome::NoListener
                });
            }
            group = group.again().ok_or(Outcome::NoListener)?;
        }
        Err(Outcome::NoListener)
    }

    /// Chooses a live listener for a connection, or says why none of the group may
    /// have it.
    pub(crate) fn select(
        &self,
        connection: Connection<'_>,
        preferences: Preferences,
    ) -> Result<Selected, Outcome> {
        self.look(|group, seen| {
            let wanted = Wanted {
                identity: group.former().identity(),
                connection: connection
                    .is_particular(group.former())
                    .then_some(connection),
                cpu: group.has_incoming_cpu().then(|| connection.incoming_cpu()),
            };
            let chosen = select::select(
                connection.hash(),
                group.len(),
                preferences,
                |i| group.candidate(i, &wanted, seen),
                |listener| group.settings_match(listener),
            )?;
            let listener = chosen.listener.get();

            seen.stopped |= listener.is_none();
            Some(Selected {
                listener: listener?,
                room: Some(chosen.level.room()).filter(|&room| room > 0),
            })
        })
    }

    /// Shares out `n` connections of a group that isn't mixed, one of which has
    /// this hash, among live listeners, or says why none of the group may have
    /// them.
    pub(crate) fn share(
        &self,
        hash: u32,
        n: u32,
        preferences: Preferences,
    ) -> Result<Shares<'a>, Outcome> {
        self.look(|group, seen| group.try_share(hash, n, preferences, seen))
    }

    fn try_share(
        &self,
        hash: u32,
        n: u32,
        preferences: Preferences,
        seen: &mut Seen,
    ) -> Option<Shares<'a>> {
        let enough = SHARES.min(n as usize);
        let wanted = Wanted {
            identity: self.former().identity(),
            connection: None,
            cpu: None,
        };
        let mut shares = Shares {
            listeners: [None; SHARES],
            shares: [Share::NONE; SHARES],
            found: 0,
            next: 0,
            has_room: false,
        };
        // Those that stay come before those that don't, then those with room, and
        // then those with the same settings. When these have no room left, others
        // are looked for.
        let mut best = (false, false, false);

        for i in select::round(hash, self.len()) {
            let Some(candidate) = self.candidate(i, &wanted, seen) else {
                continue;
            };
            let beats = |rank| rank > best || (rank == best && shares.found < enough);
            let mut rank = (candidate.stays, !candidate.level.is_full(), true);

            if !beats(rank) {
                continue;
            }
            rank.2 = preferences.matching == Match::Any || self.settings_match(candidate.listener);
            if !rank.2 && (preferences.matching == Match::Require || !beats(rank)) {
                continue;
            }
            if rank > best {
                shares.found = 0;
                best = rank;
            }
            shares.push(candidate);
            if best == (true, true, true) && shares.found == enough {
                break;
            }
        }
        shares.has_room = best.1;

        let found = shares.found;
        policy::share(&mut shares.shares[..found], n);
        (found > 0).then_some(shares)
    }
}

/// What each of several listeners gets of a queue.
pub(crate) struct Shares<'a> {
    listeners: [Option<&'a Listener>; SHARES],
    shares: [Share; SHARES],
    found: usize,
    next: usize,
    has_room: bool,
}

impl<'a> Shares<'a> {
    fn push(&mut self, candidate: Candidate<&'a Listener>) {
        self.listeners[self.found] = Some(candidate.listener);
        self.shares[self.found] = Share {
            level: candidate.level,
            n: 0,
        };
        self.found += 1;
    }
}

/// The listeners, and how many connections each gets; what those would get that
/// have lost their last reference meanwhile is left out.
impl Iterator for Shares<'_> {
    type Item = (Selected, u32);

    fn next(&mut self) -> Option<(Selected, u32)> {
        while self.next < self.found {
            let i = self.next;

            self.next += 1;
            let n = self.shares[i].n;
            if n == 0 {
                continue;
            }
            if let Some(listener) = self.listeners[i].and_then(Listener::get) {
                let room = self.has_room.then_some(n);

                return Some((Selected { listener, room }, n));
            }
        }
        None
    }
}
