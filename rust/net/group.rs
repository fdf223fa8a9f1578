// SPDX-License-Identifier: GPL-2.0

//! Groups of listeners.
//!
//! C header: [`include/net/sock_reuseport.h`](srctree/include/net/sock_reuseport.h)

use super::{
    Connection,
    Listener,
    Program, //
};
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

    /// The C object.
    pub(super) fn as_raw(&self) -> *mut bindings::sock_reuseport {
        self.reuse.as_ptr()
    }

    /// The program that is asked where connections go when they are migrated.
    pub(crate) fn migrate_program(&self) -> Option<&'a Program> {
        // SAFETY: Valid by the type invariant, in an RCU read section.
        let prog = NonNull::new(unsafe { bindings::reuseport_prog(self.reuse.as_ptr()) })?;
        // SAFETY: Read under RCU; programs are freed a grace period after they
        // have been detached.
        let prog = unsafe { Program::from_raw(prog) };

        prog.migrates().then_some(prog)
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

    /// Chooses a live listener for a connection of `former`. `None` when no
    /// listener of the group that may have it is alive.
    ///
    /// A listener leaves the group before its state changes. So when one that has
    /// stopped is seen here, the group is another by now, and perhaps with a
    /// listener that has only just joined: it's looked at again.
    pub(crate) fn select(
        &self,
        former: &Listener,
        connection: Connection<'_>,
    ) -> Option<ARef<Listener>> {
        let cpu = self.has_incoming_cpu().then(|| connection.incoming_cpu());

        for _ in 0..ATTEMPTS {
            let mut stopped = false;
            let selected = select::select(connection.hash(), self.len(), |i| {
                let listener = self.socket(i);

                stopped |= !listener.is_listening();
                Some(Candidate {
                    has_room: !listener.accept_queue().is_full(),
                    on_cpu: cpu.is_none_or(|cpu| cpu == listener.incoming_cpu()),
                    listener: listener.get_for(former, connection)?,
                })
            });

            if selected.is_some() || !stopped {
                return selected;
            }
        }
        None
    }
}
