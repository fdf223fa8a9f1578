// SPDX-License-Identifier: GPL-2.0

//! Requests whose listener has stopped during their handshake.

use crate::{
    net::{
        Connection,
        ExpiringRequest,
        Listener,
        ListenerRef,
        NewChild,
        Packet, //
    },
    policy::outcome::{
        Outcome,
        Path, //
    },
};
use core::ptr;
use kernel::sync::rcu;

/// Chooses a live listener for a connection in the group of `closed`, at its
/// final ACK or its SYN+ACK timer, and counts a failure to find one; what stands
/// in for `reuseport_migrate_sock()`.
pub(super) fn select(
    closed: &Listener,
    connection: Connection<'_>,
    path: Path,
    mut packet: Packet<'_>,
    rcu: &rcu::Guard,
) -> Option<ListenerRef> {
    super::Choice::new(closed, rcu)?
        .and_then(|choice| choice.choose(connection, &mut packet))
        .map(|selected| selected.listener)
        .inspect_err(|&outcome| super::count(closed.namespace(), path, outcome))
        .ok()
}

/// Queues `child` on `listener`, which [`select`] chose at the final ACK, or on
/// which it was to be queued. When that has stopped since, on another listener of
/// the group of the child's former one. False when none is left.
///
/// Mainline's `inet_csk_complete_hashdance()` clones the request, and resets the
/// child when the listener has stopped; but the request is unhashed and its timer
/// is gone, so that it can be told whose it is, as often as need be.
pub(super) fn complete(listener: &Listener, child: &NewChild<'_>, rcu: &rcu::Guard) -> bool {
    let former = child.former();
    let again = || select(former, child.connection(), Path::Ack, Packet::empty(), rcu);
    // Where it was found under RCU, its last reference may be gone by now.
    let mut next = listener.get().or_else(again);

    while let Some(to) = next {
        if let Some((to, outcome)) = child.queue_on(to) {
            // The kernel tells the listener it knows when the child is in
            // TCP_ESTABLISHED; another one is for us to tell.
            if !ptr::eq(&*to, listener) {
                to.data_ready(1);
            }
            super::count(former.namespace(), Path::Ack, outcome);
            return true;
        }
        next = again();
    }
    false
}

/// Counts that `listener`, which [`select`] chose at the final ACK, could not make
/// a child.
pub(super) fn refused(listener: &Listener, _connection: Connection<'_>) {
    let outcome = if listener.accept_queue().level().is_full() {
        Outcome::QueueFull
    } else {
        Outcome::NoMemory
    };

    super::count(listener.namespace(), Path::Ack, outcome);
}

/// Has a clone of `req`, which belongs to `listener`, take its place in ehash,
/// unless it has expired; what stands in for the second half of
/// `reqsk_timer_handler()`.
pub(super) fn timer(
    listener: &Listener,
    req: ExpiringRequest<'_>,
    expire: bool,
    resend: bool,
    rcu: &rcu::Guard,
) {
    let outcome = if expire {
        Outcome::Expired
    } else {
        req.replace(listener, resend, rcu)
    };

    super::count(listener.namespace(), Path::Timer, outcome);
}
