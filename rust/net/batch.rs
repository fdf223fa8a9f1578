// SPDX-License-Identifier: GPL-2.0

//! Requests on their way from one accept queue to others.

use super::{
    queue::QueueGuard,
    trace,
    Connection,
    Destination,
    Fresh,
    GivenBack,
    Listener,
    ListenerRef,
    NewChild,
    OwnedRequest,
    RequestList,
    Stalled,
    Stopping, //
};
use crate::{
    bindings,
    policy::outcome::{
        Outcome,
        Path,
        Tally, //
    },
};
use core::mem;
use kernel::sync::rcu;

/// Requests from the queue that `'q` stands for, which are on their way to one listener.
///
/// # Invariants
///
/// Each request on `list` names `to`.
pub(crate) struct Batch<'q> {
    to: ListenerRef,
    list: RequestList<'q>,
    /// How many its listener had room for, where that counts.
    room: Option<u32>,
    /// Whether the listener is in another cgroup than the former one.
    other_cgroup: bool,
}

/// How many requests have been queued.
struct Appended {
    /// How many requests the listener has now.
    n: u32,
    /// How many of them are beyond its backlog.
    over: u32,
}

impl<'q> Batch<'q> {
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
    /// Nobody else may hold the request. The child of a Fast Open request must be locked
    /// until the batch has been appended.
    #[inline(always)]
    unsafe fn push(&mut self, req: OwnedRequest<'q>) {
        // SAFETY: The batch has a reference until the request has one of its own, or
        // names its former listener again. The child is locked by the safety
        // requirements.
        unsafe { req.set_listener(&self.to) };
        if self.other_cgroup {
            req.connection().enter_cgroup_of(&self.to);
        }
        // INVARIANT: Named just now.
        self.list.push(req);
    }
}

/// Queues `list` on `to`: all of it, or where `room` counts, what fits. That takes the
/// lock once and changes the reference count once at most. Each request that is queued owns
/// a reference on `to` then, and its reference on `former` is the caller's. It's also the
/// caller who tells the application.
///
/// What it has no room for, or all if it has stopped, names `former` again, and is put in
/// front of `rest`.
///
/// # Safety
///
/// `to` must be referenced. Each request must name it, and own a reference on `former`.
/// If any is queued, one gets the caller's reference on `to` if `gives`. The child of a Fast
/// Open request must be locked.
#[inline(always)]
unsafe fn append<'q>(
    to: &Listener,
    gives: bool,
    list: RequestList<'q>,
    room: Option<u32>,
    former: &Listener,
    path: Path,
    rest: &mut RequestList<'q>,
) -> Appended {
    let queue = to.accept_queue();
    let guard = queue.lock();
    let left = queue.level().room();

    if to.is_listening() && (room.is_none() || list.len() <= left) {
        // SAFETY: By the safety requirements.
        unsafe { append_all(to, gives, guard, left, list, former, path) }
    } else {
        // SAFETY: Likewise.
        unsafe { append_some(to, gives, guard, list, former, path, rest) }
    }
}

/// # Safety
///
/// As for [`append`]; `guard` is that of the queue of `to`, which hasn't stopped and has
/// room for `left` requests.
#[inline(always)]
unsafe fn append_all(
    to: &Listener,
    gives: bool,
    mut guard: QueueGuard<'_>,
    left: u32,
    list: RequestList<'_>,
    former: &Listener,
    path: Path,
) -> Appended {
    let n = list.len();

    if n > 0 {
        let outcomes = (0..n).map(|i| Outcome::queued(i < left));

        // Nobody can accept them yet.
        trace::success(path, former, to, list.connections().zip(outcomes));
        let missing = n - u32::from(gives);

        if missing > 0 {
            // SAFETY: Valid, and referenced.
            unsafe { bindings::sock_hold_many(to.as_raw(), missing) };
        }
        guard.append(list);
    }
    Appended {
        n,
        over: n.saturating_sub(left),
    }
}

/// # Safety
///
/// As for [`append_all`], except that `to` may have stopped.
#[cold]
unsafe fn append_some<'q>(
    to: &Listener,
    gives: bool,
    guard: QueueGuard<'_>,
    mut list: RequestList<'q>,
    former: &Listener,
    path: Path,
    rest: &mut RequestList<'q>,
) -> Appended {
    let left = to.accept_queue().level().room();
    let first = if to.is_listening() {
        list.take(left, |_| true)
    } else {
        RequestList::new()
    };
    // SAFETY: By the safety requirements; there's nothing to queue if it has stopped.
    let appended = unsafe { append_all(to, gives, guard, left, first, former, path) };

    // SAFETY: Likewise.
    unsafe { give_back(&mut list, former) };
    rest.prepend(list);
    appended
}

