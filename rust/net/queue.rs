// SPDX-License-Identifier: GPL-2.0

//! Accept queues.
//!
//! C headers: [`include/net/request_sock.h`](srctree/include/net/request_sock.h),
//! [`include/net/inet_connection_sock.h`](srctree/include/net/inet_connection_sock.h)

use super::{
    Listener,
    ListenerRef,
    NewChild,
    QueuedRequest,
    Selected, //
};
use crate::{
    bindings,
    policy::room::room, //
};
use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::macros::kunit_tests;

/// A list of queued requests that is in nobody's queue.
///
/// Leaks what is left on it when it's dropped: the requests belong on a queue,
/// and every user of the list puts them on one.
///
/// # Invariants
///
/// `head` is null exactly if `len` is 0. Otherwise `dl_next` leads from `head`
/// over `len` requests, each of them what [`QueuedRequest`] owns, to `tail`,
/// whose `dl_next` is null.
#[must_use]
pub(crate) struct RequestList {
    head: *mut bindings::request_sock,
    tail: *mut bindings::request_sock,
    len: u32,
}

impl RequestList {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Empty.
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            len: 0,
        }
    }

    /// How many requests there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Takes the first request off.
    pub(crate) fn pop(&mut self) -> Option<QueuedRequest> {
        let req = NonNull::new(self.head)?;

        // INVARIANT: What follows the first is one shorter, and null when there
        // was no other.
        //
        // SAFETY: Valid by the type invariant.
        self.head = unsafe { (*req.as_ptr()).dl_next };
        self.len -= 1;

        // SAFETY: By the type invariant; it's on the list no more.
        Some(unsafe { QueuedRequest::from_raw(req) })
    }

    /// Adds a request at the end.
    pub(crate) fn push(&mut self, req: QueuedRequest) {
        let req = req.into_raw().as_ptr();

        // SAFETY: Both are valid, by the type invariants.
        unsafe {
            (*req).dl_next = ptr::null_mut();
            if self.head.is_null() {
                self.head = req;
            } else {
                (*self.tail).dl_next = req;
            }
        }
        // INVARIANT: Linked above, as the last.
        self.tail = req;
        self.len += 1;
    }

    /// Takes off all but the first `n` requests.
    #[cold]
    fn split_off(&mut self, n: u32) -> RequestList {
        let mut first = RequestList::new();

        for _ in 0..n {
            let Some(req) = self.pop() else { break };
            first.push(req);
        }
        mem::replace(self, first)
    }

    /// Adds a request at the beginning.
    pub(crate) fn push_front(&mut self, req: QueuedRequest) {
        let mut front = RequestList::new();

        front.push(req);
        self.prepend(front);
    }

    /// Adds all of another list at the beginning.
    pub(crate) fn prepend(&mut self, front: RequestList) {
        if front.is_empty() {
            return;
        }

        // SAFETY: Valid by the type invariant.
        unsafe { (*front.tail).dl_next = self.head };
        if self.head.is_null() {
            self.tail = front.tail;
        }
        // INVARIANT: `front` leads to what was the first, or is all there is.
        self.head = front.head;
        self.len += front.len;
    }
}

/// The accept queue of a listener, `icsk_accept_queue`.
///
/// # Invariants
///
/// `queue` is that of `listener`.
pub(crate) struct AcceptQueue<'a> {
    listener: &'a Listener,
    queue: *mut bindings::request_sock_queue,
}

/// Holds a queue's `rskq_lock`, with bottom halves off.
///
/// # Invariants
///
/// The lock is held as long as this exists.
struct QueueGuard<'a>(&'a AcceptQueue<'a>);

impl<'a> AcceptQueue<'a> {
    pub(super) fn new(listener: &'a Listener) -> Self {
        // INVARIANT: It's asked for here.
        //
        // SAFETY: A listener is valid and has a queue, by its type invariant.
        let queue = unsafe { bindings::accept_queue(listener.as_raw()) };

        Self { listener, queue }
    }

    /// The C object.
    pub(super) fn as_raw(&self) -> *mut bindings::request_sock_queue {
        self.queue
    }

