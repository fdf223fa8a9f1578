// SPDX-License-Identifier: GPL-2.0

//! All listeners of the system.
//!
//! C header: [`include/net/inet_hashtables.h`](srctree/include/net/inet_hashtables.h)

use super::{
    cond_resched_unless_bpf,
    Listener, //
};
use crate::bindings;
use core::{
    iter,
    ptr::NonNull, //
};
use kernel::sync::rcu;

/// How many buckets are looked at in one RCU read section.
const BUCKETS: u32 = 256;

/// Shows each listener in whose accept queue something waits, by a hint. One that begins or
/// ends to listen meanwhile may be missed, or shown twice. Process context; may sleep.
pub(crate) fn for_each_waiting(mut see: impl FnMut(&Listener)) {
    // SAFETY: An FFI call with no requirements.
    let end = unsafe { bindings::lhash2_size() };

    for start in (0..end).step_by(BUCKETS as usize) {
        let rcu = rcu::read_lock();

        for bucket in start..end.min(start + BUCKETS) {
            for listener in listeners(bucket, &rcu) {
                if listener.accept_queue().len() > 0 {
                    see(listener);
                }
            }
        }
        drop(rcu);
        cond_resched_unless_bpf();
    }
}

/// Those of a bucket.
fn listeners(bucket: u32, _rcu: &rcu::Guard) -> impl Iterator<Item = &Listener> {
    // SAFETY: A bucket of the table, in an RCU read section.
    let first = unsafe { bindings::lhash2_first(bucket) };

    iter::successors(NonNull::new(first), |sk| {
        // SAFETY: A listener that was found in the same read section.
        NonNull::new(unsafe { bindings::lhash2_next(sk.as_ptr()) })
    })
    // SAFETY: Listeners are freed a grace period after they have lost their last reference.
    .map(|sk| unsafe { Listener::from_raw(sk.as_ptr()) })
}