/// Has the requests name `former` again.
///
/// # Safety
///
/// Each request must own a reference on `former`. The child of a Fast Open request
/// must be locked.
unsafe fn give_back(rest: &mut RequestList<'_>, former: &Listener) {
    for _ in 0..rest.len() {
        let Some(req) = rest.pop() else { break };

        // SAFETY: The request has a reference on its former listener, and its child is
        // locked where it has to be, by the safety requirements.
        unsafe { req.set_listener(former) };
        req.connection().enter_cgroup_of(former);
        rest.push(req);
    }
}

/// The queue of a listener that has stopped, taken from it in one go.
///
/// What hasn't been sent elsewhere when this is dropped is in the listener's
/// queue again.
///
/// # Invariants
///
/// `former` is the listener that `'q` stands for. The requests on `left` and `kept` name
/// it, with a reference, or no listener. Of those that have been sent, `sent` have left a
/// reference on it. Some may be Fast Open requests if `has_fast_open`.
pub(crate) struct TakenQueue<'q> {
    former: &'q Listener,
    path: Path,
    /// Whether the listener is still charged for the requests, as others go on queueing.
    is_charged: bool,
    left: RequestList<'q>,
    kept: RequestList<'q>,
    sent: u32,
    has_fast_open: bool,
    tally: Tally,
}

impl<'q> TakenQueue<'q> {
    /// Takes the queue of `former`, on which nobody queues anything any more.
    pub(crate) fn take(former: &Stopping<'q>) -> Self {
        let former = former.listener();
        let path = if former.is_dead() {
            Path::Grace
        } else {
            Path::Close
        };
        let left = former.accept_queue().lock().swap(RequestList::new());

        // INVARIANT: What is queued on a listener names it and owns a reference, or was
        // made from a SYN cookie.
        Self::new(former, path, false, left)
    }

    /// Takes the queue of a listener that is alive, on which others go on queueing.
    pub(crate) fn take_live(former: &Stalled<'q>) -> Self {
        let former = former.listener();
        let left = former.accept_queue().lock().take();

        // INVARIANT: As above.
        Self::new(former, Path::Stall, true, left)
    }

    fn new(former: &'q Listener, path: Path, is_charged: bool, left: RequestList<'q>) -> Self {
        // If there's a Fast Open request, the queue's lock has shown that the listener
        // admits or has admitted them.
        Self {
            former,
            path,
            is_charged,
            left,
            kept: RequestList::new(),
            sent: 0,
            has_fast_open: former.accept_queue().may_have_fast_open(),
            tally: Tally::default(),
        }
    }

    /// How many requests there are to be sent or kept.
    pub(crate) fn left(&self) -> u32 {
        self.left.len()
    }

