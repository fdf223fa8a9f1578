// SPDX-License-Identifier: GPL-2.0

//! The orphaned listeners of a network namespace, for lookups that find no other.
//!
//! C sources: `__inet_lookup_listener()` in `net/ipv4/inet_hashtables.c`,
//! `inet6_lookup_listener()` in `net/ipv6/inet6_hashtables.c`.

use super::{
    closing::{
        Closing,
        Kept,
        Orphan, //
    },
    Listener,
    ListenerRef,
    Namespace, //
};
use crate::bindings;
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        barrier::{
            self,
            smp_mb, //
        },
        rcu, //
    }, //
};

/// A place for an orphaned listener.
///
/// # Invariants
///
/// `listener` is null, or a listener on which the slot owns a reference.
struct Slot {
    listener: Atomic<*mut bindings::sock>,
    /// The key of the listener that is here, or was.
    key: Atomic<u32>,
}

/// The slots whose listeners have keys that begin alike: a bit for each.
struct Bucket([Atomic<u64>; Bucket::WORDS]);

impl Bucket {
    const WORDS: usize = OrphanTable::SIZE / u64::BITS as usize;

    /// None.
    const fn new() -> Self {
        Self([const { Atomic::new(0) }; Self::WORDS])
    }

    /// Puts a slot in, or takes it out.
    fn set(&self, slot: usize, value: bool) {
        let word = &self.0[slot / u64::BITS as usize];
        let bit = 1 << (slot % u64::BITS as usize);
        let bits = word.load(Relaxed);

        word.store(if value { bits | bit } else { bits & !bit }, Release);
    }

    /// Whether there's no slot in it.
    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Relaxed) == 0)
    }
}

/// Where lookups find orphaned listeners, by the address and port that they're bound to.
pub(crate) struct OrphanTable {
    slots: [Slot; OrphanTable::SIZE],
    buckets: [Bucket; OrphanTable::BUCKETS],
    /// The buckets that aren't empty: a bit for each.
    used: Atomic<u64>,
    /// All slots from this one on are empty.
    end: Atomic<u32>,
}

/// What a listener is looked up for.
pub(crate) struct Target<'a> {
    /// Where.
    pub(crate) namespace: &'a Namespace,
    family: u16,
    daddr: *const c_void,
    port: u16,
    device: c_int,
    vrf_slave: c_int,
}

impl Target<'_> {
    /// Wraps what the kernel passes to `orphaned()`.
    ///
    /// # Safety
    ///
    /// `net` must be what [`Namespace`] says, and `daddr` an address of that family, as
    /// long as this exists.
    pub(crate) unsafe fn from_raw(
        net: *const bindings::net,
        family: bindings::sa_family_t,
        daddr: *const c_void,
        port: u16,
        device: c_int,
        vrf_slave: c_int,
    ) -> Self {
        Self {
            // SAFETY: By the safety requirements.
            namespace: unsafe { Namespace::from_raw(net.cast_mut()) },
            family,
            daddr,
            port,
            device,
            vrf_slave,
        }
    }

    /// The key of listeners that are bound to the address.
    fn key(&self) -> u32 {
        // SAFETY: The address is valid, by the safety requirements of `from_raw`.
        unsafe { bindings::orphan_key(self.family, self.daddr, self.port) }
    }

    /// The key of those that are bound to none.
    fn wildcard_key(&self) -> u32 {
        // SAFETY: An FFI call, without an address.
        unsafe { bindings::orphan_key(self.family, ptr::null(), self.port) }
    }

    /// How well a listener fits. 0 is not at all.
    fn score(&self, listener: &Listener) -> u32 {
        // SAFETY: A listener is valid by its type invariant, and so is the rest, by the
        // safety requirements of `from_raw`.
        unsafe {
            bindings::listener_score(
                listener.as_raw(),
                self.namespace.as_raw(),
                self.family,
                self.daddr,
                self.port,
                self.device,
                self.vrf_slave,
            )
        }
    }
}

