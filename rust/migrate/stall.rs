// SPDX-License-Identifier: GPL-2.0

//! What waits for a listener that is alive, but whose queue doesn't move.

use super::Choice;
use crate::{
    net::{
        Destination,
        Packet,
        Stalled,
        TakenQueue, //
    },
    stats, //
};
use kernel::sync::rcu;

/// How many connections are moved before others may use the listener's socket.
const MOST: u32 = 4096;

/// How many are moved in one RCU read section.
const FEW: u32 = 16;

/// Gives what waits for a stalled listener to siblings that have room, in order. The rest
/// stays, in front of what has come since.
///
/// Process context, with the socket locked.
pub(crate) fn rescue(former: &Stalled<'_>) {
    let mut packet = Packet::empty();
    let mut queue = TakenQueue::take_live(former);

    for _ in 0..MOST / FEW {
        if !move_few(former, &mut queue, &mut packet) {
            break;
        }
    }
    for (outcome, n) in queue.tally().outcomes() {
        stats::count(former.namespace(), queue.path(), outcome, n);
    }
}

/// Whether there's more to move.
fn move_few<'q>(former: &Stalled<'q>, queue: &mut TakenQueue<'q>, packet: &mut Packet<'_>) -> bool {
    let rcu = rcu::read_lock();
    let Some(Ok(choice)) = Choice::new(former.listener(), &rcu) else {
        return false;
    };
    let choice = choice.of_stalled(former);

    // A program of another type chooses for each SYN, and would do so again.
    if choice.program.is_none() && choice.group.has_program() {
        return false;
    }
    for _ in 0..FEW {
        let Some(req) = queue.pop() else {
            return false;
        };
        let Ok(selected) = choice.choose(req.connection(), packet) else {
            queue.unpop(req);
            return false;
        };

        if selected.listener.accept_queue().level().is_full() {
            queue.unpop(req);
            return false;
        }

        let mut batch = queue.batch(Destination {
            room: Some(1),
            ..selected
        });

        queue.add(&mut batch, req, &rcu);
        queue.send(batch);
    }
    true
}
