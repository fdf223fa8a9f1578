// SPDX-License-Identifier: GPL-2.0

//! Listeners that are alive, and whose accept queue doesn't move.
//!
//! C sources: `inet_csk_accept()` in `net/ipv4/inet_connection_sock.c`,
//! `reuseport_park_sock()` in `net/core/sock_reuseport.c`.

use super::{
    stopping::Brand,
    Listener, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ops::Deref, //
};

/// A listener whose accept queue may be taken while it's alive. Nobody accepts from it as
/// long as this exists.
///
/// # Invariants
///
/// The listener was hashed and in `TCP_LISTEN` when its socket was locked, and it's locked as
/// long as this exists. `'a` is of this alone. Process context.
pub(crate) struct Stalled<'a> {
    listener: &'a Listener,
    _brand: Brand<'a>,
}

/// The lock of a listener's socket.
///
/// # Invariants
///
/// Held as long as this exists.
struct Locked<'a>(&'a Listener);

impl Stalled<'_> {
    /// Does something with a listener that is alive, with its socket locked, unless
    /// somebody else has locked that. Process context.
    ///
    /// Nobody but its process decides for how long that locks it, so others don't wait.
    pub(crate) fn try_lock<R>(
        listener: &Listener,
        f: impl for<'a> FnOnce(&Stalled<'a>) -> R,
    ) -> Option<R> {
        // SAFETY: Valid by the type invariant.
        let locked = unsafe { bindings::listener_trylock(listener.as_raw()) };

        // INVARIANT: Locked just now. There must be none otherwise, not even one that is
        // dropped at once.
        locked.then(|| Locked(listener))?.with(f)
    }

    /// The same, but waits for the lock.
    pub(crate) fn lock<R>(
        listener: &Listener,
        f: impl for<'a> FnOnce(&Stalled<'a>) -> R,
    ) -> Option<R> {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::lock_sock(listener.as_raw()) };
        // INVARIANT: Locked just now.
        Locked(listener).with(f)
    }
}

impl Locked<'_> {
    fn with<R>(self, f: impl for<'a> FnOnce(&Stalled<'a>) -> R) -> Option<R> {
        // INVARIANT: Locked by `self`, and alive where it's used. `f` can't tell the
        // lifetime from that of any other.
        let stalled = Stalled {
            listener: self.0,
            _brand: PhantomData,
        };

        self.0.is_live().then(|| f(&stalled))
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked, by the type invariant.
        unsafe { bindings::release_sock(self.0.as_raw()) }
    }
}

impl<'a> Stalled<'a> {
    /// The listener.
    pub(crate) fn listener(&self) -> &'a Listener {
        self.listener
    }

    /// Whether whoever accepts connections doesn't wait for them. A thread that `poll()`
    /// has sent to `accept()` would otherwise wait there.
    pub(crate) fn is_nonblocking(&self) -> bool {
        // SAFETY: Valid by the type invariant, and locked.
        unsafe { bindings::listener_is_nonblocking(self.as_raw()) }
    }

    /// Has new connections keep away from it, or no longer so. The last one of a group
    /// has them nevertheless.
    pub(crate) fn park(&self, park: bool) {
        // SAFETY: A listener, which is locked, by the type invariant.
        unsafe { bindings::reuseport_park_sock(self.as_raw(), park) };
    }
}

impl Deref for Stalled<'_> {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        self.listener
    }
}
