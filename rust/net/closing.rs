// SPDX-License-Identifier: GPL-2.0

//! Listeners that have lost their last file descriptor, and may go on without.
//!
//! C source: `__tcp_close()` in `net/ipv4/tcp.c`.

use super::{
    Listener,
    ListenerRef, //
};
use crate::bindings;
use core::ops::Deref;
use kernel::sync::{
    barrier::{
        self,
        smp_mb, //
    },
    rcu, //
};

/// A listener about which the kernel asks whether it's to go on.
///
/// # Invariants
///
/// The listener is in `TCP_LISTEN`, and was no orphan so far. Its socket is locked by the
/// caller, in process context.
pub(crate) struct Closing<'a>(&'a Listener);

impl<'a> Closing<'a> {
    /// Wraps the listener that the kernel passes to `orphan()`.
    ///
    /// # Safety
    ///
    /// `sk` must be what the type invariant says.
    pub(crate) unsafe fn from_raw(sk: *mut bindings::sock) -> Self {
        // INVARIANT: By the safety requirements.
        //
        // SAFETY: Likewise.
        Self(unsafe { Listener::from_raw(sk) })
    }

    /// The listener.
    pub(crate) fn listener(&self) -> &'a Listener {
        self.0
    }

    /// Whether another listener of its group stays, for all that is known. Of two that are
    /// closed at the same time, at least one sees the other being closed.
    #[inline]
    pub(crate) fn has_lasting_sibling(&self, rcu: &rcu::Guard) -> bool {
        // Pairs with the same of the other one: each has closed its last file descriptor
        // before, and looks at the other's next.
        smp_mb(barrier::Full);

        self.has_file() && self.has_sibling_where(rcu, Listener::lasts)
    }

    /// Whether it can go on: it's a process's, which has chosen its port; a successor
    /// can bind to that while there are connections; nobody but TCP or MPTCP has to do
    /// with it.
    pub(crate) fn can_go_on(&self) -> bool {
        let sk = self.as_raw();

        // SAFETY: Valid by the type invariant.
        let has_successors =
            unsafe { bindings::listener_has_port(sk) && !bindings::listener_in_repair(sk) };
        let is_plain = self.is_mptcp() || (self.ulp().is_null() && !self.has_callbacks());

        self.holds_namespace() && has_successors && is_plain && !self.is_smc()
    }

    /// Takes it out of lhash2, and out of the listening section of its group.
    pub(crate) fn unhash(&self) {
        // SAFETY: By the type invariant, the socket is locked, in process context. It's
        // what comes first in any case when a listener stops.
        unsafe { bindings::listener_unhash(self.as_raw()) }
    }

    /// Says that it goes on. `None` if it has lost its last reference, which the caller
    /// has.
    pub(super) fn keep(self) -> Option<(Orphan, Kept)> {
        // INVARIANT: The kernel does nothing more to it.
        Some((Orphan(self.get()?), Kept(())))
    }
}

impl Deref for Closing<'_> {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        self.0
    }
}

/// The kernel asks about closing listeners as long as there's one of these.
pub(crate) struct Asking(());

impl Asking {
    /// Has it ask. May sleep.
    pub(crate) fn new() -> Self {
        // SAFETY: An FFI call.
        unsafe { bindings::tcp_migrate_grace_inc() };
        Self(())
    }
}

impl Drop for Asking {
    /// May sleep.
    fn drop(&mut self) {
        // SAFETY: An FFI call; `new` has counted this.
        unsafe { bindings::tcp_migrate_grace_dec() };
    }
}

/// That there's an [`Orphan`] of the listener about which the kernel asks.
pub(crate) struct Kept(());

/// A listener that goes on without a file descriptor. It's ended when this is dropped,
/// unless that has happened (`ss -K`). Then there must be process context, with no socket
/// locked.
///
/// # Invariants
///
/// The kernel was told to keep the listener.
pub(crate) struct Orphan(ListenerRef);

impl Deref for Orphan {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        &self.0
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, there's nobody but the module to end it. If it has
        // been orphaned only just now, the socket is still locked, and this waits.
        unsafe { bindings::orphan_end(self.as_raw()) }
    }
}
