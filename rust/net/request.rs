// SPDX-License-Identifier: GPL-2.0

//! Connection requests, before and after their handshake.
//!
//! C headers: [`include/net/request_sock.h`](srctree/include/net/request_sock.h),
//! [`include/linux/tcp.h`](srctree/include/linux/tcp.h)

use super::{
    queue,
    stopping::Brand,
    Connection,
    Listener,
    ListenerRef, //
};
use crate::{
    bindings,
    policy::outcome::Outcome, //
};
use core::{
    marker::PhantomData,
    mem::{
        offset_of,
        ManuallyDrop, //
    },
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed, //
        },
        barrier::{
            self,
            smp_mb, //
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

/// How many references there are on a request.
///
/// # Safety
///
/// `req` must be a valid request.
unsafe fn references(req: *mut bindings::request_sock) -> i32 {
    // SAFETY: The offset is the field's, by the safety requirement.
    let refcnt =
        unsafe { Atomic::<i32>::from_ptr(req.byte_add(bindings::SKC_REFCNT_OFFSET).cast()) };

    // Pairs with refcount_dec_and_test() in reqsk_put() and sock_gen_put(): a holder
    // that has put its reference has read the listener before.
    refcnt.load(Acquire)
}

/// A request in `TCP_NEW_SYN_RECV` that was found in ehash.
///
/// # Invariants
///
/// A valid TCP request that the caller of the hook, or a [`RequestRef`], holds a reference
/// on.
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

    /// Whether it's in ehash now, from where another CPU may take it.
    pub(crate) fn is_hashed(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::sk_is_hashed(self.as_raw().cast()) }
    }

    /// The listener that it belongs to.
    pub(crate) fn listener<'a>(&self, _rcu: &'a rcu::Guard) -> &'a Listener {
        // SAFETY: Valid by the type invariant.
        let slot = unsafe { Atomic::<*mut bindings::sock>::from_ptr(rsk_listener(self.as_raw())) };

        // SAFETY: A request that was hashed names a listener, on which it has a
        // reference; or had, less than a grace period ago.
        unsafe { Listener::from_raw(slot.load(Relaxed)) }
    }

    /// The listener that it belongs to now, if that isn't `former` any more, after which
    /// no group of `former` was found.
    pub(crate) fn moved_from<'a>(
        &self,
        former: &Listener,
        rcu: &'a rcu::Guard,
    ) -> Option<&'a Listener> {
        // Pairs with refcount_dec_and_test() in sock_put(), by which the timer gives the
        // request's reference on `former` up: it leaves its group with the last one.
        smp_mb(barrier::Read);

        Some(self.listener(rcu)).filter(|&now| !ptr::eq(now, former))
    }

    /// Locks the request's bucket in ehash. Softirq.
    fn lock_bucket(&self) -> BucketGuard<'_> {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::ehash_lock(self.as_raw()) };
        // INVARIANT: Locked just now.
        BucketGuard(self)
    }
}

/// Holds the lock of a request's bucket in ehash.
///
/// # Invariants
///
/// The lock is held as long as this exists.
struct BucketGuard<'a>(&'a Request);

impl Drop for BucketGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariant.
        unsafe { bindings::ehash_unlock(self.0.as_raw()) }
    }
}

/// A reference on a request, which is put when this is dropped.
///
/// # Invariants
///
/// Owns a reference on the request.
pub(crate) struct RequestRef(NonNull<Request>);

impl RequestRef {
    /// Takes a reference.
    ///
    /// # Safety
    ///
    /// `req` must be a valid TCP request that somebody has a reference on.
    pub(crate) unsafe fn hold(req: *mut bindings::request_sock) -> Self {
        // INVARIANT: Taken just now.
        //
        // SAFETY: By the safety requirement; it isn't null.
        unsafe {
            bindings::reqsk_hold(req);
            Self(NonNull::new_unchecked(req.cast()))
        }
    }
}

impl Deref for RequestRef {
    type Target = Request;

    fn deref(&self) -> &Request {
        // SAFETY: Valid by the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for RequestRef {
    fn drop(&mut self) {
        // SAFETY: The reference that is owned by the type invariant.
        unsafe { bindings::reqsk_put(self.as_raw()) }
    }
}

/// A request whose SYN+ACK timer is running, and calls us.
///
/// # Invariants
///
/// As [`Request`]. Besides that reference there's the timer's, which isn't armed.
pub(crate) struct ExpiringRequest<'a>(&'a Request);

