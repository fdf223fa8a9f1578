// SPDX-License-Identifier: GPL-2.0

//! Listeners whose accept queue can be taken.

use super::Listener;
use crate::bindings;
use core::{
    marker::PhantomData,
    ops::Deref, //
};

/// Ties requests to the listener whose queue they were taken from: two that have
/// different lifetimes here don't mix, as neither can be made longer or shorter.
pub(super) type Brand<'a> = PhantomData<fn(&'a ()) -> &'a ()>;

/// A listener for which the kernel has called `listen_stop()`, and is waiting.
///
/// # Invariants
///
/// The listener has stopped: nobody queues anything on it any more. The socket is
/// locked and referenced by the caller for `'a`, which is this call's alone.
pub(crate) struct Stopping<'a> {
    listener: &'a Listener,
    _brand: Brand<'a>,
}

impl<'a> Stopping<'a> {
    /// Wraps the listener that the kernel passes to `listen_stop()`.
    ///
    /// # Safety
    ///
    /// `sk` must be what the type invariant says.
    pub(crate) unsafe fn from_raw(sk: *mut bindings::sock) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: By the safety requirements.
            listener: unsafe { Listener::from_raw(sk) },
            _brand: PhantomData,
        }
    }

    /// The listener.
    pub(crate) fn listener(&self) -> &'a Listener {
        self.listener
    }
}

impl Deref for Stopping<'_> {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        self.listener
    }
}
