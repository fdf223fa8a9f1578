// SPDX-License-Identifier: GPL-2.0

//! Listeners whose accept queue doesn't move, while siblings could serve what waits there:
//! `/proc/net/tcp_migrate_stalls`.
//!
//! One work item looks at all listeners of the system twice in each stall time, as long as
//! a namespace wants it. What it sees is all that is known of them: nothing is noted when
//! connections are made or accepted.

use crate::{
    delayed_work::{
        DelayedWork,
        Work, //
    },
    net::{
        cond_resched_unless_bpf,
        for_each_waiting,
        Head,
        Listener,
        ListenerRef,
        Namespace,
        NetFile,
        NewNamespace,
        PerNamespace,
        PernetOperations,
        Show,
        Stalled,
        Stopping, //
    },
    policy,
};
use core::{
    mem,
    ptr, //
};
use kernel::{
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            AtomicFlag,
            Relaxed,
            Release, //
        },
        barrier::{
            self,
            smp_mb, //
        },
        rcu,
        Arc,
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

/// A listener is parked for no longer than this before it's tried again, and remembered for
/// that long after it has been.
const LONGEST: Delta = Delta::from_secs(60);

/// Makes numbers that follow each other differ as much as hashes do.
const GOLDEN_RATIO: u32 = 0x61C8_8647;

/// For how many more listeners than last time there's room, in whose queue something waits.
const SPARE: usize = 1024;

/// When one is released that somebody uses just now.
const AGAIN: Delta = Delta::from_millis(100);

