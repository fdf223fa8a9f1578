// SPDX-License-Identifier: GPL-2.0

//! The accept queue of a listener that stops; what stands in for the loop of
//! `inet_csk_listen_stop()`.
//!
//! The queue is taken in one go. Its requests are unhashed, and their timers are
//! deleted. So they are given other listeners in place, gathered by listener, and
//! appended to each listener's queue at once. Memory is only needed for a request
//! that somebody else holds, which is cloned.

use super::{
    batches::Batches,
    Choice, //
};
use crate::{
    net::{
        cond_resched_unless_bpf,
        Packet,
        Stopping,
        TakenQueue, //
    },
    policy::{
        self,
        outcome::{
            Outcome,
            Path, //
        },
    },
    stats, //
};
use kernel::sync::rcu;

/// How many requests are moved in one RCU read section.
const CHUNK: u32 = 4096;

/// The same where each is placed by itself.
const FEW: u32 = 16;

/// Up to so many are placed one by one, as it takes longer to share them out.
const SINGLE: u32 = 4;

/// Re-homes what waits in the accept queue of `former`, which has stopped. What
/// finds no listener is back in the queue afterwards.
///
/// Process context, with the socket locked.
pub(super) fn listen_stop(former: &Stopping<'_>) {
    let mut queue = TakenQueue::take(former);
    let mut packet = Packet::empty();

    while queue.left() > 0 {
        match move_chunk(former, &mut queue, &mut packet) {
            Some(Ok(())) => cond_resched_unless_bpf(),
            Some(Err(Outcome::NoListener))
                if queue.path() == Path::Grace && super::may_be_succeeded(former.listener()) =>
            {
                queue.keep_rest(Outcome::GraceOver)
            }
            Some(Err(outcome)) => queue.keep_rest(outcome),
            None if queue.path() == Path::Grace => queue.keep_rest(Outcome::Disabled),
            None => break,
        }
    }
    queue.tally().for_each(|outcome, n| {
        stats::count(former.namespace(), queue.path(), outcome, n);
    });
}

/// Moves up to [`CHUNK`] requests from the front of `queue`, or says why all that is left
/// has no listener. `None` if nobody expects it to be migrated.
fn move_chunk<'q>(
    former: &Stopping<'q>,
    queue: &mut TakenQueue<'q>,
    packet: &mut Packet<'_>,
) -> Option<Result<(), Outcome>> {
    let rcu = rcu::read_lock();

    Choice::with(former.listener(), &rcu, |choice| {
        let choice = choice.of_stopping(former);
        let Choice {
            group, preferences, ..
        } = &choice;
        let balance = preferences.balance;

        if choice.program.is_some()
            || (balance && (queue.left() <= SINGLE || group.has_incoming_cpu()))
            || group.is_mixed()
        {
            move_one_by_one(&choice, queue, packet, &rcu);
            Ok(())
        } else if balance {
            move_in_shares(&choice, queue, &rcu)
        } else {
            move_by_hash(&choice, queue, &rcu)
        }
    })
}

/// Where a listener that may have one connection may not have another.
fn move_one_by_one(
    choice: &Choice<'_>,
    queue: &mut TakenQueue<'_>,
    packet: &mut Packet<'_>,
    rcu: &rcu::Guard,
) {
    for _ in 0..queue.left().min(FEW) {
        let Some(req) = queue.pop() else { break };

        match choice.choose(req.connection(), packet) {
            Ok(selected) => queue.send_one(selected, req, rcu),
            Err(outcome) => queue.keep(req, outcome),
        }
    }
}

/// Where all connections may go to the same listeners, whose queues end equally full.
fn move_in_shares(
    choice: &Choice<'_>,
    queue: &mut TakenQueue<'_>,
    rcu: &rcu::Guard,
) -> Result<(), Outcome> {
    let Some(hash) = queue.next().map(|connection| connection.hash()) else {
        return Ok(());
    };
    let n = queue.left().min(CHUNK);

    for (selected, n) in choice.share(hash, n)? {
        let mut batch = queue.batch(selected);

        queue.fill(&mut batch, n, rcu);
        queue.send(batch, rcu);
    }
    Ok(())
}

/// Where all connections may go to the same listeners, and those with the same key go
/// to the same one.
fn move_by_hash<'q>(
    choice: &Choice<'_>,
    queue: &mut TakenQueue<'q>,
    rcu: &rcu::Guard,
) -> Result<(), Outcome> {
    let (listeners, by_cpu) = (choice.group.len(), choice.group.has_incoming_cpu());
    let mut batches = Batches::new();
    let mut result = Ok(());

    for _ in 0..CHUNK {
        let Some(req) = queue.pop() else { break };
        let connection = req.connection();
        let mut key = u32::from(policy::first(connection.hash(), listeners));

        if by_cpu {
            key |= (connection.incoming_cpu() as u32) << u16::BITS;
        }

        if let Some(batch) = batches.get(key) {
            queue.add(batch, req, rcu);
            continue;
        }

        let mut selected = choice.best(connection);
        // It looked as if it had room, but all of that is taken.
        while selected
            .as_ref()
            .is_ok_and(|selected| batches.send_full(&selected.listener, queue, rcu))
        {
            selected = choice.best(connection);
        }

        match selected {
            Ok(selected) => {
                let batch = batches.insert(key, selected, queue, rcu);

                queue.add(batch, req, rcu);
            }
            Err(outcome) => {
                queue.unpop(req);
                result = Err(outcome);
                break;
            }
        }
    }

    batches.send_all(queue, rcu);
    result
}
