// SPDX-License-Identifier: GPL-2.0

//! Requests whose listener has stopped during their handshake.

use crate::{
    net::{
        trace,
        Connection,
        ExpiringRequest,
        Listener,
        ListenerRef,
        NewChild,
        Packet,
        Request, //
    },
    policy::outcome::{
        Outcome,
        Path, //
    },
    stats, //
};
use core::ptr;
use kernel::sync::rcu;

/// Chooses a live listener for a connection in the group of `former`, at its
/// final ACK or its SYN+ACK timer, and counts a failure to find one; what stands
/// in for `reuseport_migrate_sock()`.
#[inline]
pub(super) fn select(
    former: &Listener,
    connection: Connection<'_>,
    path: Path,
    mut packet: Packet<'_>,
    rcu: &rcu::Guard,
) -> Option<ListenerRef> {
    super::Choice::with(former, rcu, |choice| choice.choose(connection, &mut packet))?
        .map(|selected| selected.listener)
        .inspect_err(|&outcome| failed(path, outcome, former, None, connection))
        .ok()
}

/// Queues `child` on the listener that [`select`] chose at the final ACK, or on
/// which it was to be queued. If that has stopped since, on another listener of
/// the group of the child's former one. False if none is left.
///
/// Mainline's `inet_csk_complete_hashdance()` clones the request, and resets the
/// child if the listener has stopped. But the request is unhashed, and its timer is
/// deleted: it can be given another listener in place, as often as needed.
#[inline]
pub(super) fn complete(mut child: NewChild<'_>, rcu: &rcu::Guard) -> bool {
    let (former, found) = (child.former(), child.found());

    if former.group(rcu).is_none() && !super::may_be_succeeded(former) {
        return false;
    }
    if let Err(outcome) = child.detach(rcu) {
        failed(Path::Ack, outcome, former, None, child.connection());
        return false;
    }
    let mut result = child.queue();

    loop {
        let child = match result {
            Ok(outcome) => {
                count(former, Path::Ack, outcome);
                return true;
            }
            Err(child) => child,
        };
        let connection = child.connection();
        let Some(to) = select(former, connection, Path::Ack, Packet::empty(), rcu) else {
            return false;
        };

        result = child.queue_on(&to);
        // The kernel tells the listener that it found when the child is in
        // TCP_ESTABLISHED. It doesn't know of another one.
        if result.is_ok() && !ptr::eq(&*to, found) {
            to.data_ready(1);
        }
    }
}

/// Counts that `listener`, which [`select`] chose for `req` at the final ACK, could not
/// make a child. If that has stopped meanwhile, nothing is lost: the peer or the timer tries
/// again. If another CPU has taken the request out of ehash meanwhile, that CPU counts what
/// has become of it.
pub(super) fn refused(listener: &Listener, req: &Request, rcu: &rcu::Guard) {
    if !req.is_hashed() {
        return;
    }

    let outcome = if !listener.is_listening() {
        Outcome::LostRace
    } else if listener.accept_queue().level().is_full() {
        Outcome::QueueFull
    } else {
        Outcome::NoMemory
    };

    failed(
        Path::Ack,
        outcome,
        req.listener(rcu),
        Some(listener),
        req.connection(),
    );
}

/// Replaces `req` in ehash by a clone that belongs to `listener`, unless it has
/// expired. Stands in for the second half of `reqsk_timer_handler()`.
pub(super) fn timer(
    listener: &ListenerRef,
    req: ExpiringRequest<'_>,
    expire: bool,
    resend: bool,
    rcu: &rcu::Guard,
) {
    let connection = req.request().connection();
    let former = req.request().listener(rcu);
    let outcome = if expire {
        Outcome::Expired
    } else {
        req.replace(listener, resend, rcu)
    };

    if outcome.is_success() {
        trace::success(Path::Timer, former, listener, [(connection, outcome)]);
        count(former, Path::Timer, outcome);
    } else {
        failed(Path::Timer, outcome, former, Some(listener), connection);
    }
}

/// Counts that a connection of `former` hasn't gone to another listener. If one was
/// selected for it, that's `to`.
fn failed(
    path: Path,
    why: Outcome,
    former: &Listener,
    to: Option<&Listener>,
    connection: Connection<'_>,
) {
    trace::failure(path, former, to, [(connection, why)]);
    count(former, path, why);
}

fn count(former: &Listener, path: Path, outcome: Outcome) {
    stats::count(former.namespace(), path, outcome, 1)
}