    /// How many requests there are.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: A listener is valid, by its type invariant.
        unsafe { bindings::sk_ack_backlog(self.listener.as_raw()) }
    }

    /// Whether a SYN would be dropped for that there are as many as the backlog
    /// allows, `sk_acceptq_is_full()`.
    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// How many more there may be.
    fn room(&self) -> u32 {
        // SAFETY: A listener is valid, by its type invariant.
        let max = unsafe { bindings::sk_max_ack_backlog(self.listener.as_raw()) };

        room(self.len(), max)
    }

    fn lock(&'a self) -> QueueGuard<'a> {
        // SAFETY: Valid by the type invariant. No caller holds another queue's
        // lock.
        unsafe { bindings::queue_lock_bh(self.queue) };
        // INVARIANT: Locked just now.
        QueueGuard(self)
    }
}

impl QueueGuard<'_> {
    /// Exchanges the queue's requests, and with them its length.
    fn swap(&mut self, list: RequestList) -> RequestList {
        let queue = self.0.queue;
        let sk = self.0.listener.as_raw();

        // SAFETY: The lock protects the list and the backlog of a valid
        // listener, which count the same. reqsk_queue_empty() reads the head
        // without the lock.
        //
        // INVARIANT: `rskq_accept_tail` is only meaningful while there's a head.
        unsafe {
            let old = RequestList {
                head: (*queue).rskq_accept_head,
                tail: (*queue).rskq_accept_tail,
                len: bindings::sk_ack_backlog(sk),
            };

            ptr::addr_of_mut!((*queue).rskq_accept_head).write_volatile(list.head);
            (*queue).rskq_accept_tail = list.tail;
            bindings::sk_ack_backlog_set(sk, list.len);
            old
        }
    }

    /// Adds requests at the end, which name this listener and own a reference
    /// on it each.
    fn append(&mut self, list: RequestList) {
        let queue = self.0.queue;
        let sk = self.0.listener.as_raw();

        if list.is_empty() {
            return;
        }

        // SAFETY: The lock protects the list and the backlog of a valid
        // listener. reqsk_queue_empty() reads the head without the lock, and
        // must never see a queue empty that isn't.
        unsafe {
            if (*queue).rskq_accept_head.is_null() {
                ptr::addr_of_mut!((*queue).rskq_accept_head).write_volatile(list.head);
            } else {
                (*(*queue).rskq_accept_tail).dl_next = list.head;
            }
            (*queue).rskq_accept_tail = list.tail;
            bindings::sk_ack_backlog_set(sk, bindings::sk_ack_backlog(sk) + list.len);
        }
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariant.
        unsafe { bindings::queue_unlock_bh(self.0.queue) }
    }
}

/// Requests that are on their way to one listener.
///
/// # Invariants
///
/// Each request on `list` names `to`.
pub(crate) struct Batch {
    to: ListenerRef,
    list: RequestList,
    /// How many its listener had room for, if that counts.
    room: Option<u32>,
}

/// What has become of a [`Batch`].
struct Appended {
    to: ListenerRef,
    /// How many requests its listener has now.
    n: u32,
    /// The requests that it had no room for, or all if it has stopped; they name
    /// the former listener again.
    rest: RequestList,
}

impl Batch {
    /// An empty batch for the listener that was selected.
    pub(crate) fn new(selected: Selected) -> Self {
        let Selected { listener, has_room } = selected;
        let room = has_room.then(|| listener.accept_queue().room());

        // INVARIANT: Empty.
        Self {
            to: listener,
            list: RequestList::new(),
            room,
        }
    }

    /// An empty batch for a listener that is to have it in any case.
    fn unbounded(to: ListenerRef) -> Self {
        Self::new(Selected {
            listener: to,
            has_room: false,
        })
    }

    /// The listener.
    pub(crate) fn listener(&self) -> &Listener {
        &self.to
    }

    /// Whether it's as large as its listener has room.
    pub(crate) fn is_full(&self) -> bool {
        self.room.is_some_and(|room| self.list.len() >= room)
    }

    /// Adds a request, which names the batch's listener from now on.
    ///
    /// # Safety
    ///
    /// The child of a Fast Open request must be locked until the batch has been
    /// appended.
    unsafe fn push(&mut self, mut req: QueuedRequest) {
        // SAFETY: The batch's reference keeps the listener until the request has
        // one of its own, or `append` does, for a grace period. The child is
        // locked by the safety requirements.
        unsafe { req.set_listener(&self.to) };
        // INVARIANT: Named just now.
        self.list.push(req);
    }

