// SPDX-License-Identifier: GPL-2.0

//! Connections that a process has accepted, but neither read from nor written to, and
//! takes along as it dies.

use super::Choice;
use crate::{
    net::{
        trace,
        Abandoned,
        GivenBack,
        Group,
        Packet,
        PerNamespace, //
    },
    policy::{
        outcome::{
            Outcome,
            Path, //
        },
        Unread, //
    },
    stats,
    sysctl::Sysctls, //
};
use kernel::sync::rcu;

/// Puts a connection into the accept queue in which a new one would be.
///
/// Process context.
pub(super) fn give_back(child: Abandoned<'_>) -> Option<GivenBack> {
    if !child.was_accepted() {
        return None;
    }

    let namespace = child.namespace();
    let is_wanted = match Sysctls::of(namespace).unread() {
        Unread::Never => false,
        Unread::Killed => child.was_killed(),
        Unread::AnyExit => true,
    };

    if !is_wanted {
        return None;
    }

    // One that has just lost its last reference isn't found again.
    let former = loop {
        if let Some(former) = child.lookup(&rcu::read_lock())?.get() {
            break former;
        }
    };
    let mut child = child.unaccept(&former).ok()?;
    let mut packet = Packet::empty();
    let rcu = rcu::read_lock();
    let (child, why) = loop {
        let selected = Group::of_live(&former, &rcu)
            .ok_or(Outcome::NoListener)
            .and_then(|group| {
                Choice::within(group, |choice| {
                    choice.choose(child.connection(), &mut packet)
                })
            });
        let selected = match selected {
            Ok(selected) => selected,
            Err(why) => break (child, why),
        };

        match child.queue_on(&former, &selected.listener) {
            Ok((outcome, given_back)) => {
                stats::count(namespace, Path::Unread, outcome, 1);
                return Some(given_back);
            }
            Err((child, Some(why))) => break (child, why),
            Err((same, None)) => child = same,
        }
    };

    trace::failure(Path::Unread, &former, None, [(child.connection(), why)]);
    stats::count(namespace, Path::Unread, why, 1);
    None
}