/// Moves what waits for a listener that is stalled to others that aren't, and has new
/// connections keep away from it. False if that's not to be done.
pub(crate) type Rescue = fn(&Stalled<'_>, &dyn Fn(&Listener) -> bool) -> bool;

/// When to look after a listener has stopped, as many may.
const SOON: Delta = Delta::from_millis(10);

/// The stall time that a namespace wants.
struct Wanted {
    namespace: usize,
    stall: Delta,
}

/// What the last look has shown of a listener in whose queue something waits. It keeps no
/// listener.
struct Seen {
    cookie: u64,
    head: Option<Head>,
    /// Since when that was the head.
    since: Instant<Monotonic>,
    /// Whether that has been for too long.
    is_stalled: bool,
}

/// A listener whose queue stands still.
struct Unmoved {
    listener: ListenerRef,
    head: Option<Head>,
    since: Instant<Monotonic>,
    stall: Delta,
}

/// A listener that has been stalled.
struct Parked {
    listener: ListenerRef,
    /// Since when it has been so.
    since: Instant<Monotonic>,
    /// Whether new connections keep away from it. Otherwise it's being tried again.
    is_parked: bool,
    /// When that ends.
    until: Instant<Monotonic>,
    /// For how long it's parked next time, or being tried.
    wait: Delta,
    /// How often it has been found stalled.
    times: u32,
    /// What is first of that which waits there nevertheless, as no sibling has room.
    rest: Option<Head>,
}

impl Parked {
    /// Whether it's parked, or being tried. It gets nothing that has waited elsewhere then:
    /// that it accepts has yet to be seen.
    fn is_suspect(&self, now: Instant<Monotonic>) -> bool {
        self.is_parked || !(self.until - now).is_negative()
    }

    /// Notes that it's parked from now on.
    fn park(&mut self) {
        self.is_parked = true;
        self.until = Instant::now() + self.wait;
        self.wait = (self.wait + self.wait).min(LONGEST);
        self.times += 1;
    }
}

/// What is known of all listeners.
struct State {
    is_scanning: bool,
    wanted: KVec<Wanted>,
    /// By cookie.
    seen: KVVec<Seen>,
    /// How many there would have been with more room.
    waiting: usize,
    /// How often they were looked at.
    looks: u32,
    /// By address.
    parked: KVec<Parked>,
}

/// Looks for listeners that are stalled.
#[pin_data]
pub(crate) struct Scanner {
    rescue: Rescue,
    /// Whether there are any, and nobody has asked for a look yet as one has stopped.
    has_parked: AtomicFlag,
    // Dropped before the state.
    #[pin]
    work: DelayedWork<Self>,
    #[pin]
    state: Mutex<State>,
}

/// The one that there is, as long as there's a [`Registration`].
static SCANNER: Atomic<*mut Scanner> = Atomic::new(ptr::null_mut());

impl Scanner {
    fn new(rescue: Rescue) -> impl PinInit<Self> {
        pin_init!(&this in Self {
            rescue,
            has_parked: AtomicFlag::new(false),
            // SAFETY: It's a part of this.
            work <- unsafe { DelayedWork::new(this.as_ptr()) },
            state <- new_mutex!(State {
                is_scanning: false,
                wanted: KVec::new(),
                seen: KVVec::new(),
                waiting: 0,
                looks: 0,
                parked: KVec::new(),
            }),
        })
    }

    /// Says for how long a queue may stand still in a namespace; `None` for ever. Process
    /// context. Fails when memory is short.
    fn want(&self, namespace: usize, stall: Option<Delta>) -> Result {
        let mut state = self.state.lock();
        let former = state.stall_of(namespace);

        if let Some(stall) = stall {
            state.wanted.reserve(1, GFP_KERNEL)?;
            state.forget(namespace);
            state
                .wanted
                .push_within_capacity(Wanted { namespace, stall })?;
        } else if former.is_some() {
            state.forget(namespace);
        } else {
            return Ok(());
        }
        if state.is_scanning {
            self.work.queue(0);
        }
        Ok(())
    }

    /// Begins to look.
    fn start(&self) {
        self.state.lock().is_scanning = true;
        self.work.queue(0);
    }

    /// Looks at them before it's time, as one has stopped.
    fn look_soon(&self) {
        self.work.queue(msecs_to_jiffies(SOON.as_millis() as Msecs));
    }

    /// Looks at nothing any more, and has all listeners take part again. May sleep.
    fn stop(&self) {
        self.work.cancel();

        let parked = mem::replace(&mut self.state.lock().parked, KVec::new());

        for parked in parked.iter().filter(|parked| parked.is_parked) {
            Stalled::lock(&parked.listener, |stalled| stalled.park(false));
        }
    }

    /// Rescues what waits for a listener, unless it has moved by now. What is first of the
    /// rest then, if it was rescued.
    fn rescue(&self, state: &State, unmoved: &Unmoved) -> Option<Option<Head>> {
        let is_stalled = |other: &Listener| state.is_stalled(other);

        Stalled::try_lock(&unmoved.listener, |stalled| {
            (stalled.is_nonblocking()
                && stalled.accept_queue().head() == unmoved.head
                && (self.rescue)(stalled, &is_stalled))
            .then(|| stalled.accept_queue().head())
        })?
    }
}

impl State {
    fn stall_of(&self, namespace: usize) -> Option<Delta> {
        self.wanted
            .iter()
            .find(|wanted| wanted.namespace == namespace)
            .map(|wanted| wanted.stall)
    }

    fn forget(&mut self, namespace: usize) {
        self.wanted.retain(|wanted| wanted.namespace != namespace);
    }

    /// Looks at all listeners in whose queue something waits. Those that are stalled; those
    /// of a group mostly follow each other.
    fn look(&mut self) -> KVec<Unmoved> {
        let now = Instant::now();
        let mut unmoved = KVec::new();
        let mut seen = KVVec::new();

        self.looks = self.looks.wrapping_add(1);
        if self.wanted.is_empty() || seen.reserve(self.waiting + SPARE, GFP_KERNEL).is_err() {
            self.seen = KVVec::new();
            return unmoved;
        }
        self.waiting = 0;

        let mut waiting = 0;
        for_each_waiting(|listener| {
            if !listener.has_reuseport() || !listener.holds_namespace() {
                return;
            }
            let Some(stall) = self.stall_of(listener.namespace_key()) else {
                return;
            };
            let (cookie, head) = (listener.cookie(), listener.accept_queue().head());
            let since = self.since(cookie, head).unwrap_or(now);
            let is_stalled = head.is_some() && now - since >= stall;

            waiting += 1;
            // What there's no room or memory for is seen next time.
            let _ = seen.push_within_capacity(Seen {
                cookie,
                head,
                since,
                is_stalled,
            });
            if !is_stalled {
                return;
            }
            if let Some(listener) = listener.get() {
                let _ = unmoved.push(
                    Unmoved {
                        listener,
                        head,
                        since,
                        stall,
                    },
                    GFP_NOWAIT,
                );
            }
        });

        seen.sort_unstable_by_key(|seen| seen.cookie);
        self.seen = seen;
        self.waiting = waiting;
        unmoved
    }

    /// Since when this is the head of a listener's queue, if it was seen before.
    fn since(&self, cookie: u64, head: Option<Head>) -> Option<Instant<Monotonic>> {
        self.find_seen(cookie)
            .filter(|seen| seen.head == head)
            .map(|seen| seen.since)
    }

    /// Whether a listener has a sibling that isn't stalled. In a large group, each look
    /// is at others.
    ///
    /// `hopeless` is a group of which this look has been at stalled ones only. It would be
    /// at the same ones for each other listener of the group. If another group gets
    /// its memory meanwhile, that one is left to the next look.
    fn has_better(&self, listener: &Listener, hopeless: &mut Option<usize>) -> bool {
        let rcu = rcu::read_lock();
        let group = listener.group_key(&rcu);

        if *hopeless == group {
            return false;
        }

        let looks = self.looks.wrapping_mul(GOLDEN_RATIO);
        let mut all_stalled = true;
        let has_better = listener.has_sibling_from(
            &rcu,
            |n| policy::first(looks, n),
            |sibling| {
                if !sibling.status().stays() {
                    return false;
                }
                let is_stalled = self.is_stalled(sibling);

                all_stalled &= is_stalled;
                !is_stalled && sibling.is_like(listener)
            },
        );

        if all_stalled {
            *hopeless = group;
        }
        has_better
    }

    /// Whether a listener is stalled, or was, and may still be.
    fn is_stalled(&self, listener: &Listener) -> bool {
        self.find_parked(listener.key())
            .is_ok_and(|i| self.parked[i].is_suspect(Instant::now()))
            || self
                .find_seen(listener.cookie())
                .is_some_and(|seen| seen.is_stalled)
    }

    /// What the last look has shown of a listener.
    fn find_seen(&self, cookie: u64) -> Option<&Seen> {
        self.seen_at(cookie).map(|i| &self.seen[i])
    }

    fn seen_at(&self, cookie: u64) -> Option<usize> {
        self.seen
            .binary_search_by_key(&cookie, |seen| seen.cookie)
            .ok()
    }

    /// Where a listener is in `parked`, or would be.
    fn find_parked(&self, key: usize) -> Result<usize, usize> {
        self.parked
            .binary_search_by_key(&key, |parked| parked.listener.key())
    }

    /// Notes that a listener has been rescued from. There must be room for one more.
    fn note(&mut self, unmoved: &Unmoved, rest: Option<Head>) {
        // The rest stands still, too, until the listener accepts something itself.
        if let Some(i) = self.seen_at(unmoved.listener.cookie()) {
            self.seen[i].head = rest;
        }
        match self.find_parked(unmoved.listener.key()) {
            Ok(i) => {
                let parked = &mut self.parked[i];

                if !parked.is_parked {
                    parked.park();
                }
                parked.rest = rest;
            }
            Err(i) => {
                let mut parked = Parked {
                    listener: unmoved.listener.clone(),
                    since: unmoved.since,
                    is_parked: false,
                    until: unmoved.since,
                    wait: unmoved.stall + unmoved.stall,
                    times: 0,
                    rest,
                };

                parked.park();
                let _there_is_room = self.parked.insert_within_capacity(i, parked);
            }
        }
    }

    /// Lets listeners take part again: that have accepted something, that are the last
    /// ones, or that are to be tried. Forgets about those that didn't stall again for long: two
    /// that hang would otherwise give each other the same connections all the time.
    fn release(&mut self) {
        let (wanted, now) = (&self.wanted, Instant::now());

        self.parked.retain(|parked| {
            let listener = &parked.listener;

            if !listener.is_live() {
                return false;
            }

            let head = listener.accept_queue().head();
            let has_accepted = parked.rest.is_some() && parked.rest != head;
            let is_over = (parked.until - now).is_negative();
            let is_old = now - parked.until > LONGEST;
            let is_last = !listener.has_sibling(&rcu::read_lock());
            let is_wanted = wanted
                .iter()
                .any(|wanted| wanted.namespace == listener.namespace_key());
            let was_parked = parked.is_parked;

            if was_parked && (has_accepted || is_over || is_last || !is_wanted) {
                if Stalled::try_lock(listener, |stalled| stalled.park(false)).is_none() {
                    // Somebody uses it: next time.
                    return true;
                }
                parked.is_parked = false;
                parked.until = now + parked.wait;
            }
            parked.rest = head;
            is_wanted && !has_accepted && (was_parked || !is_old)
        });
    }

    /// When to look again.
    fn next(&self) -> Option<Msecs> {
        self.wanted
            .iter()
            .map(|wanted| wanted.stall.as_millis() / 2)
            .min()
            .or_else(|| (!self.parked.is_empty()).then(|| AGAIN.as_millis()))
            .map(|next| next as Msecs)
    }
}

impl Work for Scanner {
    fn run(&self) {
        let mut state = self.state.lock();
        let unmoved = state.look();
        let mut hopeless = None;

        for unmoved in &unmoved {
            cond_resched_unless_bpf();
            if !state.has_better(&unmoved.listener, &mut hopeless)
                || state.parked.reserve(1, GFP_KERNEL).is_err()
            {
                continue;
            }
            if let Some(rest) = self.rescue(&state, unmoved) {
                state.note(unmoved, rest);
            }
        }
        // Before they are looked at: one that stops from now on asks for another look.
        self.has_parked.store(!state.parked.is_empty(), Relaxed);
        // Pairs with the barrier in `listen_stop`: this look sees that a listener has
        // stopped, or that one sees the flag.
        smp_mb(barrier::Full);
        state.release();
        if let Some(next) = state.next() {
            self.work.queue(msecs_to_jiffies(next));
        }
        // It has asked in vain, if it was before that.
        if !state.parked.is_empty() && !self.has_parked.load(Relaxed) {
            self.look_soon();
        }
    }
}

/// Lets go of a listener that has stopped: as long as there's one, so is its namespace.
pub(crate) fn listen_stop(_former: &Stopping<'_>) {
    // SAFETY: There's such a listener only while hooks are registered, which is as long as
    // `migrate::Migration` exists. It has our `Registration`.
    if let Some(scanner) = unsafe { SCANNER.load(Acquire).as_ref() } {
        // Pairs with the barrier in `Scanner::run`. The listener has been stopped before.
        smp_mb(barrier::Full);
        // Others that stop meanwhile are seen by the same look.
        if scanner.has_parked.load(Relaxed) && scanner.has_parked.xchg(false, Relaxed) {
            scanner.look_soon();
        }
    }
}

/// What a namespace shows of those that have been stalled.
#[pin_data(PinnedDrop)]
pub(crate) struct Stalls {
    namespace: usize,
    #[pin]
    settings: Mutex<Settings>,
}

/// The sysctls that count.
struct Settings {
    migrate_req: bool,
    stall: Option<Delta>,
}

static ID: Atomic<u32> = Atomic::new(0);

// SAFETY: Of `migrate::Migration`, which has our `Registration`.
unsafe impl PerNamespace for NetFile<Stalls> {
    fn id() -> &'static Atomic<u32> {
        &ID
    }

    fn new(net: &NewNamespace) -> impl PinInit<Self, Error> {
        let namespace = net.key();

        NetFile::new(
            net,
            pin_init!(Stalls {
                namespace,
                settings <- new_mutex!(Settings {
                    migrate_req: false,
                    stall: None,
                }),
            }),
        )
    }
}

