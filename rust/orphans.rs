// SPDX-License-Identifier: GPL-2.0

//! Orphaned listeners: those that go on without a process for a while, in every network
//! namespace: `/proc/net/tcp_migrate_orphans`.
//!
//! Each ends when its time is up, or when a successor listens. It's stopped as any
//! listener then, so that its connections are migrated if there's a successor, and reset
//! otherwise.

use crate::{
    delayed_work::{
        DelayedWork,
        Work, //
    },
    net::{
        trace,
        uid_of,
        Asking,
        Closing,
        Kept,
        Listener,
        Namespace,
        NetFile,
        NewNamespace,
        Orphan,
        OrphanTable,
        PerNamespace,
        PernetOperations,
        Placed,
        Published,
        Readers,
        Show,
        Target, //
    },
    policy::outcome::Life,
};
use core::{
    net::IpAddr,
    ptr, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::Atomic,
        rcu,
        Mutex, //
    },
    time::{
        msecs_to_jiffies,
        Delta,
        Instant,
        Monotonic,
        Msecs, //
    }, //
};

/// How many of a namespace's orphans may be one user's.
const MOST_OF_USER: usize = OrphanTable::SIZE / 2;

/// How long a group of listeners may take to form, from when the first of them listens.
const FORMING: Delta = Delta::from_millis(20);

/// When to look again after a lookup has found a listener that is about to stop.
const SOON: Delta = Delta::from_millis(10);

/// When to look again whether lookups that may have missed a successor have ended.
const SETTLING: Delta = Delta::from_millis(1);

/// That there's a successor.
struct Succession {
    since: Instant<Monotonic>,
    /// Those that may have looked for a listener before it was hashed, and have yet to find
    /// the orphan.
    readers: Readers,
}

/// An orphaned listener.
struct Entry {
    listener: Placed,
    /// When its time is up.
    until: Instant<Monotonic>,
    /// Whether there's a successor.
    succeeded: Option<Succession>,
}

impl Entry {
    /// How long until it ends, and why, by what is known of it now.
    fn end(&mut self, table: &OrphanTable) -> (Delta, Life) {
        if !self.listener.is_listening() {
            return (Delta::ZERO, Life::Killed);
        }

        let now = Instant::now();
        let left = self.until - now;
        let rcu = rcu::read_lock();

        match Found::of(&self.listener, table, &rcu) {
            Found::Nobody => {
                self.succeeded = None;
                (left, Life::GraceOver)
            }
            Found::Stopping => {
                self.succeeded = None;
                (left.min(SOON), Life::GraceOver)
            }
            Found::Successor(listener) => {
                let Succession { since, readers } =
                    self.succeeded.get_or_insert_with(|| Succession {
                        since: now,
                        readers: Readers::now(),
                    });
                let forming = if listener.has_reuseport() {
                    // There may be less time than the group has to form.
                    left.min(*since + FORMING - now)
                } else {
                    Delta::ZERO
                };
                let settling = if readers.are_gone() {
                    Delta::ZERO
                } else {
                    SETTLING
                };

                (forming.max(settling), Life::Adopted)
            }
        }
    }
}

/// To whom new connections to the address of an orphan go.
enum Found<'a> {
    /// To no listener but the orphans.
    Nobody,
    /// To one that is about to stop, as its whole group is, or will be unhashed at once.
    Stopping,
    /// To another listener.
    Successor(&'a Listener),
}

impl<'a> Found<'a> {
    /// Looks the address of `former` up.
    fn of(former: &Listener, orphans: &OrphanTable, rcu: &'a rcu::Guard) -> Self {
        match former.lookup(rcu) {
            Some(found) if ptr::eq(found, former) || orphans.contains(found) => Self::Nobody,
            Some(found) if found.status().stays() || found.has_sibling(rcu) => {
                Self::Successor(found)
            }
            Some(_) => Self::Stopping,
            None => Self::Nobody,
        }
    }
}

/// The orphaned listeners of a namespace.
#[pin_data(PinnedDrop)]
pub(crate) struct Orphans {
    table: OrphanTable,
    /// Held as some are ended, so that others can wait for that.
    #[pin]
    ending: Mutex<()>,
    #[pin]
    state: Mutex<State>,
    #[pin]
    work: DelayedWork<Self>,
}