    /// Queues the requests on their listener as far as it has room, with one
    /// lock and one change of its reference count. Each owns a reference on that
    /// listener then, and has left the one on `former` to the caller, who tells
    /// the listener.
    ///
    /// # Safety
    ///
    /// Each request must own a reference on `former`.
    unsafe fn append(self, former: &Listener) -> Appended {
        let Self { to, list, room } = self;
        let (mut list, mut rest) = (RequestList::new(), list);
        let queue = to.accept_queue();
        let mut guard = queue.lock();

        if to.is_listening() {
            mem::swap(&mut list, &mut rest);
            if room.is_some() && list.len() > queue.room() {
                rest = list.split_off(queue.room());
            }
        }
        let n = list.len();
        if n > 0 {
            // SAFETY: Valid, and referenced by the batch.
            unsafe { bindings::sock_hold_many(to.as_raw(), n) };
            guard.append(list);
        }
        drop(guard);

        if !rest.is_empty() {
            // SAFETY: By the safety requirements.
            unsafe { Self::give_back(&to, &mut rest, former) };
        }
        Appended { to, n, rest }
    }

    /// Has the requests name `former` again.
    ///
    /// # Safety
    ///
    /// Each request must own a reference on `former`.
    #[cold]
    unsafe fn give_back(to: &ListenerRef, rest: &mut RequestList, former: &Listener) {
        for _ in 0..rest.len() {
            let Some(mut req) = rest.pop() else { break };

            // SAFETY: The request has a reference on its former listener. A Fast
            // Open child is locked still, by the requirements of `push`.
            unsafe { req.set_listener(former) };
            rest.push(req);
        }

        // Others may have read `to` from a request until now.
        let _ours = to.clone().into_raw();
        // SAFETY: A reference of our own, given up by `into_raw`; the caller's
        // keeps the listener valid meanwhile.
        unsafe { to.put_deferred(1) };
    }
}

/// The queue of a listener that has stopped, taken from it in one go.
///
/// What hasn't been sent elsewhere when this is dropped is in the listener's
/// queue again.
///
/// # Invariants
///
/// The requests on `left` and `kept` name `former`, with a reference, or no
/// listener. Of those that have been sent, `sent` have left a reference on it.
pub(crate) struct TakenQueue<'a> {
    former: &'a Listener,
    left: RequestList,
    kept: RequestList,
    sent: u32,
}

impl<'a> TakenQueue<'a> {
    /// Takes the queue of `former`, which has stopped, so that nobody queues
    /// anything there any more.
    pub(crate) fn take(former: &'a Listener) -> Self {
        // INVARIANT: What is queued on a listener names it and owns a reference,
        // or was made from a SYN cookie.
        Self {
            former,
            left: former.accept_queue().lock().swap(RequestList::new()),
            kept: RequestList::new(),
            sent: 0,
        }
    }

    /// Whether all requests have been sent or kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// How many requests have been sent.
    pub(crate) fn sent(&self) -> u32 {
        self.sent
    }

    /// How many requests have not.
    pub(crate) fn unsent(&self) -> u32 {
        self.left.len() + self.kept.len()
    }

    /// The next request.
    pub(crate) fn pop(&mut self) -> Option<QueuedRequest> {
        let mut req = self.left.pop()?;

        // The caller of listen_stop() has a reference.
        let _owned = req.own(self.former);
        Some(req)
    }

    /// Gives the last request back.
    pub(crate) fn unpop(&mut self, req: QueuedRequest) {
        self.left.push_front(req);
    }

    /// Leaves a request to its former listener.
    pub(crate) fn keep(&mut self, req: QueuedRequest) {
        self.kept.push(req);
    }

    /// Adds a request of this queue to a batch, or keeps it where a process
    /// owns its Fast Open child; one that can be locked is sent at once, and on
    /// its own.
    pub(crate) fn add(&mut self, batch: &mut Batch, req: QueuedRequest) {
        if req.is_fast_open() {
            self.send_fast_open(&batch.to, req);
        } else {
            // SAFETY: Not a Fast Open request, which it can't become.
            unsafe { batch.push(req) };
        }
    }

    #[cold]
    fn send_fast_open(&mut self, to: &ListenerRef, req: QueuedRequest) {
        let Some(_locked) = req.lock_child() else {
            return self.keep(req);
        };
        let mut batch = Batch::unbounded(to.clone());

        // SAFETY: Locked until after `send`.
        unsafe { batch.push(req) };
        self.send(batch);
    }