impl Stalls {
    /// Those of a namespace.
    pub(crate) fn of(namespace: &Namespace) -> &Self {
        NetFile::<Self>::of(namespace)
    }

    /// Says whether connections are migrated. Of several callers, the last one to be
    /// asked counts.
    pub(crate) fn set_migrate_req(&self, migrate_req: impl FnOnce() -> bool) {
        self.change(|settings| settings.migrate_req = migrate_req());
    }

    /// Says for how long a queue may stand still, likewise; `None` for ever.
    pub(crate) fn set_stall(&self, stall: impl FnOnce() -> Option<Delta>) {
        self.change(|settings| settings.stall = stall());
    }

    /// Where memory is short, listeners aren't looked at.
    fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings.lock();

        change(&mut settings);
        let stall = settings.stall.filter(|_| settings.migrate_req);
        if let Some(scanner) = self.scanner() {
            let _ = scanner.want(self.namespace, stall);
        }
    }

    fn scanner(&self) -> Option<&Scanner> {
        // SAFETY: `Registration` has the scanner outlive all of these.
        unsafe { SCANNER.load(Acquire).as_ref() }
    }
}

#[pinned_drop]
impl PinnedDrop for Stalls {
    fn drop(self: Pin<&mut Self>) {
        self.set_stall(|| None);
    }
}