/// What is known of them.
struct State {
    entries: KVec<Entry>,
    /// The sysctls that count.
    migrate_req: bool,
    grace: Option<Delta>,
    /// As long as listeners can be orphaned.
    asking: Option<Asking>,
}

impl State {
    /// For how long listeners go on without a process, if they do.
    fn grace(&self) -> Option<Delta> {
        self.grace.filter(|_| self.migrate_req)
    }
}

static ID: Atomic<u32> = Atomic::new(0);

// SAFETY: Of `migrate::Migration`, which has our `Registration`.
unsafe impl PerNamespace for NetFile<Orphans> {
    fn id() -> &'static Atomic<u32> {
        &ID
    }

    fn new(net: &NewNamespace) -> impl PinInit<Self, Error> {
        NetFile::new(net, Orphans::new())
    }
}

impl Orphans {
    fn new() -> impl PinInit<Self> {
        pin_init!(&this in Self {
            table: OrphanTable::new(),
            ending <- new_mutex!(()),
            state <- new_mutex!(State {
                entries: KVec::new(),
                migrate_req: false,
                grace: None,
                asking: None,
            }),
            // SAFETY: It's a part of this.
            work <- unsafe { DelayedWork::new(this.as_ptr()) },
        })
    }

    /// Those of a namespace.
    pub(crate) fn of(namespace: &Namespace) -> &Self {
        NetFile::<Self>::of(namespace)
    }

    /// Says whether connections are migrated. Of several callers, the last one to be asked
    /// counts. Process context, with no socket locked.
    pub(crate) fn set_migrate_req(&self, migrate_req: impl FnOnce() -> bool) {
        self.change(|state| state.migrate_req = migrate_req());
    }

    /// Says for how long listeners go on without a process, likewise.
    pub(crate) fn set_grace(&self, grace: impl FnOnce() -> Option<Delta>) {
        self.change(|state| state.grace = grace());
    }

    /// Ends all orphans when there are to be none.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();

