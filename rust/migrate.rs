// SPDX-License-Identifier: GPL-2.0

//! Migration: what happens to connections when their listener stops.
//!
//! | state | when | where |
//! | --- | --- | --- |
//! | `TCP_ESTABLISHED` and `TCP_SYN_RECV` children | at close | [`queue`] |
//! | `TCP_NEW_SYN_RECV` requests | at the final ACK | [`request::complete`] |
//! | `TCP_NEW_SYN_RECV` requests | at the SYN+ACK timer | [`request::timer`] |
//! | children of a listener that is alive, and stands still | at a look | [`stall`] |
//! | children that a process has accepted, and not read from | as it dies | [`unread`] |

#![deny(unsafe_code)]

mod batches;
mod queue;
mod request;
mod selection;
mod stall;
mod unread;

pub(crate) use self::stall::rescue;

use crate::{
    hooks::Operations,
    net::{
        Abandoned,
        Closing,
        Connection,
        Destination,
        ExpiringRequest,
        GivenBack,
        Group,
        Kept,
        Listener,
        ListenerRef,
        NewChild,
        Packet,
        PerNamespace,
        Program,
        Request,
        Stalled,
        Stopping,
        Target,
        Verdict, //
    },
    orphans::{
        self,
        Orphans, //
    },
    policy::{
        outcome::{
            Outcome,
            Path, //
        },
        Preferences, //
    },
    stalls, stats,
    sysctl::{
        self,
        Sysctls, //
    },
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The module's implementation of the hooks.
pub(crate) struct Migration {
    // Dropped in this order: who looks at listeners needs the sysctls, and who writes to a
    // sysctl needs the others.
    _scanning: stalls::Scanning,
    _sysctl: sysctl::Registration,
    _stalls: stalls::Registration,
    _orphans: orphans::Registration,
    _stats: stats::Registration,
}

impl Migration {
    /// Owns what migrations need in every namespace.
    pub(crate) fn new(
        sysctl: sysctl::Registration,
        stalls: stalls::Registration,
        orphans: orphans::Registration,
        stats: stats::Registration,
    ) -> Self {
        Self {
            _scanning: stalls.scan(),
            _sysctl: sysctl,
            _stalls: stalls,
            _orphans: orphans,
            _stats: stats,
        }
    }
}

#[vtable]
impl Operations for Migration {
    fn keep_closed(listener: &Listener, program: Option<&Program>) -> bool {
        wanted(Sysctls::of(listener.namespace()), program)
    }

    fn listen_stop(former: Stopping<'_>) {
        queue::listen_stop(&former);
        if former.is_dead() {
            Orphans::of(former.listener().namespace()).listen_stop();
        }
        stalls::listen_stop(&former);
    }

    fn select(
        former: &Listener,
        req: &Request,
        packet: Packet<'_>,
        rcu: &rcu::Guard,
    ) -> Option<ListenerRef> {
        let path = if packet.is_segment() {
            Path::Ack
        } else {
            Path::Timer
        };

        request::select(former, req.connection(), Some(req), path, packet, rcu)
    }

    #[inline]
    fn complete(child: NewChild<'_>, rcu: &rcu::Guard) -> bool {
        request::complete(child, rcu)
    }

    fn refused(listener: &Listener, req: &Request, rcu: &rcu::Guard) {
        request::refused(listener, req, rcu)
    }

    #[inline]
    fn timer(
        to: ListenerRef,
        req: ExpiringRequest<'_>,
        expire: bool,
        resend: bool,
        rcu: &rcu::Guard,
    ) -> Option<ListenerRef> {
        request::timer(to, req, expire, resend, rcu)
    }

    fn orphan(listener: Closing<'_>) -> Option<Kept> {
        // First what most listeners fail.
        if listener.has_lasting_sibling(&rcu::read_lock())
            || !may_be_succeeded(listener.listener())
            || !listener.can_go_on()
        {
            return None;
        }

        Orphans::of(listener.listener().namespace()).keep(listener)
    }

    fn orphaned<'a>(target: &Target<'_>, rcu: &'a rcu::Guard) -> Option<&'a Listener> {
        Orphans::of(target.namespace).find(target, rcu)
    }

    fn listen_start(listener: &Listener, rcu: &rcu::Guard) {
        if listener.holds_namespace() {
            Orphans::of(listener.namespace()).listen_start(listener, rcu);
        }
    }

    fn unread(child: Abandoned<'_>) -> Option<GivenBack> {
        unread::give_back(child)
    }
}

/// Whether the connections of a listener that has stopped are to be migrated: by
/// the setting of its namespace, or because its group has a program for that.
fn wanted(sysctls: &Sysctls, program: Option<&Program>) -> bool {
    sysctls.migrate_req() || program.is_some_and(Program::migrates)
}

/// Whether connections of a listener without a group, or of the last one of it, go to a
/// successor if there's one.
fn may_be_succeeded(former: &Listener) -> bool {
    former.holds_namespace() && Sysctls::of(former.namespace()).has_grace()
}

/// What there is to choose from for the connections of a listener that has stopped.
struct Choice<'a> {
    group: Group<'a>,
    /// The program that is asked first.
    program: Option<&'a Program>,
    preferences: Preferences,
}

