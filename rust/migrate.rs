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

use crate::{
    hooks::Operations,
    net::{
        Connection,
        ExpiringRequest,
        Group,
        Listener,
        ListenerRef,
        NewChild,
        Packet,
        PerNamespace,
        Program,
        Request,
        Selected,
        Verdict, //
    },
    policy::Preferences,
    sysctl::Sysctls, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The module's implementation of the hooks.
pub(crate) struct Migration;

#[vtable]
impl Operations for Migration {
    fn keep_closed(listener: &Listener, program: Option<&Program>) -> bool {
        wanted(listener, program)
    }

    fn listen_stop(listener: &Listener) {
        queue::listen_stop(listener)
    }

    fn select(
        closed: &Listener,
        req: &Request,
        packet: Packet<'_>,
        rcu: &rcu::Guard,
    ) -> Option<ListenerRef> {
        request::select(closed, req.connection(), packet, rcu)
    }

    fn complete(listener: &Listener, child: &NewChild<'_>, rcu: &rcu::Guard) -> bool {
        request::complete(listener, child, rcu)
    }

    fn refused(listener: &Listener, _req: &Request) {
        listener.namespace().add_failed(1)
    }

    fn timer(
        listener: &Listener,
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
fn wanted(listener: &Listener, program: Option<&Program>) -> bool {
    Sysctls::of(listener.namespace()).migrate_req() || program.is_some_and(Program::migrates)
}

/// The group of a listener that has stopped, if its connections are to be
/// migrated within it, or an error, for the failure to be counted, if not.
///
/// `None` when the listener has left its group, so that nobody expects a
/// migration.
fn group<'a>(closed: &'a Listener, rcu: &'a rcu::Guard) -> Option<Result<Group<'a>>> {
    let group = closed.group(rcu)?;

    Some(if wanted(closed, group.migrate_program()) {
        Ok(group)
    } else {
        Err(EPERM)
    })
}

/// Chooses a live listener for a connection: the one that the group's program
/// says, where there's one, and by hash where it doesn't. The program isn't asked
/// when the group has no listener left.
fn choose(
    group: &Group<'_>,
    connection: Connection<'_>,
    preferences: Preferences,
    packet: &mut Packet<'_>,
) -> Option<Selected> {
    if group.len() == 0 {
        return None;
    }
    if let Some(program) = group.migrate_program() {
        match program.run(group, connection, packet) {
            Verdict::Listener(listener) => {
                return Some(Selected {
                    listener,
                    has_room: false,
                })
            }
            Verdict::Any => (),
            Verdict::Cancel => return None,
        }
    }
    group.select(connection, preferences)
}
