// SPDX-License-Identifier: GPL-2.0

//! Connection requests, before and after their handshake.
//!
//! C headers: [`include/net/request_sock.h`](srctree/include/net/request_sock.h),
//! [`include/linux/tcp.h`](srctree/include/linux/tcp.h)

use super::{
    queue,
    Connection,
    Listener, //
};
use crate::{
    bindings,
    policy::outcome::Outcome, //
};
use core::{
    mem::offset_of,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
    types::Opaque, //
};

// A request begins with what it shares with sockets, and a TCP request with a
// request: pointers to them are cast.
const _: () = {
    assert!(offset_of!(bindings::request_sock, __req_common) == 0);
    assert!(offset_of!(bindings::tcp_request_sock, req) == 0);
};

/// Where a request keeps its listener.
///
/// # Safety
///
/// `req` must be a valid request.
unsafe fn rsk_listener(req: *mut bindings::request_sock) -> *mut *mut bindings::sock {
    // SAFETY: The offset is the field's, by the safety requirements; a
    // `struct request_sock` begins with a `struct sock_common`.
    unsafe { req.byte_add(bindings::SKC_LISTENER_OFFSET).cast() }
}

/// A request in `TCP_NEW_SYN_RECV` that was found in ehash.
///
/// # Invariants
///
/// A valid TCP request that the caller of the hook holds a reference on.
#[repr(transparent)]
pub(crate) struct Request(Opaque<bindings::request_sock>);

impl Request {
    /// Wraps a pointer to a request.
    ///
    /// # Safety
    ///
    /// `req` must be what the type invariant says, for `'a`.
    pub(crate) unsafe fn from_raw<'a>(req: *mut bindings::request_sock) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &*req.cast() }
    }

    fn as_raw(&self) -> *mut bindings::request_sock {
        self.0.get()
    }

    /// The connection that it may become.
    pub(crate) fn connection(&self) -> Connection<'_> {
        // SAFETY: Valid by the type invariant, and in TCP_NEW_SYN_RECV.
        unsafe { Connection::from_raw(NonNull::new_unchecked(self.as_raw()).cast()) }
    }

    /// The listener that it belongs to.
    pub(crate) fn listener<'a>(&self, _rcu: &'a rcu::Guard) -> &'a Listener {
        // SAFETY: Valid by the type invariant.
        let slot = unsafe { Atomic::<*mut bindings::sock>::from_ptr(rsk_listener(self.as_raw())) };

        // SAFETY: A request that was hashed names a listener, on which it has a
        // reference; or had, less than a grace period ago.
        unsafe { Listener::from_raw(slot.load(Relaxed)) }
    }
}

/// A request whose SYN+ACK timer is running, and calls us.
///
/// # Invariants
///
/// As [`Request`]; the timer holds the reference, and isn't armed.
pub(crate) struct ExpiringRequest<'a>(&'a Request);

impl<'a> ExpiringRequest<'a> {
    /// Says of a request that its timer is the caller.
    ///
    /// # Safety
    ///
    /// It must be.
    pub(crate) unsafe fn new(req: &'a Request) -> Self {
        // INVARIANT: By the safety requirements.
        Self(req)
    }

