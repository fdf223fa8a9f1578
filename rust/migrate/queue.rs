// SPDX-License-Identifier: GPL-2.0

//! The accept queue of a listener that stops; what stands in for the loop of
//! `inet_csk_listen_stop()`.
//!
//! The queue is taken in one go. Its requests are unhashed and without a timer,
//! so they are not cloned but told whose they are, gathered by listener, and
//! appended to each listener's queue at once. Nothing is allocated, so nothing
//! is lost for want of memory.

use super::{
    batches::Batches,
    Choice, //
};
use crate::{
    net::{
        cond_resched_unless_bpf,
        Batch,
        Listener,
        Packet,
        TakenQueue, //
    },
    policy::{
        outcome::{
            Outcome,
            Path, //
        },
        select, //
    },
    stats, //
};
use kernel::sync::rcu;

/// How many requests are moved in one RCU read section.
const CHUNK: u32 = 4096;

/// The same where each is looked at for itself.
const FEW: u32 = 16;

/// Up to how many are placed one by one, as sharing out costs more.
const SINGLE: u32 = 4;

/// Re-homes what waits in the accept queue of `closed`, which has stopped. What
/// finds no listener is back in the queue afterwards.
///
/// Process context, with the socket locked.
pub(super) fn listen_stop(closed: &Listener) {
    let mut queue = TakenQueue::take(closed);
    let mut packet = Packet::empty();

    if queue.left() == 0 {
        return;
    }
    while queue.left() > 0 {
        match move_chunk(closed, &mut queue, &mut packet) {
            Some(Ok(())) => cond_resched_unless_bpf(),
            Some(Err(outcome)) => queue.keep_rest(outcome),
            None => break,
        }
    }
    for (outcome, n) in queue.tally().outcomes() {
        stats::count(closed.namespace(), Path::Close, outcome, n);
    }
}

/// Moves up to [`CHUNK`] requests from the front of `queue`, or says why the rest
/// can't be moved. `None` when nobody expects that it is.
fn move_chunk(
    closed: &Listener,
    queue: &mut TakenQueue<'_>,
    packet: &mut Packet<'_>,
) -> Option<Result<(), Outcome>> {
    let rcu = rcu::read_lock();
    let group = closed.group(&rcu)?.of_stopping();

    Some(Choice::new(group).and_then(|choice| {
        let balance = choice.preferences.balance;

        if choice.program.is_some()
            || group.is_mixed()
            || (balance && (queue.left() <= SINGLE || group.has_incoming_cpu()))
        {
            move_one_by_one(&choice, queue, packet);
            Ok(())
        } else if balance {
            move_in_shares(&choice, queue)
        } else {
            move_by_hash(&choice, queue)
        }
    }))
}

/// Where what one connection may do says nothing about another.
fn move_one_by_one(choice: &Choice<'_>, queue: &mut TakenQueue<'_>, packet: &mut Packet<'_>) {
    for _ in 0..FEW {
        let Some(req) = queue.pop() else { break };

        match choice.choose(req.connection(), packet) {
            Ok(selected) => {
                let mut batch = Batch::new(selected);

                queue.add(&mut batch, req);
                queue.send(batch);
            }
            Err(outcome) => queue.keep(req, outcome),
        }
    }
}

/// Where any connection may go where another may: listeners end level.
fn move_in_shares(choice: &Choice<'_>, queue: &mut TakenQueue<'_>) -> Result<(), Outcome> {
    let Some(hash) = queue.next().map(|connection| connection.hash()) else {
        return Ok(());
    };
    let n = queue.left().min(CHUNK);

    for (selected, n) in choice.group.share(hash, n, choice.preferences)? {
        let mut batch = Batch::new(selected);

        queue.fill(&mut batch, n);
        queue.send(batch);
    }
    Ok(())
}

/// Where all connections that a listener was selected for by the same key may
/// go to it.
fn move_by_hash(choice: &Choice<'_>, queue: &mut TakenQueue<'_>) -> Result<(), Outcome> {
    let Choice {
        group, preferences, ..
    } = choice;
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

        let mut selected = group.select(connection, *preferences);
        // It looked as if it had room, but all of that is taken.
        while selected
            .as_ref()
            .is_ok_and(|selected| batches.send_full(&selected.listener, queue))
        {
            selected = group.select(connection, *preferences);
        }

        match selected {
            Ok(selected) => {
                let batch = batches.insert(key, selected, queue);

                queue.add(batch, req);
            }
            Err(outcome) => {
                queue.unpop(req);
                result = Err(outcome);
                break;
            }
        }
    }

    batches.send_all(queue);
    result
}
