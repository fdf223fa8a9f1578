// SPDX-License-Identifier: GPL-2.0

//! What waits for a listener that is alive, but whose queue doesn't move.

use super::Choice;
use crate::{
    net::{
        cond_resched_unless_bpf,
        Destination,
        Listener,
        Packet,
        Stalled,
        TakenQueue, //
    },
    policy::outcome::Outcome,
    stats, //
};
use kernel::sync::rcu;

/// How many connections are moved before others may use the listener's socket.
const MOST: u32 = 4096;

/// How many are moved in one RCU read section.
const FEW: u32 = 16;

/// Gives what waits for a stalled listener to siblings that have room and aren't stalled, in
/// order. The rest stays, in front of what has come since, and new connections keep away from
/// the listener. False if its connections aren't to be moved.
///
/// Process context, with the socket locked.
pub(crate) fn rescue(former: &Stalled<'_>, is_stalled: &dyn Fn(&Listener) -> bool) -> bool {
    if choice(former, is_stalled, &rcu::read_lock()).is_none() {
        return false;
    }
    former.park(true);

    let mut packet = Packet::empty();
    let mut queue = TakenQueue::take_live(former);

    for _ in 0..MOST / FEW {
        if !move_few(former, is_stalled, &mut queue, &mut packet) {
            break;
        }
        cond_resched_unless_bpf();
    }
    queue.tally().for_each(|outcome, n| {
        stats::count(former.namespace(), queue.path(), outcome, n);
    });
    true
}

/// The choice for the connections of a stalled listener, if they are to be moved. A program
/// that isn't one for migrations has chosen that listener, and would do so again.
fn choice<'a>(
    former: &'a Stalled<'_>,
    is_stalled: &'a dyn Fn(&Listener) -> bool,
    rcu: &'a rcu::Guard,
) -> Option<Choice<'a>> {
    let choice = Choice::with(former, rcu, Ok)?.ok()?;

    (choice.program.is_some() || !choice.group.has_program())
        .then(|| choice.of_stalled(former, is_stalled))
}

/// Whether there's more to move.
fn move_few<'q>(
    former: &Stalled<'q>,
    is_stalled: &dyn Fn(&Listener) -> bool,
    queue: &mut TakenQueue<'q>,
    packet: &mut Packet<'_>,
) -> bool {
    let rcu = rcu::read_lock();
    let Some(choice) = choice(former, is_stalled, &rcu) else {
        return false;
    };

    for _ in 0..FEW {
        let Some(req) = queue.pop() else {
            return false;
        };
        let selected = match choice.choose(req.connection(), packet) {
            Ok(selected) => selected,
            Err(why) => {
                queue.keep(req, why);
                continue;
            }
        };

        // A program has named it.
        if is_stalled(&selected.listener) {
            queue.keep(req, Outcome::NoListener);
            continue;
        }
        if selected.listener.accept_queue().level().is_full() {
            queue.unpop(req);
            return false;
        }

        let selected = Destination {
            room: Some(1),
            ..selected
        };

        queue.send_one(selected, req, &rcu);
    }
    true
}