    /// The request.
    pub(crate) fn request(&self) -> &'a Request {
        self.0
    }

    /// Has a clone of this request, charged to `listener`, take its place in
    /// ehash, with the next timeout, when its SYN+ACK has been sent again if
    /// `resend`; what mainline's `reqsk_timer_handler()` does.
    ///
    /// A request in ehash can't be given to another listener as it is: other
    /// CPUs charge and uncharge the listener that they read from it. On success
    /// the request is no longer hashed, nor charged to its own listener. It fails
    /// when memory is short, when the SYN+ACK can't be sent, or when another CPU
    /// has removed the request from ehash first. Softirq.
    pub(crate) fn replace(self, listener: &Listener, resend: bool, _rcu: &rcu::Guard) -> Outcome {
        let req = self.0.as_raw();
        let queue = listener.accept_queue().as_raw();

        // SAFETY: Valid by the type invariant.
        let nreq = unsafe { bindings::reqsk_slab_alloc(req) };
        if nreq.is_null() {
            return Outcome::NoMemory;
        }

        // SAFETY: Both are requests of the same slab. The new one is nobody
        // else's until it's hashed: lookups that still find its memory see a
        // reference count of 0 first, and another key afterwards. It owns a
        // reference on its listener. The references of 3 are ehash's, the
        // timer's and this function's; they are set before the timer can run.
        unsafe {
            bindings::reqsk_copy(nreq, req);
            bindings::sock_hold_many(listener.as_raw(), 1);
            *rsk_listener(nreq) = listener.as_raw();
            bindings::reqsk_mptcp_clone(nreq, req);
            bindings::reqsk_timer_setup(nreq, req);
            bindings::reqsk_refcnt_set(nreq, 3);
        }

        // Whether the timer's reference is this function's to put.
        let mut unarmed = true;

        // SAFETY: As above. Both are valid and have the same hash, and the new
        // one isn't hashed. The timer is armed before it is: who finds it there
        // deletes its timer, and puts that reference.
        let outcome = unsafe {
            if resend && !bindings::reqsk_rtx_synack(listener.as_raw(), nreq) {
                Outcome::Unanswered
            } else {
                (*nreq).set_num_timeout((*nreq).num_timeout() + 1);
                bindings::reqsk_queue_charge(queue, nreq);
                bindings::reqsk_timer_arm(nreq);
                if bindings::inet_ehash_insert(nreq.cast(), req.cast(), ptr::null_mut()) {
                    Outcome::Migrated
                } else {
                    // A lookup that came by its memory may have found it as well.
                    unarmed = bindings::reqsk_timer_delete(nreq);
                    bindings::reqsk_queue_uncharge(queue, nreq);
                    Outcome::LostRace
                }
            }
        };

        // SAFETY: The new request is referenced by this function. Where it is
        // hashed, the old one no longer is, so that nobody else uncharges it,
        // and it owned what both point to; otherwise the old one still does, or
        // its child. The timer is pinned to this CPU, which is in a timer, so
        // that it hasn't run, and its reference is put here if it was deleted
        // here or not armed; what would have been ehash's is put in any case.
        unsafe {
            if outcome.is_success() {
                let former = *rsk_listener(req);

                bindings::reqsk_queue_uncharge(queue::accept_queue(former), req);
                bindings::reqsk_disown(req);
            } else {
                bindings::reqsk_disown(nreq);
                if unarmed {
                    bindings::reqsk_put(nreq);
                }
                bindings::reqsk_put(nreq);
            }
            bindings::reqsk_put(nreq);
        }

        outcome
    }
}

/// A request with its child, in an accept queue or between two.
///
/// Only the queue holds it: it is unhashed and its timer is gone. So it need
/// not be cloned to go to another listener; it is told whose it is.
///
/// # Invariants
///
/// Owns the queue's reference on a valid request, whose `sk` is a child that
/// nobody has accepted, and, unless it names none, a reference on the listener
/// that it was queued on last, which it names but while it is in a `Batch`.
pub(crate) struct QueuedRequest(NonNull<bindings::request_sock>);

impl QueuedRequest {
    /// Takes over a queue's reference.
    ///
    /// # Safety
    ///
    /// `req` must be what the type invariant says.
    pub(super) unsafe fn from_raw(req: NonNull<bindings::request_sock>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(req)
    }

    /// Gives the request up without putting anything.
    pub(super) fn into_raw(self) -> NonNull<bindings::request_sock> {
        self.0
    }

    /// The connection, which is the child's.
    pub(crate) fn connection(&self) -> Connection<'_> {
        // SAFETY: By the type invariant the request and its child are valid, and
        // it has one.
        unsafe { Connection::from_raw(NonNull::new_unchecked((*self.0.as_ptr()).sk)) }
    }

    /// Whether the child, in TCP_SYN_RECV, still points to the request. Once
    /// false it stays false.
    pub(crate) fn is_fast_open(&self) -> bool {
        let req = self.0.as_ptr().cast::<bindings::tcp_request_sock>();

        // SAFETY: Valid by the type invariant.
        unsafe { ptr::addr_of!((*req).tfo_listener).read_volatile() }
    }

    /// Locks the child, unless a process owns it.
    pub(crate) fn lock_child(&self) -> Option<ChildGuard> {
        let child = self.connection().as_raw();

        // SAFETY: The child is valid by the type invariant.
        //
        // INVARIANT: Locked, and referenced, if this is true.
        unsafe { bindings::child_trylock_bh(child) }.then_some(ChildGuard(child))
    }

    /// Gives a request that was made from a SYN cookie, which names no listener,
    /// the one it is queued on, with a reference. False if that has none left.
    #[inline]
    pub(super) fn own(&mut self, listener: &Listener) -> bool {
        // SAFETY: Valid by the type invariant.
        if !unsafe { *rsk_listener(self.0.as_ptr()) }.is_null() {
            return true;
        }
        // SAFETY: A listener is valid by its type invariant.
        if !unsafe { bindings::sock_hold_not_zero(listener.as_raw()) } {
            return false;
        }
        listener.about_to_be_named();
        // SAFETY: The reference was taken just now.
        unsafe { self.name(listener) };
        true
    }

    /// Stores the listener. Readers under RCU may see the former one or this.
    ///
    /// # Safety
    ///
    /// `listener` must be kept referenced until the request has a reference on it, or
    /// names another again. It must have been passed to
    /// [`Listener::about_to_be_named`].
    #[inline]
    pub(super) unsafe fn name(&mut self, listener: &Listener) {
        // SAFETY: Valid by the type invariant. Nobody else stores to it.
        unsafe { rsk_listener(self.0.as_ptr()).write_volatile(listener.as_raw()) };
    }

    /// Makes the request name `listener`, and charges it to that.
    ///
    /// # Safety
    ///
    /// As for [`QueuedRequest::name`], but for the last of it. The child of a Fast Open
    /// request must be locked.
    pub(super) unsafe fn set_listener(&mut self, listener: &Listener) {
        if self.is_fast_open() {
            let req = self.0.as_ptr();

            // reqsk_fastopen_remove() runs under the child's lock and uncharges
            // the listener that it finds, so that the charge and the name move
            // together.
            //
            // SAFETY: Valid by the type invariant, under the child's lock, and
            // one queue's lock at a time.
            unsafe {
                Self::fastopen_charge(queue::accept_queue(*rsk_listener(req)), -1);
                Self::fastopen_charge(listener.accept_queue().as_raw(), 1);
            }
        }
        listener.about_to_be_named();
        // SAFETY: By the safety requirements.
        unsafe { self.name(listener) };
    }

    /// # Safety
    ///
    /// `queue` must be a listener's.
    #[cold]
    unsafe fn fastopen_charge(queue: *mut bindings::request_sock_queue, by: i32) {
        // SAFETY: By the safety requirements; the lock protects the length.
        unsafe {
            bindings::fastopen_lock_bh(queue);
            (*queue).fastopenq.qlen += by;
            bindings::fastopen_unlock_bh(queue);
        }
    }
}

