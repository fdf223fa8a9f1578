// SPDX-License-Identifier: GPL-2.0

//! The accept queue of a listener that stops; what stands in for the loop of
//! `inet_csk_listen_stop()`.
//!
//! The queue is taken in one go. Its requests are unhashed and without a timer,
//! so they are not cloned but told whose they are, gathered by listener, and
//! appended to each listener's queue at once. Nothing is allocated, so nothing
//! is lost for want of memory.

use super::batches::Batches;
use crate::{
    net::{
        cond_resched_unless_bpf,
        Batch,
        Group,
        Listener,
        Packet,
        PerNamespace,
        TakenQueue, //
    },
    policy::{
        select,
        Preferences, //
    },
    sysctl::Sysctls, //
};
use kernel::sync::rcu;

/// How many requests are moved in one RCU read section.
const CHUNK: u32 = 4096;

/// The same where each is looked at for itself.
const FEW: u32 = 16;

/// Up to how many are placed one by one, as sharing out costs more.
const SINGLE: u32 = 4;

/// No listener of the group is alive.
struct NoListener;

/// Re-homes what waits in the accept queue of `closed`, which has stopped. What
/// finds no listener is back in the queue afterwards.
///
/// Process context, with the socket locked.
pub(super) fn listen_stop(closed: &Listener) {
    let namespace = closed.namespace();

    {
        let rcu = rcu::read_lock();
        match super::group(closed, &rcu) {
            Some(Ok(_)) => (),
            Some(Err(_)) => return namespace.add_failed(closed.accept_queue().len()),
            None => return,
        }
    }

    let mut queue = TakenQueue::take(closed);
    let mut packet = Packet::empty();
    while queue.left() > 0 && move_chunk(closed, &mut queue, &mut packet).is_ok() {
        cond_resched_unless_bpf();
    }

    namespace.add_migrated(queue.sent());
    namespace.add_failed(queue.unsent());
}

/// Moves up to [`CHUNK`] requests from the front of `queue`.
fn move_chunk(
    closed: &Listener,
    queue: &mut TakenQueue<'_>,
    packet: &mut Packet<'_>,
) -> Result<(), NoListener> {
    let rcu = rcu::read_lock();
    let group = closed.group(&rcu).ok_or(NoListener)?;
    let preferences = Sysctls::of(closed.namespace()).preferences();

    if group.migrate_program().is_some()
        || group.is_mixed()
        || (preferences.balance && (queue.left() <= SINGLE || group.has_incoming_cpu()))
    {
        move_one_by_one(&group, preferences, queue, packet);
        Ok(())
    } else if preferences.balance {
        move_in_shares(&group, preferences, queue)
    } else {
        move_by_hash(&group, preferences, queue)
    }
}

/// Where what one connection may do says nothing about another.
fn move_one_by_one(
    group: &Group<'_>,
    preferences: Preferences,
    queue: &mut TakenQueue<'_>,
    packet: &mut Packet<'_>,
) {
    for _ in 0..FEW {
        let Some(req) = queue.pop() else { break };
        let Some(selected) = super::choose(group, req.connection(), preferences, packet) else {
            queue.keep(req);
            continue;
        };
        let mut batch = Batch::new(selected);

        queue.add(&mut batch, req);
        queue.send(batch);
    }
}

/// Where any connection may go where another may: listeners end level.
fn move_in_shares(
    group: &Group<'_>,
    preferences: Preferences,
    queue: &mut TakenQueue<'_>,
) -> Result<(), NoListener> {
    let Some(hash) = queue.next().map(|connection| connection.hash()) else {
        return Ok(());
    };
    let n = queue.left().min(CHUNK);

    for (selected, n) in group.share(hash, n, preferences).ok_or(NoListener)? {
        let mut batch = Batch::new(selected);

        queue.fill(&mut batch, n);
        queue.send(batch);
    }
    Ok(())
}

/// Where all connections that a listener was selected for by the same key may
/// go to it.
fn move_by_hash(
    group: &Group<'_>,
    preferences: Preferences,
    queue: &mut TakenQueue<'_>,
) -> Result<(), NoListener> {
    let (listeners, by_cpu) = (group.len(), group.has_incoming_cpu());
    let mut batches = Batches::new();
    let mut result = Ok(());

    for _ in 0..CHUNK {
        let Some(req) = queue.pop() else { break };
        let connection = req.connection();
        let mut key = u32::from(select::first(connection.hash(), listeners));

        if by_cpu {
            key |= (connection.incoming_cpu() as u32) << u16::BITS;
        }

        if let Some(batch) = batches.get(key) {
            queue.add(batch, req);
            continue;
        }

        let mut selected = group.select(connection, preferences);
        // It looked as if it had room, but all of that is taken.
        while selected
            .as_ref()
            .is_some_and(|selected| batches.send_full(&selected.listener, queue))
        {
            selected = group.select(connection, preferences);
        }

        let Some(selected) = selected else {
            queue.unpop(req);
            result = Err(NoListener);
            break;
        };
        let batch = batches.insert(key, selected, queue);

        queue.add(batch, req);
    }

    batches.send_all(queue);
    result
}
