// SPDX-License-Identifier: GPL-2.0

//! Lists of requests that have left an accept queue.
//!
//! C header: [`include/net/request_sock.h`](srctree/include/net/request_sock.h)

use super::{
    Connection,
    QueuedRequest, //
};
use crate::bindings;
use core::{
    iter,
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

    /// A list of these requests.
    ///
    /// # Safety
    ///
    /// They must be what the type invariant says.
    pub(super) unsafe fn from_raw(
        head: *mut bindings::request_sock,
        tail: *mut bindings::request_sock,
        len: u32,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self { head, tail, len }
    }

    /// The first and the last request, if there is any.
    pub(super) fn ends(&self) -> (*mut bindings::request_sock, *mut bindings::request_sock) {
        (self.head, self.tail)
    }

    /// How many requests there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// The connection of each request.
    pub(super) fn connections(&self) -> impl Iterator<Item = Connection<'_>> {
        let next = |req: &NonNull<bindings::request_sock>| {
            // SAFETY: Valid by the type invariant.
            NonNull::new(unsafe { (*req.as_ptr()).dl_next })
        };

        iter::successors(NonNull::new(self.head), next).map(|req| {
            // SAFETY: By the type invariant; a request has a child, which lives as
            // long as the request is on the list.
            unsafe { Connection::from_raw(NonNull::new_unchecked((*req.as_ptr()).sk)) }
        })
    }

    /// The connection of the first request.
    pub(super) fn first(&self) -> Option<Connection<'_>> {
        self.connections().next()
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

    /// Takes off the first `n` requests, or all, each of which `visit` sees.
    #[inline]
    pub(super) fn take(&mut self, n: u32, mut visit: impl FnMut(&mut QueuedRequest)) -> Self {
        let (mut next, mut last) = (self.head, ptr::null_mut());
        let mut left = n;

        while left > 0 {
            let Some(req) = NonNull::new(next) else { break };
            // SAFETY: By the type invariant; the list has no use for it meanwhile.
            visit(&mut unsafe { QueuedRequest::from_raw(req) });
            last = next;
            // SAFETY: Valid by the type invariant.
            next = unsafe { (*next).dl_next };
            left -= 1;
        }
        if last.is_null() {
            return Self::new();
        }

        // SAFETY: Valid by the type invariant.
        unsafe { (*last).dl_next = ptr::null_mut() };
        // INVARIANT: As many as were counted, up to the last one; the rest is what
        // follows it.
        let first = Self {
            head: self.head,
            tail: last,
            len: n - left,
        };
        self.head = next;
        self.len -= first.len;
        first
    }

    /// Adds a request at the beginning.
    pub(crate) fn push_front(&mut self, req: QueuedRequest) {
        let mut front = RequestList::new();

        front.push(req);
        self.prepend(front);
    }

    /// Adds all of another list at the end.
    pub(super) fn append(&mut self, mut back: RequestList) {
        back.prepend(mem::replace(self, RequestList::new()));
        *self = back;
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
    fn takes_the_first() {
        for n in 0..=4 {
            let mut requests = Requests::default();
            let mut rest = list(&mut requests);
            let mut seen = 0;
            let mut first = rest.take(n, |_| seen += 1);

            assert_eq!((seen, first.len(), rest.len()), (n, n, 4 - n));
            first.append(rest);
            assert!(holds(first, &requests, &[0, 1, 2, 3]));
        }

        let mut requests = Requests::default();
        let mut rest = list(&mut requests);
        let first = rest.take(3, |_| ());

        assert!(holds(first, &requests, &[0, 1, 2]));
        assert!(holds(rest, &requests, &[3]));
        assert!(RequestList::new().take(1, |_| ()).is_empty());
    }
}
