// SPDX-License-Identifier: GPL-2.0

//! Migration: what happens to connections when their listener stops.
//!
//! | state | when | where |
//! | --- | --- | --- |
//! | `TCP_ESTABLISHED` and `TCP_SYN_RECV` children | at close | [`queue`] |
//! | `TCP_NEW_SYN_RECV` requests | at the final ACK | [`request::complete`] |
//! | `TCP_NEW_SYN_RECV` requests | at the SYN+ACK timer | [`request::timer`] |

#![deny(unsafe_code)]

mod queue;
mod request;

use crate::{
    hooks::Operations,
    net::{
        ExpiringRequest,
        Group,
        Listener,
        NewChild,
        PerNamespace,
        Request, //
    },
    sysctl::Settings, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

/// The module's implementation of the hooks.
pub(crate) struct Migration;

#[vtable]
impl Operations for Migration {
    fn keep_closed(listener: &Listener) -> bool {
        wanted(listener)
    }

    fn listen_stop(listener: &Listener) {
        queue::listen_stop(listener)
    }

    fn select(closed: &Listener, req: &Request, rcu: &rcu::Guard) -> Option<ARef<Listener>> {
        request::select(closed, req, rcu)
    }

    fn complete(listener: &Listener, child: &NewChild<'_>, rcu: &rcu::Guard) -> bool {
        request::complete(listener, child, rcu)
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

/// Whether the connections of a listener that has stopped are to be migrated.
fn wanted(listener: &Listener) -> bool {
    Settings::of(listener.namespace()).migrate_req()
}

/// The group of a listener that has stopped, if its connections are to be
/// migrated within it, or an error, for the failure to be counted, if not.
///
/// `None` when the listener has left its group, so that nobody expects a
/// migration.
fn group<'a>(closed: &'a Listener, rcu: &'a rcu::Guard) -> Option<Result<Group<'a>>> {
    let group = closed.group(rcu)?;

    Some(if wanted(closed) {
        Ok(group)
    } else {
        Err(EPERM)
    })
}
