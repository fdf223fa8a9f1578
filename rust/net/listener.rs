// SPDX-License-Identifier: GPL-2.0

//! Listeners.
//!
//! C headers: [`include/net/sock.h`](srctree/include/net/sock.h),
//! [`include/net/inet_connection_sock.h`](srctree/include/net/inet_connection_sock.h)

use super::{
    AcceptQueue,
    Group,
    Namespace, //
};
use crate::{
    bindings,
    policy::Level, //
};
use core::{
    mem,
    net::{
        Ipv4Addr,
        Ipv6Addr,
        SocketAddr, //
    },
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    sync::{
        barrier::{
            self,
            smp_mb, //
        },
        rcu, //
    },
    types::Opaque, //
};

/// How many listeners of a group are looked at for one that isn't about to stop. If none of
/// them isn't, they probably have the same process, which is dying.
const SIBLINGS: u16 = 64;

/// What two listeners must have in common for one to take the other's
/// connections.
pub(crate) struct Identity {
    /// The owner, `sk_uid`.
    uid: u32,
    /// The index of the device that the socket is bound to, or 0.
    device: i32,
    /// `AF_INET` or `AF_INET6`.
    family: u16,
    /// Whether an IPv6 socket has no IPv4 connections.
    v6only: bool,
    /// Whether that's because it's bound to one IPv6 address.
    one_ipv6: bool,
}

impl Identity {
    /// Whether a listener may have the connections of `former`. A wildcard that takes over
    /// from a listener on one IPv6 address need not be without IPv4.
    #[inline]
    pub(crate) fn suits(&self, former: &Identity) -> bool {
        self.uid == former.uid
            && self.device == former.device
            && self.family == former.family
            && (self.v6only == former.v6only || former.one_ipv6)
    }
}

/// The state of a listener at one moment.
pub(crate) struct Status {
    /// Whether it's in `TCP_LISTEN`.
    pub(crate) is_listening: bool,
    /// Whether its last file descriptor is closed, so that it's about to stop.
    pub(crate) is_closing: bool,
    /// How full its accept queue is.
    pub(crate) level: Level,
    /// Its `SO_INCOMING_CPU`, or a negative number.
    pub(crate) incoming_cpu: i32,
}

impl Status {
    /// Whether it listens, and isn't about to stop.
    pub(crate) fn stays(&self) -> bool {
        self.is_listening && !self.is_closing
    }
}

/// A TCP socket that listens, or that has stopped listening.
///
/// # Invariants
///
/// Always the `struct sock` of a TCP socket with an accept queue, whose memory
/// is valid as long as a reference to this type exists. Hooks or sysctls are registered all
/// that time.
#[repr(transparent)]
pub(crate) struct Listener(Opaque<bindings::sock>);