impl Show for Stalls {
    const NAME: &'static CStr = c"tcp_migrate_stalls";

    /// A line for each, and a heading.
    fn show(&self, file: &SeqFile) {
        seq_print!(
            file,
            "{:<16} {:>5} {:>10} {:>10} {:>6} {:>6}\n",
            "cookie",
            "port",
            "queue",
            "since_ms",
            "times",
            "parked"
        );
        let Some(scanner) = self.scanner() else {
            return;
        };
        let now = Instant::now();
        for parked in &scanner.state.lock().parked {
            let listener = &parked.listener;

            if listener.namespace_key() != self.namespace || !parked.is_suspect(now) {
                continue;
            }
            seq_print!(
                file,
                "{:<16x} {:>5} {:>10} {:>10} {:>6} {:>6}\n",
                listener.cookie(),
                listener.address().port(),
                listener.accept_queue().len(),
                parked.since.elapsed().as_millis(),
                parked.times,
                u32::from(parked.is_parked)
            );
        }
    }
}

/// Namespaces can have listeners looked at while this exists.
pub(crate) struct Registration {
    _pernet: PernetOperations<NetFile<Stalls>>,
    scanner: Arc<Scanner>,
}

impl Registration {
    /// Has stalled listeners rescued in every current and future network namespace that
    /// wants it.
    pub(crate) fn new(rescue: Rescue) -> Result<Self> {
        let scanner = Arc::pin_init(Scanner::new(rescue), GFP_KERNEL)?;

        SCANNER.store(ptr::from_ref(&*scanner).cast_mut(), Release);
        // Dropped before the scanner.
        Ok(Self {
            _pernet: PernetOperations::register()?,
            scanner,
        })
    }

    /// Begins to look at listeners, once all that it takes to rescue them is there.
    pub(crate) fn scan(&self) -> Scanning {
        self.scanner.start();
        Scanning(self.scanner.clone())
    }
}

/// Listeners are looked at while this exists.
pub(crate) struct Scanning(Arc<Scanner>);

impl Drop for Scanning {
    fn drop(&mut self) {
        self.0.stop();
    }
}
