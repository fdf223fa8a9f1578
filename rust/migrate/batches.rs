// SPDX-License-Identifier: GPL-2.0

//! Batches of requests on their way to several listeners.

use crate::net::{
    Batch,
    Destination,
    Listener,
    TakenQueue, //
};
use core::ptr;
use kernel::sync::rcu;

/// For how many listeners requests are gathered at a time, and how many keys are
/// remembered. With more listeners in the group, a batch is sent off early when
/// its place is needed.
const PLACES: usize = 16;

/// Batches by the listener they are for, and by the keys that these were
/// chosen by.
///
/// There is one batch for a listener, so that its connections stay in order. Those of
/// Fast Open are sent on their own.
///
/// # Invariants
///
/// The place of each of `keys` has a batch.
pub(super) struct Batches<'q> {
    places: [Option<Batch<'q>>; PLACES],
    keys: [Option<(u32, u8)>; PLACES],
}

impl<'q> Batches<'q> {
    /// No batches.
    pub(super) const fn new() -> Self {
        // INVARIANT: No keys.
        Self {
            places: [const { None }; PLACES],
            keys: [None; PLACES],
        }
    }

    /// The batch for the listener that was chosen by `key`, unless it's full.
    pub(super) fn get(&mut self, key: u32) -> Option<&mut Batch<'q>> {
        let place = match self.keys[key as usize % PLACES] {
            Some((k, place)) if k == key => usize::from(place),
            _ => return None,
        };

        self.places[place].as_mut().filter(|batch| !batch.is_full())
    }

    /// Sends the batch for `to` if it's full, so that the next connection goes
    /// elsewhere if it can. Whether it was.
    pub(super) fn send_full(
        &mut self,
        to: &Listener,
        queue: &mut TakenQueue<'q>,
        rcu: &rcu::Guard,
    ) -> bool {
        let place = self
            .place_of(to)
            .filter(|&place| self.places[place].as_ref().is_some_and(Batch::is_full));

        if let Some(place) = place {
            self.send(place, queue, rcu);
        }
        place.is_some()
    }

    /// The batch for a listener that was chosen by `key`. Another batch may be sent to
    /// make place for it.
    pub(super) fn insert<'a>(
        &'a mut self,
        key: u32,
        destination: Destination,
        queue: &mut TakenQueue<'q>,
        rcu: &rcu::Guard,
    ) -> &'a mut Batch<'q> {
        let place = self.place_of(&destination.listener).unwrap_or_else(|| {
            let place = self.places.iter().position(Option::is_none);
            let place = place.unwrap_or(key as usize % PLACES);

            self.send(place, queue, rcu);
            place
        });

        // INVARIANT: The place has a batch from here on.
        self.keys[key as usize % PLACES] = Some((key, place as u8));
        self.places[place].get_or_insert_with(|| queue.batch(destination))
    }

    fn place_of(&self, to: &Listener) -> Option<usize> {
        self.places.iter().position(|place| {
            place
                .as_ref()
                .is_some_and(|batch| ptr::eq(batch.listener(), to))
        })
    }

    /// Sends all batches.
    pub(super) fn send_all(&mut self, queue: &mut TakenQueue<'q>, rcu: &rcu::Guard) {
        for place in 0..PLACES {
            self.send(place, queue, rcu);
        }
    }

    fn send(&mut self, place: usize, queue: &mut TakenQueue<'q>, rcu: &rcu::Guard) {
        if let Some(batch) = self.places[place].take() {
            // INVARIANT: No key has the place that is empty now.
            for key in &mut self.keys {
                key.take_if(|(_, p)| usize::from(*p) == place);
            }
            queue.send(batch, rcu);
        }
    }
}
