// SPDX-License-Identifier: GPL-2.0

//! Batches of requests on their way to several listeners.

use crate::net::{
    Batch,
    Listener,
    TakenQueue, //
};
use core::ptr;
use kernel::sync::aref::ARef;

/// For how many listeners requests are gathered at a time, and how many keys are
/// remembered. With more listeners in the group, a batch is sent off early when
/// its place is needed.
const PLACES: usize = 32;

/// Batches by the listener they are for, and by the keys that these were
/// selected by.
///
/// There is one batch for a listener, so that the connections that it gets stay
/// in order.
///
/// # Invariants
///
/// The place of each of `keys` has a batch.
pub(super) struct Batches {
    places: [Option<Batch>; PLACES],
    keys: [Option<(u32, usize)>; PLACES],
}

impl Batches {
    /// No batches.
    pub(super) const fn new() -> Self {
        // INVARIANT: No keys.
        Self {
            places: [const { None }; PLACES],
            keys: [None; PLACES],
        }
    }

    /// The batch for the listener that was selected by `key`, unless it's as
    /// large as that has room.
    pub(super) fn get(&mut self, key: u32) -> Option<&mut Batch> {
        let place = match self.keys[key as usize % PLACES] {
            Some((k, place)) if k == key => place,
            _ => return None,
        };

        self.places[place].as_mut().filter(|batch| !batch.is_full())
    }

    /// The batch for `to`, which was selected by `key`. Another one may be sent
    /// for it, and a full one is.
    pub(super) fn insert<'a>(
        &'a mut self,
        key: u32,
        to: ARef<Listener>,
        queue: &mut TakenQueue<'_>,
    ) -> &'a mut Batch {
        let is_for = |batch: &Batch| ptr::eq(batch.listener(), &*to);
        let place = self
            .places
            .iter()
            .position(|place| place.as_ref().is_some_and(is_for))
            .or_else(|| self.places.iter().position(Option::is_none))
            .unwrap_or(key as usize % PLACES);

        if !matches!(&self.places[place], Some(batch) if is_for(batch) && !batch.is_full()) {
            self.send(place, queue);
        }
        // INVARIANT: The place has a batch from here on.
        self.keys[key as usize % PLACES] = Some((key, place));
        self.places[place].get_or_insert_with(|| Batch::new(to))
    }

    /// Sends all batches.
    pub(super) fn send_all(&mut self, queue: &mut TakenQueue<'_>) {
        for place in 0..PLACES {
            self.send(place, queue);
        }
    }

    fn send(&mut self, place: usize, queue: &mut TakenQueue<'_>) {
        if let Some(batch) = self.places[place].take() {
            // INVARIANT: No key has the place that is empty now.
            for key in &mut self.keys {
                key.take_if(|(_, p)| *p == place);
            }
            queue.send(batch);
        }
    }
}