impl Listener {
    /// Wraps a pointer to a listener.
    ///
    /// # Safety
    ///
    /// `sk` must be what the type invariant says, for `'a`.
    pub(crate) unsafe fn from_raw<'a>(sk: *mut bindings::sock) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &*sk.cast() }
    }

    /// The C object.
    pub(crate) fn as_raw(&self) -> *mut bindings::sock {
        self.0.get()
    }

    /// Whether it may have connections of `former`, as far as that depends on
    /// the listeners only.
    pub(crate) fn is_like(&self, former: &Listener) -> bool {
        self.identity().suits(&former.identity())
    }

    /// What listeners of a group had in common at bind(). Since then an application
    /// may have changed the owner and the device, and the rest of a socket that isn't
    /// a listener any more.
    #[inline]
    pub(crate) fn identity(&self) -> Identity {
        let mut identity = bindings::listener_identity::default();

        // SAFETY: Valid by the type invariant; all of the identity is written.
        unsafe { bindings::listener_identity(self.as_raw(), &mut identity) };
        Identity {
            uid: identity.uid,
            device: identity.bound_dev_if,
            family: identity.family,
            v6only: identity.v6only,
            one_ipv6: identity.one_ipv6,
        }
    }

    /// The owner, `sk_uid`.
    pub(crate) fn uid(&self) -> u32 {
        self.identity().uid
    }

    /// The address and port that it's bound to, or was before it stopped.
    pub(crate) fn address(&self) -> SocketAddr {
        let mut address = bindings::listener_address::default();

        // SAFETY: Valid by the type invariant.
        unsafe { bindings::listener_address(self.as_raw(), &mut address) };
        if address.ipv6 {
            (Ipv6Addr::from(address.v6), address.port).into()
        } else {
            (Ipv4Addr::from(address.v4), address.port).into()
        }
    }

    /// What it's found by as an orphan.
    pub(super) fn orphan_key(&self) -> u32 {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::listener_orphan_key(self.as_raw()) }
    }

    /// The listener, live or an orphan, that would have a SYN to the address of this one.
    ///
    /// Must not be called for one that has no reference on its namespace.
    pub(crate) fn lookup<'a>(&self, _rcu: &'a rcu::Guard) -> Option<&'a Listener> {
        // SAFETY: Valid by the type invariant, and in an RCU read section.
        let found = unsafe { bindings::listener_lookup(self.as_raw()) };

        // SAFETY: A listener that was found under RCU is freed a grace period after its
        // last reference is gone.
        (!found.is_null()).then(|| unsafe { Listener::from_raw(found) })
    }

    /// Whether there's a listener in its group, other than this one, that isn't about to
    /// stop. What is new goes to that.
    pub(crate) fn has_sibling(&self, rcu: &rcu::Guard) -> bool {
        self.has_sibling_where(rcu, |sibling| sibling.status().stays())
    }

    /// Whether there's one, other than this, that is what is asked for.
    #[inline]
    pub(super) fn has_sibling_where(
        &self,
        rcu: &rcu::Guard,
        mut is: impl FnMut(&Listener) -> bool,
    ) -> bool {
        self.group(rcu).is_some_and(|group| {
            group
                .listeners(SIBLINGS)
                .any(|sibling| !ptr::eq(sibling, self) && is(sibling))
        })
    }

    /// The same, looked for from the `first(n)`th of `n` on.
    pub(crate) fn has_sibling_from(
        &self,
        rcu: &rcu::Guard,
        first: impl FnOnce(u16) -> u16,
        mut is: impl FnMut(&Listener) -> bool,
    ) -> bool {
        self.group(rcu).is_some_and(|group| {
            group
                .round(first)
                .take(SIBLINGS.into())
                .any(|sibling| !ptr::eq(sibling, self) && is(sibling))
        })
    }

    /// Whether it listens, and has a file that nobody is closing.
    pub(super) fn lasts(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::listener_lasts(self.as_raw()) }
    }

    /// Whether it has a file, of which one sees when it's closed. What is MPTCP's or the
    /// kernel's has none.
    pub(super) fn has_file(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::listener_has_file(self.as_raw()) }
    }

    /// Whether it has a reference on its namespace, as all but some of the kernel's own.
    pub(crate) fn holds_namespace(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_holds_net(self.as_raw()) }
    }

    /// Whether it has no socket any more: before it stops, that's only so of an orphan.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_is_dead(self.as_raw()) }
    }

    /// Whether lookups find it, and it goes on listening: an orphan isn't found.
    pub(crate) fn is_live(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        self.is_listening() && unsafe { bindings::sk_is_hashed(self.as_raw()) }
    }

    /// `SO_COOKIE`.
    pub(crate) fn cookie(&self) -> u64 {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_cookie(self.as_raw()) }
    }

    /// What tells it from others as long as somebody has a reference on it.
    pub(crate) fn key(&self) -> usize {
        self.as_raw() as usize
    }

    /// What tells its namespace from others as long as it has a reference on that.
    pub(crate) fn namespace_key(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sock_net(self.as_raw()) as usize }
    }

    /// Whether it has set `SO_REUSEPORT`.
    pub(crate) fn has_reuseport(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_reuseport(self.as_raw()) }
    }

    /// Has another listener accept the SYN cookies that this one has sent.
    pub(crate) fn share_cookies(&self, to: &Listener, _rcu: &rcu::Guard) {
        // SAFETY: Both are valid by the type invariant, and this is an RCU read section.
        unsafe { bindings::listener_share_cookies(self.as_raw(), to.as_raw()) }
    }

    /// The index of the device that it's bound to, or 0.
    pub(super) fn device(&self) -> i32 {
        // SAFETY: Valid by the type invariant, and the offset is the field's. Others
        // may change it.
        unsafe {
            self.as_raw()
                .byte_add(bindings::SKC_BOUND_DEV_IF_OFFSET)
                .cast::<i32>()
                .read_volatile()
        }
    }

    /// The protocol that children of this listener speak on top of TCP, or null.
    pub(super) fn ulp(&self) -> *const bindings::tcp_ulp_ops {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_ulp_ops(self.as_raw()) }
    }

    /// Whether it's the TCP part of a MPTCP socket.
    pub(super) fn is_mptcp(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_is_mptcp(self.as_raw()) }
    }

    /// Whether it's the TCP part of a SMC socket.
    pub(super) fn is_smc(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_is_smc(self.as_raw()) }
    }

    /// Whether another protocol, or another user of it in the kernel, has given the socket
    /// callbacks, which children inherit: MPTCP, SMC.
    pub(super) fn has_callbacks(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { !bindings::sk_has_default_data_ready(self.as_raw()) }
    }

    /// Whether another listener is in the same cgroup.
    pub(super) fn shares_cgroup(&self, other: &Listener) -> bool {
        // SAFETY: Both are valid by the type invariant.
        unsafe { bindings::sk_shares_cgroup(self.as_raw(), other.as_raw()) }
    }

    /// Takes a reference, unless the last one is gone already.
    pub(crate) fn get(&self) -> Option<ListenerRef> {
        // SAFETY: Valid by the type invariant.
        let alive = unsafe { bindings::sock_hold_not_zero(self.as_raw()) };

        // INVARIANT: The reference was taken just now.
        alive.then(|| ListenerRef(NonNull::from(self)))
    }

    /// Whether the socket is in `TCP_LISTEN` now. That may change at any time. But as
    /// long as the lock of its accept queue under which this was seen is held,
    /// `inet_csk_listen_stop()` can't have taken it.
    pub(crate) fn is_listening(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { u32::from(bindings::sk_state_load(self.as_raw())) == bindings::TCP_LISTEN }
    }

    /// What a choice among listeners depends on, as it is now.
    #[inline]
    pub(crate) fn status(&self) -> Status {
        let mut status = bindings::listener_status::default();

        // SAFETY: Valid by the type invariant; all of the status is written.
        unsafe { bindings::listener_status(self.as_raw(), &mut status) };
        Status {
            is_listening: status.listening,
            is_closing: status.closing,
            level: Level::new(status.ack_backlog, status.max_ack_backlog),
            incoming_cpu: status.incoming_cpu,
        }
    }

    /// The socket's network namespace.
    pub(crate) fn namespace(&self) -> &Namespace {
        // SAFETY: A socket has a reference on its namespace until it is destroyed. Some
        // of the kernel's own have none, but those are in no group, and this isn't called
        // for them. Hooks or sysctls are registered, by the type invariant.
        unsafe { Namespace::from_raw(bindings::sock_net(self.as_raw())) }
    }

    /// Must be called before requests name this listener.
    pub(super) fn about_to_be_named(&self) {
        // Pairs with the address dependency of a CPU that reads the listener from a
        // request. Another CPU may have had the listener join its group just now, so
        // that a write barrier isn't enough.
        smp_mb(barrier::Full);
    }

    /// The socket's group. `None` when it never had one, or when it wasn't kept
    /// in the closed section.
    pub(crate) fn group<'a>(&'a self, rcu: &'a rcu::Guard) -> Option<Group<'a>> {
        // SAFETY: Valid by the type invariant; the guard is the read section
        // that rcu_dereference() asks for.
        let reuse = unsafe { bindings::sk_reuseport_cb(self.as_raw()) };

        // SAFETY: Not null, and read under RCU, which the guard keeps.
        NonNull::new(reuse).map(|reuse| unsafe { Group::from_raw(reuse, self, rcu) })
    }

    /// What tells its group from others in this read section. `None` as for
    /// [`Self::group`].
    pub(crate) fn group_key(&self, _rcu: &rcu::Guard) -> Option<usize> {
        // SAFETY: Valid by the type invariant; the guard is the read section.
        let reuse = unsafe { bindings::sk_reuseport_cb(self.as_raw()) };

        (!reuse.is_null()).then_some(reuse as usize)
    }

    /// The socket's accept queue.
    pub(crate) fn accept_queue(&self) -> AcceptQueue<'_> {
        AcceptQueue::new(self)
    }

    /// Tells the application that `n` children, at least 1, have been queued:
    /// blocked threads, pollers and signals, as `n` calls of `sk_data_ready()`
    /// would. Where nobody has replaced the callback or asked for signals, all waiters
    /// but the first are woken in one pass.
    #[inline(always)]
    pub(crate) fn data_ready(&self, n: u32) {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_data_ready(self.as_raw()) };
        if n > 1 {
            self.more_data_ready(n);
        }
    }

    fn more_data_ready(&self, n: u32) {
        let sk = self.as_raw();

        // SAFETY: Valid by the type invariant.
        unsafe {
            if bindings::sk_has_default_data_ready(sk) && !bindings::sk_has_fasync(sk) {
                return bindings::sk_wake_acceptors(sk, n - 1);
            }
            for _ in 1..n {
                bindings::sk_data_ready(sk);
            }
        }
    }

    /// Puts `n` references, perhaps the last one. The socket is then freed a grace
    /// period later, as all that have ever listened are (`SOCK_RCU_FREE`). Until then a
    /// CPU may look at it that has read it from a request under RCU. Any context.
    ///
    /// # Safety
    ///
    /// The caller owns `n` references, and gives them up.
    pub(super) unsafe fn put_many(&self, n: u32) {
        // SAFETY: By the safety requirement.
        unsafe { bindings::sock_put_many(self.as_raw(), n) }
    }
}