        change(&mut state);
        if state.grace().is_some() {
            state.asking.get_or_insert_with(Asking::new);
        } else {
            state.asking = None;
            drop(state);
            self.end_all();
        }
    }

    /// Has a listener go on for the grace of the namespace, unless another one that stays
    /// has or gets its connections, or there are too many. In the latter cases it's
    /// unhashed: of two that close at the same time, the second doesn't take the first for
    /// one that stays.
    ///
    /// Process context, with the listener locked.
    #[inline(never)]
    pub(crate) fn keep(&self, closing: Closing<'_>) -> Option<Kept> {
        let mut state = self.state.lock();
        // Under the lock, so that no orphan comes after all have been ended.
        let grace = state.grace()?;
        let has_sibling = closing.has_sibling(&rcu::read_lock());
        let published = if has_sibling {
            None
        } else {
            self.publish(&mut state.entries, &closing)
        };

        closing.unhash();
        let published = published?;

        // A wildcard, or one that has come just now.
        let rcu = rcu::read_lock();
        let found = Found::of(&closing, &self.table, &rcu);
        if let Found::Successor(successor) = found {
            if successor.is_like(&closing) {
                closing.share_cookies(successor, &rcu);
            }
            return None;
        }
        let is_stopping = matches!(found, Found::Stopping);
        drop(rcu);

        let listener = closing.listener();
        let (placed, kept) = published.keep(closing)?;
        let until = Instant::now() + grace;
        let is_next = state
            .entries
            .iter()
            .all(|entry| entry.until - until > Delta::ZERO);
        let pushed = state.entries.push_within_capacity(Entry {
            listener: placed,
            until,
            succeeded: None,
        });

        // Otherwise there's work to be done before.
        if pushed.is_ok() && (is_next || is_stopping) {
            self.queue_work(&mut state.entries);
        }
        trace::orphan(listener, Life::Orphaned);
        Some(kept)
    }

    /// Has lookups find a listener, if there's room and memory for it.
    fn publish<'a>(
        &'a self,
        entries: &mut KVec<Entry>,
        closing: &Closing<'a>,
    ) -> Option<Published<'a>> {
        let uid = closing.uid();
        let of_user = entries.iter().filter(|entry| entry.listener.uid() == uid);

        if of_user.count() >= MOST_OF_USER {
            return None;
        }
        entries.reserve(1, GFP_KERNEL).ok()?;
        self.table.publish(closing)
    }

    /// The best for a target.
    pub(crate) fn find<'a>(
        &self,
        target: &Target<'_>,
        rcu: &'a rcu::Guard,
    ) -> Option<&'a Listener> {
        self.table.find(target, rcu)
    }

    /// Sees what becomes of the orphans, now that there's another listener. It may be sent
    /// what answers a SYN cookie of one at once.
    pub(crate) fn listen_start(&self, listener: &Listener, rcu: &rcu::Guard) {
        let port = listener.address().port();

        for orphan in self.table.listeners(rcu) {
            if orphan.address().port() == port && listener.is_like(orphan) {
                orphan.share_cookies(listener, rcu);
            }
        }
        self.work.queue(0);
    }

    /// Lets go of those that have ended. Any context.
    pub(crate) fn listen_stop(&self) {
        self.work.queue(0);
    }

    /// Ends all orphans. Process context, with no socket locked.
    fn end_all(&self) {
        self.end(|_| Some(Life::Disabled));
    }

    /// Ends those for which there's a reason. When it returns, they have been stopped.
    /// Process context, with no socket locked.
    fn end(&self, mut why: impl FnMut(&mut Entry) -> Option<Life>) {
        let _ending = self.ending.lock();

        while let Some(orphan) = self.take(&mut why) {
            drop(orphan);
        }
    }

    /// Takes one that ends out, to be dropped with nothing locked.
    fn take(&self, why: impl FnMut(&mut Entry) -> Option<Life>) -> Option<Orphan> {
        let entries = &mut self.state.lock().entries;
        let (i, why) = entries
            .iter_mut()
            .map(why)
            .enumerate()
            .find_map(|(i, why)| Some((i, why?)))?;
        let entry = entries.remove(i).ok()?;

        trace::orphan(&entry.listener, why);
        self.table.take(entry.listener)
    }

    /// Has the work done when the next orphan ends.
    fn queue_work(&self, entries: &mut KVec<Entry>) {
        let next = entries
            .iter_mut()
            .map(|entry| entry.end(&self.table).0.as_millis_ceil())
            .min();

        if let Some(left) = next {
            self.work.queue(msecs_to_jiffies(left.max(0) as Msecs));
        }
    }
}

impl Work for Orphans {
    /// Ends those whose time is up, or that have a successor.
    fn run(&self) {
        self.end(|entry| {
            let (left, why) = entry.end(&self.table);

            (left.as_nanos() <= 0).then_some(why)
        });
        self.queue_work(&mut self.state.lock().entries);
    }
}

impl Show for Orphans {
    const NAME: &'static CStr = c"tcp_migrate_orphans";

    /// A line for each, and a heading. What isn't listed has been stopped.
    fn show(&self, file: &SeqFile) {
        let _ending = self.ending.lock();

        seq_print!(
            file,
            "{:<39} {:>5} {:>10} {:>10} {:>10} {:>7}\n",
            "address",
            "port",
            "uid",
            "queue",
            "backlog",
            "left_ms"
        );
        for entry in self.state.lock().entries.iter_mut() {
            let left = entry.end(&self.table).0.as_millis_ceil().max(0);
            let listener = &entry.listener;
            let (address, queue) = (listener.address(), listener.accept_queue());

            seq_print!(
                file,
                "{:<39} {:>5} {:>10} {:>10} {:>10} {:>7}\n",
                Shown(address.ip()),
                address.port(),
                uid_of(file, listener.uid()),
                queue.len(),
                queue.max(),
                left
            );
        }
    }
}

/// An address, as the kernel crate shows it.
struct Shown(IpAddr);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

#[pinned_drop]
impl PinnedDrop for Orphans {
    fn drop(self: Pin<&mut Self>) {
        // Hooks aren't called any more: there'll be no other.
        self.work.cancel();
        self.end_all();
    }
}

/// Listeners can be orphaned while this exists.
pub(crate) struct Registration {
    _pernet: PernetOperations<NetFile<Orphans>>,
}

impl Registration {
    /// Has every current and future network namespace keep them.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            _pernet: PernetOperations::register()?,
        })
    }
}
