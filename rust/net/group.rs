// SPDX-License-Identifier: GPL-2.0

//! Groups of listeners.
//!
//! C header: [`include/net/sock_reuseport.h`](srctree/include/net/sock_reuseport.h)

use super::{
    keys,
    Connection,
    Listener,
    ListenerRef,
    Program,
    Stopping, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::sync::rcu;

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
    /// Whether `former` is in `listen_stop()`.
    is_stopping: bool,
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
        Self {
            reuse,
            former,
            is_stopping: false,
            rcu,
        }
    }

    /// The same group, of a listener that is in `listen_stop()`.
    pub(crate) fn of_stopping(self, _former: &Stopping<'_>) -> Self {
        Self {
            is_stopping: true,
            ..self
        }
    }

    /// The listener whose connections look for another one.
    pub(crate) fn former(&self) -> &'a Listener {
        self.former
    }

    /// The group as it is now, which may be at another place.
    pub(crate) fn again(&self) -> Option<Self> {
        let group = self.former.group(self.rcu)?;

        Some(Self {
            is_stopping: self.is_stopping,
            ..group
        })
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

    /// Whether a listener that may have one child of the former need not be one that may
    /// have another. So it is if
    ///
    /// * the former is of MPTCP, from which some children have fallen back, or has
    ///   callbacks of another protocol, which some children were made without;
    /// * it is of SMC, which has given its callbacks back by the time that it stops;
    /// * it's bound to a device, and perhaps wasn't always;
    /// * one of the listeners has or had keys.
    pub(crate) fn is_mixed(&self) -> bool {
        self.former.has_callbacks()
            || self.former.is_smc()
            || self.former.device() != 0
            || (keys::in_use() && self.has_keys())
    }

    fn has_keys(&self) -> bool {
        self.former.has_keys() || self.round(|_| 0).any(Listener::has_keys)
    }

    /// The `n` listeners of the group, without those that have stopped: from the
    /// `first(n)`th on and round the group.
    pub(crate) fn round(
        &self,
        first: impl FnOnce(u16) -> u16,
    ) -> impl ExactSizeIterator<Item = &'a Listener> {
        let (reuse, len) = (self.reuse.as_ptr(), self.len());
        let (start, end) = (u32::from(first(len).min(len)), u32::from(len));

        (0..len).map(move |i| {
            let i = start + u32::from(i);
            let i = if i < end { i } else { i - end };

            // SAFETY: The group is valid by the type invariant. Listeners are freed
            // a grace period after they leave it (SOCK_RCU_FREE), and the first
            // `len` elements are never cleared, only replaced.
            unsafe { Listener::from_raw(bindings::reuseport_sock(reuse, i)) }
        })
    }

    /// Whether a listener has the settings of the former, as far as that still has
    /// them.
    pub(crate) fn settings_match(&self, listener: &Listener) -> bool {
        self.former
            .settings_equal(listener, !self.is_stopping, self.rcu)
    }

    /// Whether a listener that is like the former may have this connection.
    pub(crate) fn may_have(&self, listener: &Listener, connection: Connection<'_>) -> bool {
        connection.fits(self.former, listener)
            && connection.keys_match(self.former, listener, self.rcu)
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
            && self.may_have(listener, connection);

        if may {
            listener.get()
        } else {
            None
        }
    }
}
