// SPDX-License-Identifier: GPL-2.0

//! Groups of listeners.
//!
//! C header: [`include/net/sock_reuseport.h`](srctree/include/net/sock_reuseport.h)

use super::Listener;
use crate::{
    bindings,
    policy::select::{self, Candidate}, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::sync::{
    aref::ARef,
    rcu, //
};

/// How often a group is looked at in which all listeners stop meanwhile.
const ATTEMPTS: u32 = 16;

/// A `SO_REUSEPORT` group, `struct sock_reuseport`.
///
/// # Invariants
///
/// `reuse` was read in the RCU read section that `'a` lies in.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    reuse: NonNull<bindings::sock_reuseport>,
    _rcu: PhantomData<&'a rcu::Guard>,
}

impl<'a> Group<'a> {
    /// Wraps a pointer to a group.
    ///
    /// # Safety
    ///
    /// `reuse` must have been read in the read section of `_rcu`.
    pub(super) unsafe fn from_raw(
        reuse: NonNull<bindings::sock_reuseport>,
        _rcu: &'a rcu::Guard,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            reuse,
            _rcu: PhantomData,
        }
    }

    /// How many listeners the group has, those that have stopped not counted.
    pub(crate) fn len(&self) -> u16 {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::reuseport_num_socks(self.reuse.as_ptr()) }
    }

    /// Whether a listener of the group has set `SO_INCOMING_CPU`.
    pub(crate) fn has_incoming_cpu(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::reuseport_has_incoming_cpu(self.reuse.as_ptr()) }
    }

    /// The `i`th socket of the group, for an `i` below [`Group::len`] as it was
    /// in this read section.
    fn socket(&self, i: u16) -> &'a Listener {
        // SAFETY: The group is valid by the type invariant. Listeners are freed
        // a grace period after they leave it (SOCK_RCU_FREE), and the first
        // `len` elements are never cleared, only replaced.
        unsafe { Listener::from_raw(bindings::reuseport_sock(self.reuse.as_ptr(), u32::from(i))) }
    }

    /// Chooses a live listener for a connection with this hash that came in on
    /// `cpu`. `None` when no listener of the group is alive.
    ///
    /// A listener leaves the group before its state changes. So when one that has
    /// stopped is seen here, the group is another by now, and perhaps with a
    /// listener that has only just joined: it's looked at again.
    pub(crate) fn select(&self, hash: u32, cpu: i32) -> Option<ARef<Listener>> {
        let cpu = self.has_incoming_cpu().then_some(cpu);

        for _ in 0..ATTEMPTS {
            let mut stopped = false;
            let selected = select::select(hash, self.len(), cpu, |i| {
                let listener = self.socket(i).get().filter(|l| l.is_listening());

                stopped |= listener.is_none();
                listener.map(|listener| Candidate {
                    cpu: listener.incoming_cpu(),
                    listener,
                })
            });

            if selected.is_some() || !stopped {
                return selected;
            }
        }
        None
    }
}
