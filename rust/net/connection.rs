// SPDX-License-Identifier: GPL-2.0

//! Connections that look for a listener.

use super::{
    keys,
    this_cpu, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A connection whose listener has stopped: a request in `TCP_NEW_SYN_RECV`, or a
/// child that nobody has accepted.
///
/// # Invariants
///
/// `sk` is valid for `'a`. It's a request as long as its state says so, which
/// never changes.
#[derive(Clone, Copy)]
pub(crate) struct Connection<'a> {
    sk: NonNull<bindings::sock>,
    _owner: PhantomData<&'a ()>,
}

impl Connection<'_> {
    /// Wraps a pointer to a request, cast to what it shares with sockets, or to
    /// a child.
    ///
    /// # Safety
    ///
    /// `sk` must be what the type invariant says.
    pub(super) unsafe fn from_raw(sk: NonNull<bindings::sock>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            sk,
            _owner: PhantomData,
        }
    }

    /// The C object.
    pub(super) fn as_raw(&self) -> *mut bindings::sock {
        self.sk.as_ptr()
    }

    /// The hash of the connection's addresses and ports.
    pub(crate) fn hash(&self) -> u32 {
        // SAFETY: Valid by the type invariant, and the offset is the field's. It
        // was set before the socket or request was hashed, and never changes.
        unsafe { *self.sk.as_ptr().byte_add(bindings::SKC_HASH_OFFSET).cast() }
    }

    /// The CPU on which its last segment came in, or for a request the one
    /// that this runs on.
    pub(crate) fn incoming_cpu(&self) -> i32 {
        if self.is_request() {
            return this_cpu();
        }
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_incoming_cpu(self.sk.as_ptr()) }
    }

    /// Whether it takes a MPTCP listener to serve it: a child that hasn't fallen
    /// back to TCP, or a request that was made by such a listener.
    pub(super) fn is_mptcp(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe {
            if self.is_request() {
                bindings::rsk_is_mptcp(self.as_raw())
            } else {
                bindings::sk_is_mptcp(self.as_raw())
            }
        }
    }

    /// Whether one of two listeners of the same identity may be able to have it
    /// and the other not: it's of MPTCP, or there are keys in the system.
    pub(super) fn is_particular(&self) -> bool {
        self.is_mptcp() || keys::in_use()
    }

    /// Whether it has no child yet.
    pub(super) fn is_request(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe {
            u32::from(bindings::sk_state_load(self.sk.as_ptr())) == bindings::TCP_NEW_SYN_RECV
        }
    }
}
