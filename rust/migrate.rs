// SPDX-License-Identifier: GPL-2.0

//! Migration: what happens to connections when their listener stops.
//!
//! | state | when | where |
//! | --- | --- | --- |
//! | `TCP_ESTABLISHED` and `TCP_SYN_RECV` children | at close | [`queue`] |
//! | `TCP_NEW_SYN_RECV` requests | at the final ACK | [`request::complete`] |
//! | `TCP_NEW_SYN_RECV` requests | at the SYN+ACK timer | [`request::timer`] |

#![deny(unsafe_code)]

mod batches;
mod queue;
mod request;
mod selection;

use crate::{
    hooks::Operations,
    net::{
        Connection,
        Destination,
        ExpiringRequest,
        Group,
        Listener,
        ListenerRef,
        NewChild,
        Packet,
        PerNamespace,
        Program,
        Request,
        Stopping,
        Verdict, //
    },
    policy::{
        outcome::{
            Outcome,
            Path, //
        },
        Preferences, //
    },
    stats,
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
    _stats: stats::Registration,
    _sysctl: sysctl::Registration,
}

impl Migration {
    /// Owns the counters and the sysctls, which migrations need.
    pub(crate) fn new(stats: stats::Registration, sysctl: sysctl::Registration) -> Self {
        Self {
            _stats: stats,
            _sysctl: sysctl,
        }
    }
}

#[vtable]
impl Operations for Migration {
    fn keep_closed(listener: &Listener, program: Option<&Program>) -> bool {
        wanted(Sysctls::of(listener.namespace()), program)
    }

    fn listen_stop(former: Stopping<'_>) {
        queue::listen_stop(&former)
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

        request::select(former, req.connection(), path, packet, rcu)
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
        listener: &ListenerRef,
        req: ExpiringRequest<'_>,
        expire: bool,
        resend: bool,
        rcu: &rcu::Guard,
    ) {
        request::timer(listener, req, expire, resend, rcu)
    }
}

/// Whether the connections of a listener that has stopped are to be migrated: by
/// the setting of its namespace, or because its group has a program for that.
fn wanted(sysctls: &Sysctls, program: Option<&Program>) -> bool {
    sysctls.migrate_req() || program.is_some_and(Program::migrates)
}

/// What there is to choose from for the connections of a listener that has stopped.
struct Choice<'a> {
    group: Group<'a>,
    /// The program that is asked first.
    program: Option<&'a Program>,
    preferences: Preferences,
}

impl<'a> Choice<'a> {
    /// The choice in a group, if the connections of its former listener are to be
    /// migrated; or why they aren't.
    #[inline]
    fn new(group: Group<'a>) -> Result<Self, Outcome> {
        let program = group.migrate_program();
        let sysctls = Sysctls::of(group.former().namespace());

        if wanted(sysctls, program) {
            Ok(Self {
                group,
                program,
                preferences: sysctls.preferences(),
            })
        } else {
            Err(Outcome::Disabled)
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
        if let Some(program) = self.program {
            if self.group.len() == 0 {
                return Err(Outcome::NoListener);
            }
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