    /// The connection of the next request.
    pub(crate) fn next(&self) -> Option<Connection<'_>> {
        self.left.first()
    }

    /// Why the listener's queue was taken.
    pub(crate) fn path(&self) -> Path {
        self.path
    }

    /// What has become of the requests that were sent or kept.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// An empty batch of this queue's requests, for the listener that was chosen.
    #[inline]
    pub(crate) fn batch(&self, destination: Destination) -> Batch<'q> {
        let Destination { listener, room } = destination;
        let other_cgroup = !self.former.shares_cgroup(&listener);

        // INVARIANT: Empty.
        Batch {
            to: listener,
            list: RequestList::new(),
            room,
            other_cgroup,
        }
    }

    /// The next request.
    pub(crate) fn pop(&mut self) -> Option<OwnedRequest<'q>> {
        let req = self.left.pop()?;

        // The caller of listen_stop() has a reference.
        let _owned = req.own(self.former);
        Some(req)
    }

    /// Gives the last request back.
    pub(crate) fn unpop(&mut self, req: OwnedRequest<'q>) {
        self.left.push_front(req);
    }

    /// Leaves a request to its former listener. Of one that is alive, that's no failure.
    pub(crate) fn keep(&mut self, req: OwnedRequest<'q>, why: Outcome) {
        if !self.is_charged {
            trace::failure(self.path, self.former, None, [(req.connection(), why)]);
            self.tally.add(why, 1);
        }
        self.kept.push(req);
    }

    /// Leaves all the rest to the former listener.
    pub(crate) fn keep_rest(&mut self, why: Outcome) {
        let connections = self.left.connections().map(|connection| (connection, why));

        trace::failure(self.path, self.former, None, connections);
        self.tally.add(why, self.left.len());
        self.kept
            .append(mem::replace(&mut self.left, RequestList::new()));
    }

    /// Adds a request to a batch, or where somebody else holds that, a clone of it. One of
    /// Fast Open is sent at once, and on its own. What can't be added is kept: when there's
    /// no memory for a clone, or a process owns the child of Fast Open.
    #[inline]
    pub(crate) fn add(&mut self, batch: &mut Batch<'q>, req: OwnedRequest<'q>, rcu: &rcu::Guard) {
        if req.is_fast_open() {
            return self.send_fast_open(batch.to.clone(), req, rcu);
        }
        // SAFETY: It names the former listener, by the type invariant or `pop`. Not a Fast
        // Open request, which it can't become.
        match unsafe { req.into_unheld(self.former, rcu) } {
            // SAFETY: Nobody else holds it.
            Ok(req) => unsafe { batch.push(req) },
            Err(req) => self.keep(req, Outcome::NoMemory),
        }
    }

    /// Does with a request, on its own, what [`Self::add`] and [`Self::send`] do.
    #[inline(always)]
    pub(crate) fn send_one(
        &mut self,
        destination: Destination,
        req: OwnedRequest<'q>,
        rcu: &rcu::Guard,
    ) {
        if req.is_fast_open() {
            return self.send_fast_open(destination.listener, req, rcu);
        }
        // SAFETY: As in `add`.
        let req = match unsafe { req.into_unheld(self.former, rcu) } {
            Ok(req) => req,
            Err(req) => return self.keep(req, Outcome::NoMemory),
        };
        let mut batch = self.batch(destination);

        // SAFETY: Nobody else holds it.
        unsafe { batch.push(req) };
        self.send(batch, rcu);
    }

    /// Adds the next `n` requests of this queue to a batch, as [`TakenQueue::add`] does.
    pub(crate) fn fill(&mut self, batch: &mut Batch<'q>, mut n: u32, rcu: &rcu::Guard) {
        loop {
            if !self.has_fast_open && !batch.other_cgroup {
                n -= self.fill_run(batch, n);
            }
            if n == 0 {
                break;
            }
            let Some(req) = self.pop() else { break };
            self.add(batch, req, rcu);
            n -= 1;
        }
    }

    /// Adds up to `n` requests in one go, as long as nobody else holds the next one, and
    /// returns how many.
    #[inline]
    fn fill_run(&mut self, batch: &mut Batch<'q>, n: u32) -> u32 {
        let (former, to) = (self.former, &batch.to);

        to.about_to_be_named();
        // INVARIANT: Each is named here.
        let list = self.left.take(n, |req| {
            if req.is_held() {
                return false;
            }
            let _owned = req.own(former);
            // SAFETY: As in `Batch::push`; `about_to_be_named` was called above. By the
            // type invariant, none is a Fast Open request. If listen() has miscounted
            // them, one may be; its charge stays where it was.
            unsafe { req.name(to) };
            true
        });
        let taken = list.len();

        batch.list.append(list);
        taken
    }

    #[cold]
    fn send_fast_open(&mut self, to: ListenerRef, req: OwnedRequest<'q>, rcu: &rcu::Guard) {
        let Some(_locked) = req.lock_child() else {
            return self.keep(req, Outcome::Busy);
        };
        // SAFETY: As in `add`. The child is locked.
        let req = match unsafe { req.into_unheld(self.former, rcu) } {
            Ok(req) => req,
            Err(req) => return self.keep(req, Outcome::NoMemory),
        };
        let mut batch = self.batch(Destination {
            listener: to,
            room: None,
        });

        // SAFETY: Nobody else holds it. Locked until after `send`.
        unsafe { batch.push(req) };
        self.send(batch, rcu);
    }

    /// Appends a batch of this queue's requests to its listener's queue, and
    /// tells the application. What the listener doesn't take is left again.
    ///
    /// The batch's reference is a request's then, so that `rcu` keeps the listener until
    /// the application has been told.
    #[inline(always)]
    pub(crate) fn send(&mut self, batch: Batch<'q>, _rcu: &rcu::Guard) {
        let Batch { to, list, room, .. } = batch;
        let (former, path) = (self.former, self.path);
        // SAFETY: By the type invariants, and `own` in `pop`; `send_fast_open` has
        // locked the child of the one Fast Open request that is sent.
        let Appended { n, over } =
            unsafe { append(&to, true, list, room, former, path, &mut self.left) };

        if n > 0 {
            // INVARIANT: `append` has left the references.
            self.sent += n;
            self.tally.add_queued(n, over);
            to.data_ready(n);
            // A request has it.
            to.forget();
        }
    }

    /// Puts what is left back into the listener's queue.
    #[cold]
    fn put_back(&mut self) {
        let mut back = mem::replace(&mut self.left, RequestList::new());

        back.prepend(mem::replace(&mut self.kept, RequestList::new()));
        if self.is_charged {
            let n = back.len();

            self.former.accept_queue().lock().put_back(back, self.sent);
            // Who has looked meanwhile has seen nothing to accept, and waits.
            if n > 0 {
                self.former.data_ready(n);
            }
        } else {
            // The queue is empty: nobody queues on a listener that has stopped.
            let _empty = self.former.accept_queue().lock().swap(back);
        }
    }
}