impl<'a> Choice<'a> {
    /// Calls `f` with the choice for the connections of a listener, if they are to be
    /// migrated; or says why they aren't. `None` if nobody expects it.
    ///
    /// They go to its group. Where listeners may go on without a process, they go to its
    /// successor if it has no group, or is the last one of it.
    ///
    /// A choice that was returned would cost more: the compiler moves it about, with its
    /// padding.
    #[inline(always)]
    fn with<T>(
        former: &'a Listener,
        rcu: &'a rcu::Guard,
        f: impl FnOnce(Self) -> Result<T, Outcome>,
    ) -> Option<Result<T, Outcome>> {
        let group = match former.group(rcu) {
            Some(group) if group.len() > 0 => group,
            group if !may_be_succeeded(former) => group?.or_parked(),
            _ => match Group::of_successor(former, rcu) {
                Some(group) => group,
                None => return Some(Err(Outcome::NoListener)),
            },
        };

        Some(Self::within(group, f))
    }

    /// The same, for connections that go to `group`.
    #[inline]
    fn within<T>(
        group: Group<'a>,
        f: impl FnOnce(Self) -> Result<T, Outcome>,
    ) -> Result<T, Outcome> {
        let program = group.migrate_program();
        let sysctls = Sysctls::of(group.former().namespace());

        if !wanted(sysctls, program) {
            return Err(Outcome::Disabled);
        }
        f(Self {
            group,
            program,
            preferences: sysctls.preferences(),
        })
    }

    /// The same choice, for a listener that is alive.
    fn of_stalled(self, former: &Stalled<'_>, is_stalled: &'a dyn Fn(&Listener) -> bool) -> Self {
        Self {
            group: self.group.of_stalled(former, is_stalled),
            ..self
        }
    }

    /// The same choice, for a listener that is in `listen_stop()`.
    fn of_stopping(self, former: &Stopping<'_>) -> Self {
        Self {
            group: self.group.of_stopping(former),
            ..self
        }
    }

    /// Chooses a live listener for a connection. A program is asked first, unless
    /// the group has no listener left.
    #[inline(always)]
    fn choose(
        &self,
        connection: Connection<'_>,
        packet: &mut Packet<'_>,
    ) -> Result<Destination, Outcome> {
        if let Some(program) = self.program.filter(|_| self.group.len() > 0) {
            match program.run(&self.group, connection, packet) {
                Verdict::Listener(listener) => {
                    return Ok(Destination {
                        listener,
                        room: None,
                    })
                }
                Verdict::Any => (),
                Verdict::Cancel => return Err(Outcome::Cancelled),
                Verdict::NoMemory => return Err(Outcome::NoMemory),
            }
        }
        self.best(connection)
    }
}