impl<'a> ExpiringRequest<'a> {
    /// Says of a request that its timer is the caller.
    ///
    /// # Safety
    ///
    /// It must be.
    pub(crate) unsafe fn new(req: &'a RequestRef) -> Self {
        // INVARIANT: By the safety requirements.
        Self(req)
    }

    /// How many there are on a request that nobody else holds: those of ehash, of the
    /// timer, and of a [`RequestRef`].
    const REFERENCES: i32 = 3;

    /// The request.
    pub(crate) fn request(&self) -> &'a Request {
        self.0
    }

    /// Gives this request to `to`, with the next timeout, after its SYN+ACK has been sent
    /// again if `resend`. Says what has become of it, and returns the reference unless
    /// the request goes on with it, and its timer is armed.
    ///
    /// It stays where it is in ehash. Whoever takes it out from there waits for its timer,
    /// which is the caller, before it uncharges the listener that it reads. If somebody
    /// holds the request, a clone takes its place, as in mainline. It fails when the
    /// SYN+ACK can't be sent, or when another CPU has removed the request from ehash first;
    /// or when memory is short for a clone. Softirq.
    pub(crate) fn give_to(
        self,
        to: ListenerRef,
        resend: bool,
        rcu: &rcu::Guard,
    ) -> (Outcome, Option<ListenerRef>) {
        let listener = to.under(rcu);
        let former = match self.rename(to) {
            Ok(former) => former,
            Err(to) => return (self.replace(&to, resend), Some(to)),
        };
        let req = self.0.as_raw();

        // SAFETY: All are valid. The request is charged to the former listener still, and
        // nobody uncharges any before the caller, its timer, has returned.
        let armed = unsafe {
            bindings::reqsk_queue_migrated(listener.accept_queue().as_raw(), req);
            bindings::reqsk_queue_uncharge(former.accept_queue().as_raw(), req);
            bindings::reqsk_timer_rearm(listener.as_raw(), req, resend)
        };

        if armed {
            return (Outcome::Migrated, None);
        }
        // SAFETY: The request has kept its reference, as the timer hasn't been armed.
        let to = unsafe {
            bindings::sock_hold_many(listener.as_raw(), 1);
            ListenerRef::from_raw(listener.as_raw())
        };

        (Outcome::Unanswered, Some(to))
    }

    /// Has this request name `to`, with that reference, and returns the reference that it
    /// had on its former listener. Returns the other one if somebody else holds the request,
    /// or has removed it from ehash.
    ///
    /// Who walks through ehash takes references under the bucket's lock, and so either
    /// before, or with the new name.
    fn rename(&self, to: ListenerRef) -> Result<ListenerRef, ListenerRef> {
        let req = self.0.as_raw();

        to.about_to_be_named();
        let _locked = self.0.lock_bucket();

        // SAFETY: Valid by the type invariant.
        if !self.0.is_hashed() || unsafe { references(req) } != Self::REFERENCES {
            return Err(to);
        }
        // SAFETY: Only the caller, the request's timer, stores to the name of a request
        // that is hashed. It has a reference on the listener that it names, which is ours
        // from now on, and another on `to`.
        unsafe {
            let slot = rsk_listener(req);
            let former = *slot;

            slot.write_volatile(to.into_raw());
            Ok(ListenerRef::from_raw(former))
        }
    }

    /// Replaces this request in ehash by a clone that is charged to `listener`; otherwise
    /// as [`Self::give_to`]. Mainline's `reqsk_timer_handler()` does the same.
    ///
    /// On success the request is no longer hashed, nor charged to its own listener.
    #[cold]
    fn replace(&self, listener: &ListenerRef, resend: bool) -> Outcome {
        let req = self.0.as_raw();
        let queue = listener.accept_queue().as_raw();
        let to = listener.clone();

        // SAFETY: Valid by the type invariant. The reference on the listener is the
        // clone's, or has been put where there is none.
        let nreq = unsafe { bindings::inet_reqsk_clone(req, to.into_raw()) };
        if nreq.is_null() {
            return Outcome::NoMemory;
        }

        // SAFETY: The new one is nobody else's until it has references. Lookups that
        // still find its memory may take it from then on, so it's complete by then. The
        // 3 references are ehash's, the timer's and this function's.
        unsafe {
            bindings::reqsk_clone_setup(nreq);
            bindings::reqsk_refcnt_set(nreq, 3);
        }

        // Whether the timer's reference is this function's to put.
        let mut unarmed = true;

        // SAFETY: As above. Both are valid and have the same hash, and the new
        // one isn't hashed. The timer is armed before it is: a CPU that finds it
        // there deletes its timer, and puts the timer's reference.
        let outcome = unsafe {
            if !bindings::reqsk_timer_rearm(listener.as_raw(), nreq, resend) {
                Outcome::Unanswered
            } else if bindings::inet_ehash_insert(nreq.cast(), req.cast(), ptr::null_mut()) {
                Outcome::Migrated
            } else {
                // A lookup that still finds its memory may have deleted it first.
                unarmed = bindings::reqsk_timer_delete(nreq);
                Outcome::LostRace
            }
        };

        // SAFETY: The new request is referenced by this function. If it's hashed,
        // the old one isn't any more: nobody else uncharges that, and what both
        // point to is the new one's. Otherwise it's still the old one's, or its
        // child's. The timer is pinned to this CPU, which is in a timer, so that
        // it hasn't run. Its reference is put here if it was deleted here, or not
        // armed. The reference that would have been ehash's is put in any case.
        unsafe {
            if outcome.is_success() {
                let former = *rsk_listener(req);

                bindings::reqsk_queue_uncharge(queue::accept_queue(former), req);
                bindings::reqsk_migrate_reset(req);
            } else {
                bindings::reqsk_queue_uncharge(queue, nreq);
                bindings::reqsk_migrate_reset(nreq);
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

/// A request with its child, in an accept queue or between two. It's unhashed, and its
/// timer is deleted.
///
/// # Invariants
///
/// A valid request, whose `sk` is a child that nobody has accepted.
#[repr(transparent)]
pub(crate) struct QueuedRequest(Opaque<bindings::request_sock>);

impl QueuedRequest {
    /// Wraps a pointer to a request.
    ///
    /// # Safety
    ///
    /// `req` must be what the type invariant says, for `'a`.
    pub(super) unsafe fn from_raw<'a>(req: NonNull<bindings::request_sock>) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { req.cast().as_ref() }
    }

    fn as_raw(&self) -> *mut bindings::request_sock {
        self.0.get()
    }

    /// The connection, which is the child's.
    pub(crate) fn connection(&self) -> Connection<'_> {
        // SAFETY: By the type invariant the request and its child are valid, and
        // it has one.
        unsafe { Connection::from_raw(NonNull::new_unchecked((*self.as_raw()).sk)) }
    }

    /// Whether the child, in TCP_SYN_RECV, still points to the request. Once
    /// false it stays false.
    pub(super) fn is_fast_open(&self) -> bool {
        let req = self.as_raw().cast::<bindings::tcp_request_sock>();

        // SAFETY: Valid by the type invariant.
        unsafe { ptr::addr_of!((*req).tfo_listener).read_volatile() }
    }

    /// Whether anybody but the queue holds the request: a SYN+ACK that is on its way,
    /// or a CPU that has found it in ehash. A CPU that takes a reference later has looked
    /// there before the request left it, and is in an RCU read section.
    #[inline]
    pub(super) fn is_held(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { references(self.as_raw()) != 1 }
    }

    /// Locks the child, unless a process owns it.
    pub(super) fn lock_child(&self) -> Option<ChildGuard> {
        let child = self.connection().as_raw();

        // SAFETY: The child is valid by the type invariant.
        let locked = unsafe { bindings::child_trylock_bh(child) };

        // INVARIANT: Locked, and referenced. There must be none otherwise, not even one
        // that is dropped at once.
        locked.then(|| ChildGuard(child))
    }

    /// Has a request that was made from a SYN cookie, and names no listener, name the
    /// one that it is queued on, with a reference. False if that has lost its last one.
    /// The request must be on a list of the caller's, or on none yet.
    #[inline]
    pub(super) fn own(&self, listener: &Listener) -> bool {
        // SAFETY: Valid by the type invariant.
        if !unsafe { *rsk_listener(self.as_raw()) }.is_null() {
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

    /// Stores the listener. Readers under RCU may see the former one or this one.
    ///
    /// # Safety
    ///
    /// Nobody else may store to it: the request is on a list of the caller's. `listener`
    /// must be kept referenced until the request has a reference on it, or names another
    /// again. It must have been passed to [`Listener::about_to_be_named`].
    #[inline]
    pub(super) unsafe fn name(&self, listener: &Listener) {
        // SAFETY: Valid by the type invariant.
        unsafe { rsk_listener(self.as_raw()).write_volatile(listener.as_raw()) };
    }

    /// Makes the request name `listener`, and charges it to that.
    ///
    /// # Safety
    ///
    /// As for [`QueuedRequest::name`], except that this calls `about_to_be_named`. The
    /// child of a Fast Open request must be locked.
    pub(super) unsafe fn set_listener(&self, listener: &Listener) {
        if self.is_fast_open() {
            let req = self.as_raw();

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

/// A queue's reference on a request. The queue is that of the listener that `'q` stands
/// for; or there's none yet, as for the request of a [`NewChild`].
///
/// # Invariants
///
/// Owns the reference and, unless the request names no listener, the request's reference
/// on the listener that it was queued on last. The request names that one, except while
/// it's in a `Batch`.
pub(crate) struct OwnedRequest<'q> {
    req: NonNull<bindings::request_sock>,
    _queue: Brand<'q>,
}

impl OwnedRequest<'_> {
    /// Takes over a queue's reference.
    ///
    /// # Safety
    ///
    /// `req` must be a [`QueuedRequest`], and the reference what the type invariant says.
    pub(super) unsafe fn from_raw(req: NonNull<bindings::request_sock>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            req,
            _queue: PhantomData,
        }
    }

    /// Gives the request up without putting anything.
    pub(super) fn into_raw(self) -> NonNull<bindings::request_sock> {
        self.req
    }

    /// A request that nobody else holds: this one, or a clone that takes its place and
    /// names `listener` as well. In that case this one is left to its holders, with its
    /// listener, as they need not be in an RCU read section.
    ///
    /// Fails when memory is short. Any context.
    ///
    /// # Safety
    ///
    /// The request must name `listener`. The child of a Fast Open request must be locked.
    #[inline]
    pub(super) unsafe fn into_unheld(
        self,
        listener: &Listener,
        rcu: &rcu::Guard,
    ) -> Result<Self, Self> {
        if !self.is_held() {
            return Ok(self);
        }
        // SAFETY: By the type invariant and the safety requirements, the request has a
        // reference on `listener`, and the child is locked where it has to be.
        let Some(twin) = (unsafe { Twin::new(self.req, listener, rcu) }) else {
            return Err(self);
        };
        // SAFETY: The clone was made of this request, whose reference is ours to put.
        let req = unsafe { twin.replace(self.req) };

        // INVARIANT: The reference is a queue's from now on, and the clone has one of its
        // own on `listener`.
        Ok(Self { req, ..self })
    }
}

impl Deref for OwnedRequest<'_> {
    type Target = QueuedRequest;

    fn deref(&self) -> &QueuedRequest {
        // SAFETY: Valid by the type invariant.
        unsafe { QueuedRequest::from_raw(self.req) }
    }
}

/// A clone of a request, until one of the two is given up.
///
/// # Invariants
///
/// Owns the only reference on a clone, which names a listener and has a reference on
/// it, and shares with its original what a destructor frees.
struct Twin(NonNull<bindings::request_sock>);

impl Twin {
    /// Clones an unhashed request, for the listener that it names. `None` when memory is
    /// short.
    ///
    /// # Safety
    ///
    /// `req` must be valid, and name `listener`, which must be referenced. The child of a
    /// Fast Open request must be locked: it points to the clone from then on.
    #[cold]
    unsafe fn new(
        req: NonNull<bindings::request_sock>,
        listener: &Listener,
        _rcu: &rcu::Guard,
    ) -> Option<Self> {
        // SAFETY: By the safety requirements. The reference is the clone's, or has been
        // put where there is none. Nobody else knows the clone.
        unsafe {
            bindings::sock_hold_many(listener.as_raw(), 1);
            let twin = NonNull::new(bindings::inet_reqsk_clone(req.as_ptr(), listener.as_raw()))?;

            bindings::reqsk_refcnt_set(twin.as_ptr(), 1);
            if QueuedRequest::from_raw(twin).is_fast_open() {
                // inet_reqsk_clone() has charged the listener once more.
                QueuedRequest::fastopen_charge(listener.accept_queue().as_raw(), -1);
            }
            // INVARIANT: Made just now.
            Some(Self(twin))
        }
    }

    /// The request that takes the place of `original`, a reference on which is put.
    ///
    /// # Safety
    ///
    /// `original` must be what this was cloned from, with a reference that is the
    /// caller's.
    unsafe fn replace(
        self,
        original: NonNull<bindings::request_sock>,
    ) -> NonNull<bindings::request_sock> {
        let twin = ManuallyDrop::new(self).0;

        // SAFETY: By the safety requirements. What both point to is the clone's.
        unsafe {
            bindings::reqsk_migrate_reset(original.as_ptr());
            bindings::reqsk_put(original.as_ptr());
        }
        twin
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; what both point to stays the original's.
        unsafe {
            bindings::reqsk_migrate_reset(self.0.as_ptr());
            bindings::reqsk_put(self.0.as_ptr());
        }
    }
}

/// Holds a child's spinlock, with bottom halves off.
///
/// # Invariants
///
/// The child is locked and referenced as long as this exists.
pub(super) struct ChildGuard(*mut bindings::sock);

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
/// `req` is a valid request with a reference that the kernel gives up if this is queued.
/// It's unhashed and has no timer, names `former` and owns a reference on it. `twin`, if
/// there is one, is its clone. The child is locked. `found` is referenced by the kernel,
/// or is `former`.
pub(crate) struct NewChild<'a> {
    req: NonNull<bindings::request_sock>,
    twin: Option<Twin>,
    child: NonNull<bindings::sock>,
    found: &'a Listener,
    former: &'a Listener,
}

impl<'a> NewChild<'a> {
    /// Wraps what the kernel passes. `None` if the request was made from a SYN cookie,
    /// and the listener has lost its last reference.
    ///
    /// # Safety
    ///
    /// `req` must be valid and referenced, neither hashed nor with a timer, and
    /// `child` the locked socket that it has become. `found` must be the listener that
    /// it was to be queued on: its own, if it has none, or another, which is referenced.
    /// All of that in the read section of `_rcu`.
    pub(crate) unsafe fn new(
        req: NonNull<bindings::request_sock>,
        child: NonNull<bindings::sock>,
        found: &'a Listener,
        _rcu: &'a rcu::Guard,
    ) -> Option<Self> {
        // SAFETY: By the safety requirements. `sk` isn't set yet, and isn't used.
        if !unsafe { QueuedRequest::from_raw(req) }.own(found) {
            return None;
        }

        // SAFETY: Not null now. The request keeps it. When the request names another,
        // the guard does: listeners are freed a grace period after their last
        // reference.
        let former = unsafe { Listener::from_raw(*rsk_listener(req.as_ptr())) };

        // INVARIANT: By the safety requirements.
        Some(Self {
            req,
            twin: None,
            child,
            found,
            former,
        })
    }

    /// The listener that the request belongs to.
    pub(crate) fn former(&self) -> &'a Listener {
        self.former
    }

    /// The listener that the child was to be queued on.
    pub(crate) fn found(&self) -> &'a Listener {
        self.found
    }

    /// The connection, which is the child's.
    pub(crate) fn connection(&self) -> Connection<'_> {
        // SAFETY: The child is valid by the type invariant, and hashed.
        unsafe { Connection::from_raw(self.child) }
    }

    /// Goes on with a clone of the request if somebody else holds that; see
    /// [`OwnedRequest::into_unheld`]. Fails when memory is short.
    pub(crate) fn detach(&mut self, rcu: &rcu::Guard) -> Result<(), Outcome> {
        // SAFETY: Valid by the type invariant; `sk` isn't used.
        let req = unsafe { QueuedRequest::from_raw(self.req) };

        // Of one of Fast Open, the kernel has a second reference, and nothing of it has
        // been sent that would hold it.
        if req.is_held() && !req.is_fast_open() {
            // SAFETY: By the type invariant, the request has a reference on `former`.
            let twin = unsafe { Twin::new(self.req, self.former, rcu) };

            // INVARIANT: Cloned just now.
            self.twin = Some(twin.ok_or(Outcome::NoMemory)?);
        }
        Ok(())
    }

    /// The request that is to be queued, with its child, as if it were the queue's.
    pub(super) fn owned(&self) -> OwnedRequest<'a> {
        let req = self.twin.as_ref().map_or(self.req, |twin| twin.0);

        // SAFETY: Valid by the type invariants. It isn't on a queue yet, so that nobody
        // else looks at `sk`.
        unsafe { (*req.as_ptr()).sk = self.child.as_ptr() };
        // SAFETY: By the type invariants; the reference is given up by `queued`, or stays
        // where it is.
        unsafe { OwnedRequest::from_raw(req) }
    }

    /// Undoes [`NewChild::owned`]: for the kernel, a request with a `sk` is on a
    /// queue.
    pub(super) fn not_queued(&self) {
        let req = self.twin.as_ref().map_or(self.req, |twin| twin.0);

        // SAFETY: As there.
        unsafe { (*req.as_ptr()).sk = ptr::null_mut() };
    }

    /// Says that what [`NewChild::owned`] has returned is on a queue.
    pub(super) fn queued(self) {
        if let Some(twin) = self.twin {
            // SAFETY: By the type invariant. The kernel has given its reference up.
            unsafe { twin.replace(self.req) };
        }
    }
}