impl Drop for TakenQueue<'_> {
    fn drop(&mut self) {
        if self.is_charged || !self.left.is_empty() || !self.kept.is_empty() {
            self.put_back();
        }
        if self.sent > 0 {
            // SAFETY: By the type invariant.
            unsafe { self.former.put_many(self.sent) };
        }
    }
}

impl<'a> NewChild<'a> {
    /// Queues the child on the listener that was found for it. Returns it when that has
    /// stopped.
    #[inline]
    pub(crate) fn queue(self) -> Result<Outcome, Self> {
        let found = self.found();

        // SAFETY: The kernel has a reference on it, or the request has, by the type
        // invariant. The child was copied from it, and so is in its cgroup.
        unsafe { self.queue_on_referenced(found) }
    }

    /// Queues the child on `to`. Returns it when that has stopped.
    #[cold]
    pub(crate) fn queue_on(self, to: &ListenerRef) -> Result<Outcome, Self> {
        self.connection().enter_cgroup_of(to);
        // SAFETY: The reference is the caller's.
        unsafe { self.queue_on_referenced(to) }
    }

    /// # Safety
    ///
    /// `to` must be referenced.
    #[inline(always)]
    unsafe fn queue_on_referenced(self, to: &Listener) -> Result<Outcome, Self> {
        let (mut list, mut rest) = (RequestList::new(), RequestList::new());
        let former = self.former();
        let req = self.owned();

        // SAFETY: `to` is referenced, by the safety requirement, until the request has a
        // reference of its own, or names its former listener again. The child is locked,
        // by the type invariant.
        unsafe { req.set_listener(to) };
        list.push(req);

        // SAFETY: Named just now. The request has a reference on its listener, and the
        // child is locked, by the type invariant.
        let Appended { n, over } =
            unsafe { append(to, false, list, None, former, Path::Ack, &mut rest) };

        if n == 0 {
            // The list owns nothing that has to be put.
            self.not_queued();
            return Err(self);
        }
        self.queued();
        // SAFETY: The reference of the request that was queued, which `append` has left.
        unsafe { former.put_many(n) };
        Ok(Outcome::queued(over == 0))
    }
}

impl Fresh<'_> {
    /// Queues the connection on `to`, as if it had been one of `former`'s, and tells the
    /// application. Returns it if `to` has stopped, or with what has gone wrong.
    pub(crate) fn queue_on(
        self,
        former: &Listener,
        to: &ListenerRef,
    ) -> Result<(Outcome, GivenBack), (Self, Option<Outcome>)> {
        let (mut list, mut rest) = (RequestList::new(), RequestList::new());

        match self.request(former) {
            Ok(req) => {
                // SAFETY: `to` is referenced until the request has a reference of its own,
                // or names its former listener again. Not a Fast Open request.
                unsafe { req.set_listener(to) };
                list.push(req);
            }
            Err(outcome) => return Err((self, Some(outcome))),
        }
        self.connection().enter_cgroup_of(to);

        // SAFETY: Named just now. The request has a reference on its listener.
        let Appended { n, over } =
            unsafe { append(to, false, list, None, former, Path::Unread, &mut rest) };

        if n == 0 {
            if let Some(req) = rest.pop() {
                // SAFETY: The reference is ours, and the last one.
                unsafe { bindings::reqsk_put(req.into_raw().as_ptr()) };
            }
            return Err((self, None));
        }
        to.data_ready(1);
        // SAFETY: The reference of the request that was queued, which `append` has left.
        unsafe { former.put_many(n) };
        Ok((Outcome::queued(over == 0), self.queued()))
    }
}