/// Holds a child's spinlock, with bottom halves off.
///
/// # Invariants
///
/// The child is locked and referenced as long as this exists.
pub(crate) struct ChildGuard(*mut bindings::sock);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // SAFETY: Locked and referenced, by the type invariant.
        unsafe { bindings::child_unlock_bh(self.0) }
    }
}

/// A child that the kernel has made and is about to queue, with its request.
///
/// # Invariants
///
/// The request is what [`QueuedRequest`] owns, but for its `sk`; it names
/// `former` and owns a reference on it; the child is locked.
pub(crate) struct NewChild<'a> {
    req: NonNull<bindings::request_sock>,
    child: NonNull<bindings::sock>,
    former: &'a Listener,
}

impl<'a> NewChild<'a> {
    /// Wraps what the kernel passes. `None` when its listener is gone
    /// altogether, which only happens to requests made from a SYN cookie.
    ///
    /// # Safety
    ///
    /// `req` must be valid and referenced, neither hashed nor with a timer, and
    /// `child` the locked socket that it has become. `listener` must be the one
    /// that it was to be queued on, and its own if it has none. All of that in
    /// the read section of `_rcu`.
    pub(crate) unsafe fn new(
        req: NonNull<bindings::request_sock>,
        child: NonNull<bindings::sock>,
        listener: &'a Listener,
        _rcu: &'a rcu::Guard,
    ) -> Option<Self> {
        // SAFETY: By the safety requirements, but for `sk`, which isn't used.
        if !unsafe { QueuedRequest::from_raw(req) }.own(listener) {
            return None;
        }

        // SAFETY: Not null now. The request keeps it; when it is told another, the
        // guard does, as listeners are freed a grace period after their last
        // reference.
        let former = unsafe { Listener::from_raw(*rsk_listener(req.as_ptr())) };

        // INVARIANT: By the safety requirements.
        Some(Self { req, child, former })
    }

    /// The listener that the request belongs to.
    pub(crate) fn former(&self) -> &'a Listener {
        self.former
    }

    /// The connection, which is the child's.
    pub(crate) fn connection(&self) -> Connection<'_> {
        // SAFETY: The child is valid by the type invariant, and hashed.
        unsafe { Connection::from_raw(self.child) }
    }

    /// The request, with its child.
    pub(super) fn to_queued(&self) -> QueuedRequest {
        // SAFETY: Valid by the type invariant. It isn't on a queue yet, so that
        // nobody else looks at `sk`.
        unsafe { (*self.req.as_ptr()).sk = self.child.as_ptr() };
        // SAFETY: By the type invariant.
        unsafe { QueuedRequest::from_raw(self.req) }
    }

    /// Undoes [`NewChild::to_queued`]: for the kernel, a request with a `sk` is
    /// on a queue.
    pub(super) fn not_queued(&self) {
        // SAFETY: As there.
        unsafe { (*self.req.as_ptr()).sk = ptr::null_mut() };
    }
}
