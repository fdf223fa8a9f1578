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
/// in for `reuseport_migrate_sock()`. If the connection is `hashed`, it may get another
/// listener meanwhile.
#[inline]
pub(super) fn select(
    former: &Listener,
    connection: Connection<'_>,
    hashed: Option<&Request>,
    path: Path,
    mut packet: Packet<'_>,
    rcu: &rcu::Guard,
) -> Option<ListenerRef> {
    let selected =
        super::Choice::with(former, rcu, |choice| choice.choose(connection, &mut packet));

    if let Some(Ok(selected)) = selected {
        return Some(selected.listener);
    }
    if let Some(now) = hashed.and_then(|req| req.moved_from(former, rcu)) {
        return select_again(now, connection, hashed, path, rcu);
    }
    if let Some(Err(outcome)) = selected {
        failed(path, outcome, former, None, connection);
    }
    None
}

/// The same for the listener that the request has got from its timer, on another CPU, since
/// its former one was read. For one more time, its timer would have to run again meanwhile.
#[cold]
fn select_again(
    now: &Listener,
    connection: Connection<'_>,
    hashed: Option<&Request>,
    path: Path,
    rcu: &rcu::Guard,
) -> Option<ListenerRef> {
    select(now, connection, hashed, path, Packet::empty(), rcu)
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
        let Some(to) = select(former, connection, None, Path::Ack, Packet::empty(), rcu) else {
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
/// again. If another CPU has taken the request out of ehash meanwhile, or given it to a
/// listener, that CPU counts what has become of it.
pub(super) fn refused(listener: &Listener, req: &Request, rcu: &rcu::Guard) {
    let former = req.listener(rcu);

    if !req.is_hashed() || former.is_listening() {
        return;
    }

    let outcome = if !listener.is_listening() {
        Outcome::LostRace
    } else if listener.accept_queue().level().is_full() {
        Outcome::QueueFull
    } else {
        Outcome::NoMemory
    };

    failed(Path::Ack, outcome, former, Some(listener), req.connection());
}

/// Gives `req` to the listener that [`select`] chose, unless it has expired. Returns the
/// reference unless it goes on with that. Stands in for the second half of
/// `reqsk_timer_handler()`.
pub(super) fn timer(
    to: ListenerRef,
    req: ExpiringRequest<'_>,
    expire: bool,
    resend: bool,
    rcu: &rcu::Guard,
) -> Option<ListenerRef> {
    let connection = req.request().connection();
    let former = req.request().listener(rcu);
    let listener = to.under(rcu);
    let (outcome, left) = if expire {
        (Outcome::Expired, Some(to))
    } else {
        req.give_to(to, resend, rcu)
    };

    if outcome.is_success() {
        trace::success(Path::Timer, former, listener, [(connection, outcome)]);
        count(former, Path::Timer, outcome);
    } else {
        failed(Path::Timer, outcome, former, Some(listener), connection);
    }
    left
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
