// SPDX-License-Identifier: GPL-2.0

//! Connections that look for a listener.

use super::{
    keys,
    this_cpu,
    Listener, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
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

    /// Whether `to` may have it, as far as that depends on what the connection
    /// carries other than keys.
    pub(super) fn fits(&self, former: &Listener, to: &Listener) -> bool {
        self.device_fits(to) && self.protocol_fits(former, to)
    }

    /// A listener that is bound to a device may only have connections of that
    /// device, whatever the listener that made them was bound to.
    fn device_fits(&self, to: &Listener) -> bool {
        let (device, bound) = (self.device(), to.device());

        bound == 0
            || bound == device
            // SAFETY: A listener is valid by its type invariant.
            || bound == unsafe { bindings::l3mdev_master_ifindex(to.as_raw(), device) }
    }

    /// The index of the device that it's bound to, or that its child will be, or
    /// 0.
    fn device(&self) -> i32 {
        // SAFETY: Valid by the type invariant.
        unsafe {
            if self.is_request() {
                bindings::ir_iif(self.as_raw())
            } else {
                self.as_raw()
                    .byte_add(bindings::SKC_BOUND_DEV_IF_OFFSET)
                    .cast::<i32>()
                    .read_volatile()
            }
        }
    }

    /// Whether the application of `to` expects what the connection speaks on top of TCP.
    fn protocol_fits(&self, former: &Listener, to: &Listener) -> bool {
        if self.is_request() {
            self.request_fits(former, to)
        } else {
            self.child_fits(to)
        }
    }

    /// The child of a request has the protocol of the listener that makes it. A peer
    /// that has been offered MPTCP falls back to TCP when it sees none, unless it
    /// joins a connection. One that has asked for SMC goes on with that, or without, as
    /// the former listener has answered.
    fn request_fits(&self, former: &Listener, to: &Listener) -> bool {
        // SAFETY: Valid by the type invariant, and a request.
        let join = unsafe { bindings::rsk_is_mptcp_join(self.as_raw()) };

        (!join || to.is_mptcp()) && (!self.asks_for_smc() || to.is_smc() == former.is_smc())
    }

    /// Whether the SYN of a request has asked for SMC, whatever the listener is.
    fn asks_for_smc(&self) -> bool {
        // SAFETY: Valid by the type invariant, and a request.
        unsafe { bindings::rsk_asks_for_smc(self.as_raw()) }
    }

    /// Listeners of MPTCP and of SMC can have connections of TCP.
    ///
    /// A child that is marked as one of MPTCP but has no protocol on top was copied from
    /// a listener that was being destroyed. It would be taken for a connection of that
    /// listener. A child that has inherited a callback would call it.
    fn child_fits(&self, to: &Listener) -> bool {
        if self.is_mptcp() {
            return to.is_mptcp() && !self.ulp().is_null();
        }

        let ulp = if to.is_mptcp() { ptr::null() } else { to.ulp() };

        // SAFETY: Both are valid by the type invariants.
        self.ulp() == ulp && unsafe { bindings::sk_data_ready_fits(self.as_raw(), to.as_raw()) }
    }

    /// Whether a child has inherited callbacks of another protocol, as its listener had
    /// them at that time.
    pub(super) fn has_callbacks(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { !bindings::sk_has_default_data_ready(self.as_raw()) }
    }

    /// The protocol that a child speaks on top of TCP, or null.
    fn ulp(&self) -> *const bindings::tcp_ulp_ops {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_ulp_ops(self.as_raw()) }
    }

    /// Moves a child, which nobody has accepted yet, to the cgroup of `listener`. A
    /// connection of MPTCP stays in its own: there's more to it than this child.
    ///
    /// Nobody else may do so at the same time: the child is on a list of the caller's.
    /// Any context.
    #[cold]
    pub(super) fn enter_cgroup_of(&self, listener: &Listener) {
        if !self.is_mptcp() {
            // SAFETY: Both are valid by the type invariants.
            unsafe { bindings::sk_enter_cgroup(self.as_raw(), listener.as_raw()) }
        }
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

    /// Whether a listener of the same identity as `former` may be unable to have it.
    pub(crate) fn is_particular(&self, former: &Listener) -> bool {
        former.device() != 0
            || if self.is_request() {
                self.is_mptcp() || self.asks_for_smc()
            } else {
                self.has_callbacks() || !self.ulp().is_null()
            }
            || keys::in_use()
    }

    /// Whether it has no child yet.
    pub(super) fn is_request(&self) -> bool {
        // SAFETY: Valid by the type invariant, and the offset is the field's. Others
        // may change it, but never to or from the state of a request.
        let state = unsafe {
            self.as_raw()
                .byte_add(bindings::SKC_STATE_OFFSET)
                .cast::<u8>()
                .read_volatile()
        };

        u32::from(state) == bindings::TCP_NEW_SYN_RECV
    }
}