/// A reference on a listener, which is put when this is dropped.
///
/// # Invariants
///
/// Owns a reference on the listener.
pub(crate) struct ListenerRef(NonNull<Listener>);

impl ListenerRef {
    /// Takes a reference over.
    ///
    /// # Safety
    ///
    /// `sk` must be a listener, on which the caller has a reference.
    pub(crate) unsafe fn from_raw(sk: *mut bindings::sock) -> Self {
        // SAFETY: By the safety requirements, it isn't null.
        let listener = unsafe { NonNull::new_unchecked(sk.cast()) };

        // INVARIANT: By the safety requirements.
        Self(listener)
    }

    /// The listener, which the read section keeps when the reference has been put.
    pub(crate) fn under<'a>(&self, _rcu: &'a rcu::Guard) -> &'a Listener {
        // SAFETY: Valid by the type invariant, and freed a grace period after its last
        // reference.
        unsafe { self.0.as_ref() }
    }

    /// Leaves the reference to somebody who has got it.
    pub(super) fn forget(self) {
        mem::forget(self);
    }

    /// Gives the reference to C.
    pub(crate) fn into_raw(self) -> *mut bindings::sock {
        let sk = self.as_raw();

        mem::forget(self);
        sk
    }
}

// SAFETY: Any thread may use a listener, and put a reference on it.
unsafe impl Send for ListenerRef {}

impl Deref for ListenerRef {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        // SAFETY: Valid by the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for ListenerRef {
    fn clone(&self) -> Self {
        // SAFETY: Valid and referenced by the type invariant.
        unsafe { bindings::sock_hold_many(self.as_raw(), 1) };
        // INVARIANT: The reference was taken just now.
        Self(self.0)
    }
}

impl Drop for ListenerRef {
    fn drop(&mut self) {
        // SAFETY: The reference that is owned by the type invariant.
        unsafe { bindings::sock_put(self.as_raw()) }
    }
}
