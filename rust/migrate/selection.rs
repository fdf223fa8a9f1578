// SPDX-License-Identifier: GPL-2.0

//! The choice among the listeners of a group, where no program makes it.

use super::{
    may_be_succeeded,
    Choice, //
};
use crate::{
    net::{
        Connection,
        Destination,
        Group,
        Identity,
        Listener, //
    },
    policy::{
        self,
        outcome::Outcome,
        Candidate,
        Look,
        Search,
        Shortlist, //
    },
};

/// What is wanted of a listener.
struct Wanted<'a> {
    former: Identity,
    /// The connection, if a listener of that identity may be unable to have it.
    connection: Option<Connection<'a>>,
    /// The CPU that it should be meant for, where the group has `SO_INCOMING_CPU`.
    cpu: Option<i32>,
}

impl<'a> Wanted<'a> {
    /// What is wanted for `connection`.
    #[inline(always)]
    fn new(group: &Group<'_>, connection: Connection<'a>) -> Self {
        let former = group.former();

        Self {
            former: former.identity(),
            connection: connection.is_particular(former).then_some(connection),
            cpu: group.has_incoming_cpu().then(|| connection.incoming_cpu()),
        }
    }

    /// Looks at a listener of a group.
    #[inline(always)]
    fn look<'l>(&self, group: &Group<'_>, listener: &'l Listener) -> Look<&'l Listener> {
        let status = listener.status();
        let may_have = |connection| group.may_have(listener, connection);

        if !status.is_listening {
            return Look::Stopped;
        }
        if !listener.identity().suits(&self.former)
            || !self.connection.is_none_or(may_have)
            || group.is_stalled(listener)
        {
            return Look::Unfit;
        }
        Look::Fit(Candidate {
            listener,
            stays: !status.is_closing,
            level: status.level,
            on_cpu: self.cpu.is_none_or(|cpu| cpu == status.incoming_cpu),
        })
    }
}

/// The destination that the best listener is, unless it has lost its last reference.
fn destination(best: Candidate<&Listener>) -> Option<Destination> {
    Some(Destination {
        listener: best.listener.get()?,
        room: Some(best.level.room()).filter(|&room| room > 0),
    })
}

impl<'a> Choice<'a> {
    /// Searches the group. If its last listener has been orphaned meanwhile, which leaves
    /// it without having stopped, searches that of the successor, be it the orphan.
    #[inline(always)]
    fn search<T>(
        &self,
        attempt: impl FnMut(&Group<'a>, &mut Search) -> Option<T>,
    ) -> Result<T, Outcome> {
        let succeeded = |group: &Group<'a>| {
            if may_be_succeeded(group.former()) {
                group.succeeded()
            } else {
                None
            }
        };

        policy::search(self.group, Group::again, succeeded, attempt)
    }

    /// The best live listener for a connection, or why none may have it.
    #[inline]
    pub(super) fn best(&self, connection: Connection<'_>) -> Result<Destination, Outcome> {
        match self.first(connection) {
            Some(first) => Ok(first),
            None => self.best_of_all(connection),
        }
    }

    /// The listener that the search for the best one begins with, if it need not go on:
    /// mostly, that one is as good as can be.
    #[inline(always)]
    fn first(&self, connection: Connection<'_>) -> Option<Destination> {
        let group = &self.group;
        let mut listeners = group.round(|n| policy::first(connection.hash(), n));
        let is_only = listeners.len() == 1;
        let Look::Fit(first) = Wanted::new(group, connection).look(group, listeners.next()?) else {
            return None;
        };
        let is_best = first.is_best(is_only, self.preferences, |listener| {
            group.settings_match(listener)
        });

        if is_best {
            destination(first)
        } else {
            None
        }
    }

    #[inline(never)]
    fn best_of_all(&self, connection: Connection<'_>) -> Result<Destination, Outcome> {
        self.search(|group, search| {
            let wanted = Wanted::new(group, connection);
            let best = policy::best(
                search,
                group.round(|n| policy::first(connection.hash(), n)),
                |listener| wanted.look(group, listener),
                self.preferences,
                |listener| group.settings_match(listener),
            )?;
            let destination = destination(best);

            if destination.is_none() {
                search.lost();
            }
            destination
        })
    }

    /// Shares out `n` connections, one of which has this hash, among live listeners of
    /// a group that isn't mixed, or says why none may have them. Listeners that have
    /// lost their last reference meanwhile are left out, with what they would get.
    pub(super) fn share(
        &self,
        hash: u32,
        n: u32,
    ) -> Result<impl Iterator<Item = (Destination, u32)> + 'a, Outcome> {
        let mut list = Shortlist::new();

        self.search(|group, search| {
            let wanted = Wanted {
                former: group.former().identity(),
                connection: None,
                cpu: None,
            };

            list.fill(
                search,
                group.round(|n| policy::first(hash, n)),
                |listener| wanted.look(group, listener),
                n,
                self.preferences.matching,
                |listener| group.settings_match(listener),
            )
            .then_some(())
        })?;

        let has_room = list.has_room();
        Ok(list.filter_map(move |(listener, n)| {
            let destination = Destination {
                listener: listener.get()?,
                room: has_room.then_some(n),
            };

            Some((destination, n))
        }))
    }
}
