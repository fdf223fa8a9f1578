// SPDX-License-Identifier: GPL-2.0

//! Connections that a process had accepted, and takes along as it dies.
//!
//! C sources: `tcp_close()` in `net/ipv4/tcp.c`, `__inet_accept()` in
//! `net/ipv4/af_inet.c`.

use super::{
    Connection,
    Listener,
    Namespace,
    OwnedRequest, //
};
use crate::{
    bindings,
    policy::outcome::Outcome, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::sync::rcu;

/// A connection whose last file descriptor a dying process has closed.
///
/// # Invariants
///
/// A TCP socket on which the caller of the hook has the descriptor's reference, which it
/// gives up if told so. Nobody but the caller can reach the `struct socket`, if there's
/// still one. Process context, with nothing locked.
pub(crate) struct Abandoned<'a> {
    sk: NonNull<bindings::sock>,
    _owner: PhantomData<&'a ()>,
}

impl<'a> Abandoned<'a> {
    /// Wraps the socket that the kernel passes to `unread()`.
    ///
    /// # Safety
    ///
    /// `sk` must be what the type invariant says.
    pub(crate) unsafe fn from_raw(sk: NonNull<bindings::sock>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            sk,
            _owner: PhantomData,
        }
    }

    fn as_raw(&self) -> *mut bindings::sock {
        self.sk.as_ptr()
    }

    /// Whether a listener of a process has made it, rather than `connect()`.
    pub(crate) fn was_accepted(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe {
            bindings::child_is_passive(self.as_raw()) && bindings::sk_holds_net(self.as_raw())
        }
    }

    /// Whether the process dies of a signal.
    pub(crate) fn was_killed(&self) -> bool {
        // SAFETY: An FFI call; the current process is the one that dies.
        unsafe { bindings::current_is_killed() }
    }

    /// The socket's network namespace. Must not be called for one of the kernel's own.
    pub(crate) fn namespace(&self) -> &'a Namespace {
        // SAFETY: A socket has a reference on its namespace until it's destroyed. A hook
        // is the caller.
        unsafe { Namespace::from_raw(bindings::sock_net(self.as_raw())) }
    }

    /// The listener that a SYN to its local address would reach, if that may have the
    /// connection as far as that depends on the owner and the address family.
    pub(crate) fn lookup<'r>(&self, _rcu: &'r rcu::Guard) -> Option<&'r Listener> {
        // SAFETY: Valid by the type invariant, and in an RCU read section. A listener that
        // was found is freed a grace period after its last reference is gone.
        unsafe {
            let found = bindings::listener_lookup(self.as_raw());
            let may_have = !found.is_null()
                && bindings::sk_family(found) == bindings::sk_family(self.as_raw())
                && bindings::child_owner_fits(self.as_raw(), found);

            may_have.then(|| Listener::from_raw(found))
        }
    }

    /// Makes it what a fresh child of `listener` is, if nothing was read or written, and
    /// nobody else has to do with it.
    pub(crate) fn unaccept(self, listener: &Listener) -> Result<Fresh<'a>, Self> {
        let sk = self.as_raw();

        // SAFETY: Valid by the type invariants, in process context; locked in between.
        let is_unread = unsafe {
            bindings::lock_sock(sk);
            let is_unread =
                bindings::child_is_unread(sk) && bindings::child_is_plain(sk, listener.as_raw());

            if is_unread {
                bindings::child_refresh(sk, listener.as_raw());
                bindings::sk_unaccept(sk);
            }
            bindings::release_sock(sk);
            is_unread
        };

        if is_unread {
            // INVARIANT: Just now.
            Ok(Fresh(self))
        } else {
            Err(self)
        }
    }
}

/// A connection that is as if nobody had accepted it yet.
///
/// # Invariants
///
/// As [`Abandoned`], but without a `struct socket`.
pub(crate) struct Fresh<'a>(Abandoned<'a>);

impl Fresh<'_> {
    /// The connection.
    pub(crate) fn connection(&self) -> Connection<'_> {
        // SAFETY: Valid by the type invariant.
        unsafe { Connection::from_raw(self.0.sk) }
    }

    /// A request that stands for it, and owns a reference on `listener`. It's as if it had
    /// been that one's so far. Fails when memory is short, or the listener has lost its
    /// last reference.
    pub(super) fn request(&self, listener: &Listener) -> Result<OwnedRequest<'_>, Outcome> {
        // SAFETY: Both are valid by the type invariants.
        let req = unsafe { bindings::child_request(self.0.as_raw(), listener.as_raw()) };
        let req = NonNull::new(req).ok_or(Outcome::NoMemory)?;

        // SAFETY: Just made, with a reference, and a reference on the listener that it names;
        // it was never hashed and has no timer. The child is one that nobody has accepted, by
        // the type invariant.
        Ok(unsafe { OwnedRequest::from_raw(req) })
    }

    /// Says that its request is on a queue, with the reference that was the descriptor's.
    pub(super) fn queued(self) -> GivenBack {
        GivenBack(())
    }
}

/// That an [`Abandoned`] connection is in an accept queue again.
pub(crate) struct GivenBack(());
