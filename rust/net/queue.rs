// SPDX-License-Identifier: GPL-2.0

//! Accept queues.
//!
//! C headers: [`include/net/request_sock.h`](srctree/include/net/request_sock.h),
//! [`include/net/inet_connection_sock.h`](srctree/include/net/inet_connection_sock.h)

use super::{
    Listener,
    RequestList, //
};
use crate::{
    bindings,
    policy::Level, //
};
use core::ptr;

/// The accept queue of a listener, `icsk_accept_queue`.
///
/// # Invariants
///
/// `queue` is that of `listener`.
pub(crate) struct AcceptQueue<'a> {
    listener: &'a Listener,
    queue: *mut bindings::request_sock_queue,
}

/// The connection that is to be accepted next. An idle server reuses one piece of memory
/// for each, so that the address alone would lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    request: usize,
    isn: u32,
}

/// Holds a queue's `rskq_lock`, with bottom halves off.
///
/// # Invariants
///
/// The lock is held as long as this exists.
pub(super) struct QueueGuard<'a>(&'a AcceptQueue<'a>);

/// Where a listener keeps its accept queue.
///
/// # Safety
///
/// `sk` must be a listener.
pub(super) unsafe fn accept_queue(sk: *mut bindings::sock) -> *mut bindings::request_sock_queue {
    // SAFETY: The offset is the field's, by the safety requirement.
    unsafe { sk.byte_add(bindings::ICSK_ACCEPT_QUEUE_OFFSET).cast() }
}

impl<'a> AcceptQueue<'a> {
    pub(super) fn new(listener: &'a Listener) -> Self {
        // INVARIANT: It's asked for here.
        //
        // SAFETY: A listener is one, by its type invariant.
        let queue = unsafe { accept_queue(listener.as_raw()) };

        Self { listener, queue }
    }

    /// The C object.
    pub(super) fn as_raw(&self) -> *mut bindings::request_sock_queue {
        self.queue
    }

    /// Where the listener keeps the number of requests.
    fn backlog(&self) -> *mut u32 {
        // SAFETY: The offset is that of a field of a listener.
        unsafe {
            self.listener
                .as_raw()
                .byte_add(bindings::SK_ACK_BACKLOG_OFFSET)
                .cast()
        }
    }

    /// How many requests there are.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: A listener is valid, by its type invariant. Others may change
        // the length.
        unsafe { self.backlog().read_volatile() }
    }

    /// What `listen()` was told.
    pub(crate) fn max(&self) -> u32 {
        // SAFETY: The offset is that of a field of a listener, which is valid.
        // Others may change it.
        unsafe {
            self.listener
                .as_raw()
                .byte_add(bindings::SK_MAX_ACK_BACKLOG_OFFSET)
                .cast::<u32>()
                .read_volatile()
        }
    }

    /// What is to be accepted next.
    pub(crate) fn head(&self) -> Option<Head> {
        self.lock().head()
    }

    /// How full it is.
    pub(crate) fn level(&self) -> Level {
        Level::new(self.len(), self.max())
    }

    /// Whether there may be Fast Open requests: it admits some, or is charged for
    /// some. The charge alone doesn't tell: `listen()` sets it to 0, and requests
    /// that were accepted before are subtracted when they complete their handshake.
    pub(super) fn may_have_fast_open(&self) -> bool {
        // SAFETY: A listener's queue is valid, by the type invariants. Others may
        // change both.
        unsafe {
            ptr::addr_of!((*self.queue).fastopenq.max_qlen).read_volatile() != 0
                || ptr::addr_of!((*self.queue).fastopenq.qlen).read_volatile() != 0
        }
    }

    pub(super) fn lock(&self) -> QueueGuard<'_> {
        // SAFETY: Valid by the type invariant. No caller holds another queue's
        // lock.
        unsafe { bindings::queue_lock_bh(self.queue) };
        // INVARIANT: Locked just now.
        QueueGuard(self)
    }
}

impl QueueGuard<'_> {
    /// Exchanges the queue's requests, and with them its length.
    pub(super) fn swap<'q>(&mut self, list: RequestList<'q>) -> RequestList<'q> {
        let queue = self.0.queue;
        let (head, tail) = list.ends();

        // SAFETY: The lock protects the list and the backlog of a valid
        // listener, which count the same. reqsk_queue_empty() reads the head
        // without the lock. The tail is only meaningful while there's a head.
        unsafe {
            let old = RequestList::from_raw(
                (*queue).rskq_accept_head,
                (*queue).rskq_accept_tail,
                self.0.len(),
            );

            ptr::addr_of_mut!((*queue).rskq_accept_head).write_volatile(head);
            (*queue).rskq_accept_tail = tail;
            self.0.backlog().write_volatile(list.len());
            old
        }
    }

    /// The first request, if there's one.
    pub(super) fn head(&self) -> Option<Head> {
        // SAFETY: The lock protects the list, whose requests are valid.
        unsafe {
            let head = (*self.0.queue).rskq_accept_head;
            let treq = head.cast::<bindings::tcp_request_sock>();

            (!head.is_null()).then(|| Head {
                request: head as usize,
                isn: (*treq).snt_isn,
            })
        }
    }

    /// Takes the queue's requests, which stay charged to it.
    pub(super) fn take<'q>(&mut self) -> RequestList<'q> {
        let queue = self.0.queue;

        // SAFETY: The lock protects the list and the backlog of a valid listener, which
        // count the same. reqsk_queue_empty() reads the head without the lock. The tail
        // is only meaningful while there's a head.
        unsafe {
            let old = RequestList::from_raw(
                (*queue).rskq_accept_head,
                (*queue).rskq_accept_tail,
                self.0.len(),
            );

            ptr::addr_of_mut!((*queue).rskq_accept_head).write_volatile(ptr::null_mut());
            old
        }
    }

    /// Puts requests that were taken back in front of those that have come since, and
    /// uncharges the `sent` ones that were taken as well.
    pub(super) fn put_back(&mut self, list: RequestList<'_>, sent: u32) {
        let queue = self.0.queue;
        let (head, tail) = list.ends();

        // SAFETY: As in `take`. All of these were charged.
        unsafe {
            self.0.backlog().write_volatile(self.0.len() - sent);
            if head.is_null() {
                return;
            }
            if (*queue).rskq_accept_head.is_null() {
                (*queue).rskq_accept_tail = tail;
            } else {
                (*tail).dl_next = (*queue).rskq_accept_head;
            }
            ptr::addr_of_mut!((*queue).rskq_accept_head).write_volatile(head);
        }
    }

    /// Adds requests at the end, which name this listener and own a reference
    /// on it each.
    pub(super) fn append(&mut self, list: RequestList<'_>) {
        let queue = self.0.queue;
        let (head, tail) = list.ends();

        if list.is_empty() {
            return;
        }

        // SAFETY: The lock protects the list and the backlog of a valid
        // listener. reqsk_queue_empty() reads the head without the lock, and
        // must never see a queue empty that isn't.
        unsafe {
            if (*queue).rskq_accept_head.is_null() {
                ptr::addr_of_mut!((*queue).rskq_accept_head).write_volatile(head);
            } else {
                (*(*queue).rskq_accept_tail).dl_next = head;
            }
            (*queue).rskq_accept_tail = tail;
            self.0.backlog().write_volatile(self.0.len() + list.len());
        }
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariant.
        unsafe { bindings::queue_unlock_bh(self.0.queue) }
    }
}