    /// Appends a batch of this queue's requests to its listener's queue, and
    /// tells the application. What the listener doesn't take is left again.
    pub(crate) fn send(&mut self, batch: Batch) {
        // SAFETY: By the type invariant, and `own` in `pop`.
        let Appended { to, n, rest } = unsafe { batch.append(self.former) };

        // INVARIANT: `append` has left the references.
        self.sent += n;
        if n > 0 {
            to.data_ready(n);
        }
        self.left.prepend(rest);
    }
}

impl Drop for TakenQueue<'_> {
    fn drop(&mut self) {
        let mut back = mem::replace(&mut self.left, RequestList::new());

        back.prepend(mem::replace(&mut self.kept, RequestList::new()));

        // The queue is empty: nobody queues on a listener that has stopped.
        let _empty = self.former.accept_queue().lock().swap(back);

        if self.sent > 0 {
            // SAFETY: By the type invariant; the caller of listen_stop() has a
            // reference, too.
            unsafe { self.former.put_deferred(self.sent) };
        }
    }
}

impl NewChild<'_> {
    /// Queues the child on `to`, which is returned, or fails when that has
    /// stopped.
    pub(crate) fn queue_on(&self, to: ListenerRef) -> Option<ListenerRef> {
        let mut batch = Batch::unbounded(to);

        // SAFETY: The child is locked, by the type invariant.
        unsafe { batch.push(self.to_queued()) };

        // SAFETY: The request has a reference on its listener, by the type
        // invariant.
        let Appended { to, n, .. } = unsafe { batch.append(self.former()) };

        if n == 0 {
            // The list owns nothing that has to be put.
            self.not_queued();
            return None;
        }
        // SAFETY: The request's reference, which `append` has left; the caller
        // is in an RCU read section that is older.
        unsafe { self.former().put_deferred(n) };
        Some(to)
    }
}

#[kunit_tests(tcp_migrate_request_list)]
mod tests {
    use super::*;

    type Requests = [bindings::request_sock; 4];

    /// A list of these requests, which is all that is ever looked at of them.
    fn list(requests: &mut [bindings::request_sock]) -> RequestList {
        let mut list = RequestList::new();

        for req in requests {
            // SAFETY: Lists only link requests, and leak what is left on them.
            list.push(unsafe { QueuedRequest::from_raw(NonNull::from(req)) });
        }
        list
    }

    /// Whether the list is made up of these, in this order.
    fn holds(mut list: RequestList, requests: &[bindings::request_sock], order: &[usize]) -> bool {
        let len = list.len() as usize == order.len();

        len && order.iter().all(|&i| {
            let req = list.pop().map(QueuedRequest::into_raw);

            req.is_some_and(|req| ptr::eq(req.as_ptr(), &requests[i]))
        }) && list.pop().is_none()
            && list.is_empty()
    }

    #[test]
    fn is_first_in_first_out() {
        let mut requests = Requests::default();
        let all = list(&mut requests);

        assert!(holds(all, &requests, &[0, 1, 2, 3]));
        assert!(holds(RequestList::new(), &requests, &[]));
    }

    #[test]
    fn pushes_behind_what_was_prepended() {
        let mut requests = Requests::default();
        let (first, last) = requests.split_at_mut(2);
        let (mut all, front) = (RequestList::new(), list(first));

        all.prepend(front);
        for req in last {
            // SAFETY: As in `list`.
            all.push(unsafe { QueuedRequest::from_raw(NonNull::from(req)) });
        }
        assert!(holds(all, &requests, &[0, 1, 2, 3]));
    }

    #[test]
    fn prepends_nothing() {
        let mut requests = Requests::default();
        let mut all = list(&mut requests);

        all.prepend(RequestList::new());
        assert!(holds(all, &requests, &[0, 1, 2, 3]));
    }

    #[test]
    fn gives_the_front_back() {
        let mut requests = Requests::default();
        let mut all = list(&mut requests);

        if let Some(req) = all.pop() {
            all.push_front(req);
        }
        assert!(holds(all, &requests, &[0, 1, 2, 3]));
    }

    #[test]
    fn splits() {
        for n in 0..=4 {
            let mut requests = Requests::default();
            let mut first = list(&mut requests);
            let rest = first.split_off(n);

            assert_eq!((first.len(), rest.len()), (n, 4 - n));
            first.prepend(rest);
            assert_eq!(first.len(), 4);
        }

        let mut requests = Requests::default();
        let mut first = list(&mut requests);
        let rest = first.split_off(3);

        assert!(holds(first, &requests, &[0, 1, 2]));
        assert!(holds(rest, &requests, &[3]));
    }
}
