// SPDX-License-Identifier: GPL-2.0

//! Groups of listeners.
//!
//! C header: [`include/net/sock_reuseport.h`](srctree/include/net/sock_reuseport.h)

use super::{
    keys,
    Connection,
    Listener,
    ListenerRef,
    Program, //
};
use crate::{
    bindings,
    policy::select::{
        self,
        Candidate, //
    },
};
use core::ptr::NonNull;
use kernel::sync::rcu;

/// How often a group is looked at in which all listeners stop meanwhile.
const ATTEMPTS: u32 = 16;

/// The `SO_REUSEPORT` group, `struct sock_reuseport`, of a listener that has
/// stopped.
///
/// # Invariants
///
/// `reuse` was read from `former` in the RCU read section of `rcu`.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    reuse: NonNull<bindings::sock_reuseport>,
    former: &'a Listener,
    rcu: &'a rcu::Guard,
}

impl<'a> Group<'a> {
    /// Wraps a pointer to a group.
    ///
    /// # Safety
    ///
    /// `reuse` must have been read from `former` in the read section of `rcu`.
    pub(super) unsafe fn from_raw(
        reuse: NonNull<bindings::sock_reuseport>,
        former: &'a Listener,
        rcu: &'a rcu::Guard,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self { reuse, former, rcu }
    }

    /// The listener whose connections look for another one.
    pub(super) fn former(&self) -> &'a Listener {
        self.former
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

    /// Whether a listener that may have one child of the former need not be one
    /// that may have another: the former is of MPTCP, which some children have
    /// fallen back from, or one of the listeners has or had keys.
    pub(crate) fn is_mixed(&self) -> bool {
        self.former.is_mptcp() || (keys::in_use() && self.has_keys())
    }

    fn has_keys(&self) -> bool {
        self.former.has_keys() || (0..self.len()).any(|i| self.socket(i).has_keys())
    }

    /// The `i`th socket of the group, for an `i` below [`Group::len`] as it was
    /// in this read section.
    fn socket(&self, i: u16) -> &'a Listener {
        // SAFETY: The group is valid by the type invariant. Listeners are freed
        // a grace period after they leave it (SOCK_RCU_FREE), and the first
        // `len` elements are never cleared, only replaced.
        unsafe { Listener::from_raw(bindings::reuseport_sock(self.reuse.as_ptr(), u32::from(i))) }
    }

    /// Takes a reference on a listener of the group, if it is alive and may have
    /// this connection.
    pub(super) fn admit(
        &self,
        listener: &Listener,
        connection: Connection<'_>,
    ) -> Option<ListenerRef> {
        let may = listener.is_listening()
            && listener.is_like(self.former)
            && (listener.is_mptcp() || !connection.is_mptcp())
            && connection.keys_match(self.former, listener, self.rcu);

        if may {
            listener.get()
        } else {
            None
        }
    }

    /// Chooses a live listener for a connection. `None` when no listener of the
    /// group that may have it is alive.
    ///
    /// A listener leaves the group before its state changes. So when one that has
    /// stopped is seen here, the group is another by now, and perhaps with a
    /// listener that has only just joined: it's looked at again.
    pub(crate) fn select(&self, connection: Connection<'_>) -> Option<Selected> {
        let mut group = *self;

        for _ in 0..ATTEMPTS {
            let (selected, stopped) = group.try_select(connection);

            if selected.is_some() || !stopped {
                return selected;
            }
            // It may have been moved to larger memory, too.
            group = self.former.group(self.rcu)?;
        }
        None
    }

    /// What is selected now, and whether a listener that has stopped was seen.
    fn try_select(&self, connection: Connection<'_>) -> (Option<Selected>, bool) {
        let cpu = self.has_incoming_cpu().then(|| connection.incoming_cpu());
        let mut stopped = false;
        let selected = select::select(connection.hash(), self.len(), |i| {
            let socket = self.socket(i);
            let listener = self.admit(socket, connection);

            stopped |= listener.is_none() && !socket.is_listening();
            Some(Candidate {
                listener: listener?,
                has_room: !socket.accept_queue().is_full(),
                on_cpu: cpu.is_none_or(|cpu| cpu == socket.incoming_cpu()),
            })
        });

        (selected.map(Selected::from), stopped)
    }
}

/// A listener that was chosen.
pub(crate) struct Selected {
    /// The listener.
    pub(crate) listener: ListenerRef,
    /// Whether it has its share of the connections as far as it has room. If not,
    /// it is to have them in any case: no other has room, or a program says so.
    pub(crate) has_room: bool,
}

impl From<Candidate<ListenerRef>> for Selected {
    fn from(candidate: Candidate<ListenerRef>) -> Self {
        Self {
            listener: candidate.listener,
            has_room: candidate.has_room,
        }
    }
}
