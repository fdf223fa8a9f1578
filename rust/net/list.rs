// SPDX-License-Identifier: GPL-2.0

//! Lists of requests that have left an accept queue.
//!
//! C header: [`include/net/request_sock.h`](srctree/include/net/request_sock.h)

use super::{
    stopping::Brand,
    Connection,
    OwnedRequest,
    QueuedRequest, //
};
use crate::bindings;
use core::{
    iter,
    marker::PhantomData,
    mem,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::macros::kunit_tests;

/// A list of requests that isn't in any queue.
///
/// Leaks what is left on it when it's dropped: the requests belong on a queue,
/// and every user of the list puts them on one.
///
/// # Invariants
///
/// `head` is null exactly if `len` is 0. Otherwise `dl_next` leads from `head`
/// over `len` requests, each of them what [`OwnedRequest`] owns, to `tail`,
/// whose `dl_next` is null.
#[must_use]
pub(crate) struct RequestList<'q> {
    head: *mut bindings::request_sock,
    tail: *mut bindings::request_sock,
    len: u32,
    _queue: Brand<'q>,
}

impl<'q> RequestList<'q> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Empty.
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            len: 0,
            _queue: PhantomData,
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
        Self {
            head,
            tail,
            len,
            _queue: PhantomData,
        }
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
            // SAFETY: Valid as long as it's on the list, by the type invariant.
            unsafe { QueuedRequest::from_raw(req) }.connection()
        })
    }

    /// The connection of the first request.
    pub(super) fn first(&self) -> Option<Connection<'_>> {
        self.connections().next()
    }

    /// Takes the first request off.
    pub(crate) fn pop(&mut self) -> Option<OwnedRequest<'q>> {
        let req = NonNull::new(self.head)?;

        // INVARIANT: What follows the first is one shorter, and null when there
        // was no other.
        //
        // SAFETY: Valid by the type invariant.
        self.head = unsafe { (*req.as_ptr()).dl_next };
        self.len -= 1;

        // SAFETY: By the type invariant; it's on the list no more.
        Some(unsafe { OwnedRequest::from_raw(req) })
    }

    /// Adds a request at the end.
    pub(crate) fn push(&mut self, req: OwnedRequest<'q>) {
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

    /// Takes off up to `n` requests from the first on, as long as `visit` says of each
    /// that it's to be taken.
    #[inline]
    pub(super) fn take(&mut self, n: u32, mut visit: impl FnMut(&QueuedRequest) -> bool) -> Self {
        let (mut next, mut last) = (self.head, ptr::null_mut());
        let mut left = n;

        while left > 0 {
            let Some(req) = NonNull::new(next) else { break };

            // SAFETY: Valid by the type invariant.
            if !visit(unsafe { QueuedRequest::from_raw(req) }) {
                break;
            }
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
            _queue: PhantomData,
        };
        self.head = next;
        self.len -= first.len;
        first
    }

    /// Adds a request at the beginning.
    pub(crate) fn push_front(&mut self, req: OwnedRequest<'q>) {
        let mut front = RequestList::new();

        front.push(req);
        self.prepend(front);
    }

    /// Adds all of another list at the end.
    pub(super) fn append(&mut self, mut back: Self) {
        back.prepend(mem::replace(self, RequestList::new()));
        *self = back;
    }

    /// Adds all of another list at the beginning.
    pub(crate) fn prepend(&mut self, front: Self) {
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
    fn list<'q>(requests: &mut [bindings::request_sock]) -> RequestList<'q> {
        let mut list = RequestList::new();

        for req in requests {
            // SAFETY: Lists only link requests, and leak what is left on them.
            list.push(unsafe { OwnedRequest::from_raw(NonNull::from(req)) });
        }
        list
    }

    /// Whether the list is made up of these, in this order.
    fn holds(
        mut list: RequestList<'_>,
        requests: &[bindings::request_sock],
        order: &[usize],
    ) -> bool {
        let len = list.len() as usize == order.len();

        len && order.iter().all(|&i| {
            let req = list.pop().map(OwnedRequest::into_raw);

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
            all.push(unsafe { OwnedRequest::from_raw(NonNull::from(req)) });
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
            let mut first = rest.take(n, |_| {
                seen += 1;
                true
            });

            assert_eq!((seen, first.len(), rest.len()), (n, n, 4 - n));
            first.append(rest);
            assert!(holds(first, &requests, &[0, 1, 2, 3]));
        }

        let mut requests = Requests::default();
        let mut rest = list(&mut requests);
        let first = rest.take(3, |_| true);

        assert!(holds(first, &requests, &[0, 1, 2]));
        assert!(holds(rest, &requests, &[3]));
        assert!(RequestList::new().take(1, |_| true).is_empty());
    }

    #[test]
    fn takes_as_long_as_it_may() {
        let mut requests = Requests::default();
        let mut rest = list(&mut requests);
        let mut seen = 0;
        let first = rest.take(4, |_| {
            seen += 1;
            seen < 3
        });

        assert!(holds(first, &requests, &[0, 1]));
        assert!(holds(rest, &requests, &[2, 3]));
    }
}
