// SPDX-License-Identifier: GPL-2.0

//! The accept queue of a listener that stops; what stands in for the loop of
//! `inet_csk_listen_stop()`.
//!
//! The queue is taken in one go. Its requests are unhashed and without a timer,
//! so they are not cloned but told whose they are, gathered by listener, and
//! appended to each listener's queue at once. Nothing is allocated, so nothing
//! is lost for want of memory.

use crate::{
    net::{
        cond_resched_unless_bpf,
        Batch,
        Listener,
        TakenQueue, //
    },
    policy::select, //
};
use kernel::sync::rcu;

/// How many requests are moved in one RCU read section.
const CHUNK: usize = 1024;

/// How many listeners requests are gathered for at a time. With more listeners
/// in the group, a batch is sent off early when its place is needed.
const BATCHES: usize = 32;

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
    while !queue.is_empty() && move_chunk(closed, &mut queue).is_ok() {
        cond_resched_unless_bpf();
    }

    namespace.add_migrated(queue.sent());
    namespace.add_failed(queue.unsent());
}

/// Moves up to [`CHUNK`] requests from the front of `queue`.
fn move_chunk(closed: &Listener, queue: &mut TakenQueue<'_>) -> Result<(), NoListener> {
    let rcu = rcu::read_lock();
    let group = closed.group(&rcu).ok_or(NoListener)?;
    let (listeners, by_cpu) = (group.len(), group.has_incoming_cpu());
    // By what their listener was selected by.
    let mut batches = [const { None::<(u32, Batch)> }; BATCHES];
    let mut result = Ok(());

    for _ in 0..CHUNK {
        let Some(req) = queue.pop() else { break };
        let mut key = u32::from(select::first(req.hash(), listeners));

        if by_cpu {
            key |= (req.incoming_cpu() as u32) << u16::BITS;
        }

        let place = &mut batches[key as usize % BATCHES];
        if !matches!(place, Some((k, _)) if *k == key) {
            if let Some((_, batch)) = place.take() {
                queue.send(batch);
            }
            *place = group
                .select(req.hash(), req.incoming_cpu())
                .map(|to| (key, Batch::new(to)));
        }

        let Some((_, batch)) = place else {
            queue.unpop(req);
            result = Err(NoListener);
            break;
        };
        queue.add(batch, req);
    }

    for place in &mut batches {
        if let Some((_, batch)) = place.take() {
            queue.send(batch);
        }
    }
    result
}
