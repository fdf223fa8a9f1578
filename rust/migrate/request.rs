// SPDX-License-Identifier: GPL-2.0

//! Requests whose listener has stopped during their handshake.

use crate::{
    net::{
        Connection,
        ExpiringRequest,
        Listener,
        ListenerRef,
        NewChild,
        Packet,
        PerNamespace, //
    },
    sysctl::Sysctls, //
};
use core::ptr;
use kernel::sync::rcu;

/// Chooses a live listener for a connection in the group of `closed`, at its
/// final ACK or its SYN+ACK timer, and counts a failure to find one; what stands
/// in for `reuseport_migrate_sock()`.
pub(super) fn select(
    closed: &Listener,
    connection: Connection<'_>,
    mut packet: Packet<'_>,
    rcu: &rcu::Guard,
) -> Option<ListenerRef> {
    let preferences = Sysctls::of(closed.namespace()).preferences();
    let selected = super::group(closed, rcu)?
        .ok()
        .and_then(|group| super::choose(&group, connection, preferences, &mut packet))
        .map(|selected| selected.listener);

    if selected.is_none() {
        closed.namespace().add_failed(1);
    }
    selected
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
    let again = || select(former, child.connection(), Packet::empty(), rcu);
    // Where it was found under RCU, its last reference may be gone by now.
    let mut next = listener.get().or_else(again);

    while let Some(to) = next {
        if let Some(to) = child.queue_on(to) {
            // The kernel tells the listener it knows when the child is in
            // TCP_ESTABLISHED; another one is for us to tell.
            if !ptr::eq(&*to, listener) {
                to.data_ready(1);
            }
            former.namespace().add_migrated(1);
            return true;
        }
        next = again();
    }
    false
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
    let namespace = listener.namespace();

    if !expire && req.replace(listener, resend, rcu) {
        namespace.add_migrated(1);
    } else {
        namespace.add_failed(1);
    }
}