impl OrphanTable {
    /// How many there's room for.
    pub(crate) const SIZE: usize = 256;

    /// Into how many buckets they're sorted.
    const BUCKETS: usize = u64::BITS as usize;

    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const {
                // INVARIANT: Null.
                Slot {
                    listener: Atomic::new(ptr::null_mut()),
                    key: Atomic::new(0),
                }
            }; Self::SIZE],
            buckets: [const { Bucket::new() }; Self::BUCKETS],
            used: Atomic::new(0),
            end: Atomic::new(0),
        }
    }

    /// The bucket of a key: its uppermost bits are the most random ones.
    fn bucket(key: u32) -> usize {
        (key >> (u32::BITS - Self::BUCKETS.ilog2())) as usize
    }

    /// Puts a slot in the bucket of its key, or takes it out. If somebody else does so at
    /// the same time, one of the two may have no effect.
    fn sort(&self, slot: usize, value: bool) {
        let i = Self::bucket(self.slots[slot].key.load(Relaxed));
        let bucket = &self.buckets[i];
        let used = self.used.load(Relaxed);

        bucket.set(slot, value);
        self.used.store(
            if bucket.is_empty() {
                used & !(1 << i)
            } else {
                used | 1 << i
            },
            Release,
        );
    }

    /// The listener in a slot.
    fn listener<'a>(&self, slot: usize, _rcu: &'a rcu::Guard) -> Option<&'a Listener> {
        let listener = self.slots[slot].listener.load(Acquire);

        // SAFETY: By the type invariant, it may lose its last reference after it has left
        // the slot, and is freed a grace period later. The guard is a read section.
        (!listener.is_null()).then(|| unsafe { Listener::from_raw(listener) })
    }

    /// The best for a target: of those that fit equally well, one with the shortest queue.
    pub(crate) fn find<'a>(
        &self,
        target: &Target<'_>,
        rcu: &'a rcu::Guard,
    ) -> Option<&'a Listener> {
        // Pairs with the barrier in `publish`: who has missed a listener in lhash2 sees it
        // here.
        smp_mb(barrier::Read);

        let mut best: Option<(u32, &'a Listener)> = None;

        for key in [target.key(), target.wildcard_key()] {
            self.for_each(key, rcu, |listener| {
                let score = target.score(listener);
                let beats = |(most, best): (u32, &Listener)| {
                    score > most
                        || score == most && listener.status().level.is_below(best.status().level)
                };

                if score > 0 && listener.is_listening() && best.is_none_or(beats) {
                    best = Some((score, listener));
                }
            });
        }
        best.map(|(_, listener)| listener)
    }

    /// Calls `f` with each listener that has a key.
    #[inline(always)]
    fn for_each<'a>(&self, key: u32, rcu: &'a rcu::Guard, mut f: impl FnMut(&'a Listener)) {
        let i = Self::bucket(key);

        if self.used.load(Acquire) & 1 << i == 0 {
            return;
        }
        for (i, word) in self.buckets[i].0.iter().enumerate() {
            let mut bits = word.load(Acquire);

            while bits != 0 {
                let slot = i * u64::BITS as usize + bits.trailing_zeros() as usize;

                bits &= bits - 1;
                if self.slots[slot].key.load(Relaxed) == key {
                    if let Some(listener) = self.listener(slot, rcu) {
                        f(listener);
                    }
                }
            }
        }
    }

    /// All of them.
    pub(crate) fn listeners<'a>(
        &self,
        rcu: &'a rcu::Guard,
    ) -> impl Iterator<Item = &'a Listener> + use<'_, 'a> {
        let end = self.end.load(Acquire) as usize;

        (0..end.min(Self::SIZE)).filter_map(move |slot| self.listener(slot, rcu))
    }

    /// Whether a listener is one of these.
    pub(crate) fn contains(&self, listener: &Listener) -> bool {
        let end = self.end.load(Acquire) as usize;

        self.slots[..end.min(Self::SIZE)]
            .iter()
            .any(|slot| slot.listener.load(Relaxed) == listener.as_raw())
    }

    /// Has lookups find a listener, unless there are too many. If somebody else does so
    /// at the same time, lookups may miss one of the two.
    pub(crate) fn publish<'a>(&'a self, closing: &Closing<'a>) -> Option<Published<'a>> {
        let listener = closing.listener();
        let slot = self
            .slots
            .iter()
            .position(|slot| slot.listener.load(Relaxed).is_null())?;

        self.slots[slot].key.store(listener.orphan_key(), Relaxed);
        // INVARIANT: The reference was taken just now; if the slot isn't free any more, it's
        // put.
        let reference = listener.get()?.into_raw();
        if self.slots[slot]
            .listener
            .cmpxchg(ptr::null_mut(), reference, Full)
            .is_err()
        {
            // SAFETY: As above.
            drop(unsafe { ListenerRef::from_raw(reference) });
            return None;
        }
        self.sort(slot, true);
        self.end
            .store(self.end.load(Relaxed).max(slot as u32 + 1), Release);
        // SAFETY: An FFI call; a closing listener is in process context.
        unsafe { bindings::tcp_migrate_orphans_inc() };
        // Pairs with the barrier in `find`, for what comes next: to unhash the listener.
        smp_mb(barrier::Full);
        Some(Published {
            table: self,
            slot,
            listener,
        })
    }

    /// Has lookups no longer find what `publish` has placed. If somebody else publishes at
    /// the same time, lookups may miss that.
    fn withdraw(&self, slot: usize) {
        let listener = self.slots[slot].listener.xchg(ptr::null_mut(), Full);
        let end = self.end.load(Relaxed) as usize;
        let last = self.slots[..end.min(Self::SIZE)]
            .iter()
            .rposition(|slot| !slot.listener.load(Relaxed).is_null());

        self.sort(slot, false);
        self.end
            .store(last.map_or(0, |last| last as u32 + 1), Release);
        if !listener.is_null() {
            // SAFETY: By the type invariant.
            drop(unsafe { ListenerRef::from_raw(listener) });
            // SAFETY: An FFI call; `publish` has counted it.
            unsafe { bindings::tcp_migrate_orphans_dec() };
        }
    }

    /// Takes an orphan out.
    pub(crate) fn take(&self, placed: Placed) -> Option<Orphan> {
        let Placed { slot, orphan } = placed;

        // In another table, where it stays.
        if self.slots.get(slot)?.listener.load(Relaxed) != orphan.as_raw() {
            return None;
        }
        self.withdraw(slot);
        Some(ManuallyDrop::into_inner(orphan))
    }
}

/// A listener that lookups find, as long as this exists. Whether it goes on isn't decided.
pub(crate) struct Published<'a> {
    table: &'a OrphanTable,
    slot: usize,
    listener: &'a Listener,
}

impl Published<'_> {
    /// Says that it goes on. `None`, and withdrawn, if it can't, or is another listener.
    pub(crate) fn keep(self, closing: Closing<'_>) -> Option<(Placed, Kept)> {
        if !ptr::eq(self.listener, closing.listener()) {
            return None;
        }

        let (orphan, kept) = closing.keep()?;
        let placed = Placed {
            slot: ManuallyDrop::new(self).slot,
            orphan: ManuallyDrop::new(orphan),
        };

        Some((placed, kept))
    }
}

impl Drop for Published<'_> {
    fn drop(&mut self) {
        self.table.withdraw(self.slot);
    }
}

/// An orphaned listener that is in a table. For it to be closed, [`OrphanTable::take`]
/// must be called.
pub(crate) struct Placed {
    slot: usize,
    orphan: ManuallyDrop<Orphan>,
}

impl Deref for Placed {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        &self.orphan
    }
}
