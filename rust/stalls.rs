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
        for_each_waiting,
        Head,
        ListenerRef,
        Namespace,
        NetFile,
        NewNamespace,
        PerNamespace,
        PernetOperations,
        Show,
        Stalled, //
    },
};
use core::ptr;
use kernel::{
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
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

/// A listener is parked for no longer than this before it's tried again.
const LONGEST: Delta = Delta::from_secs(60);

/// What is done for a listener that is stalled: moves what waits there to siblings.
pub(crate) type Rescue = fn(&Stalled<'_>);

/// The stall time that a namespace wants.
struct Wanted {
    namespace: usize,
    stall: Delta,
}

/// A listener in whose queue something waits.
struct Waiting {
    listener: ListenerRef,
    head: Option<Head>,
    /// Since when that was the head.
    since: Instant<Monotonic>,
    stall: Delta,
}

impl Waiting {
    fn is_stalled(&self) -> bool {
        self.head.is_some() && self.since.elapsed() >= self.stall
    }
}

/// What the last look has shown of one. It keeps no listener.
struct Seen {
    cookie: u64,
    head: Option<Head>,
    since: Instant<Monotonic>,
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

/// What is known of all listeners.
struct State {
    wanted: KVec<Wanted>,
    seen: KVec<Seen>,
    parked: KVec<Parked>,
}

/// Looks for listeners that are stalled.
#[pin_data]
pub(crate) struct Scanner {
    rescue: Rescue,
    #[pin]
    state: Mutex<State>,
    #[pin]
    work: DelayedWork<Self>,
}

/// The one that there is, as long as there's a [`Registration`].
static SCANNER: Atomic<*mut Scanner> = Atomic::new(ptr::null_mut());

impl Scanner {
    fn new(rescue: Rescue) -> impl PinInit<Self> {
        pin_init!(&this in Self {
            rescue,
            state <- new_mutex!(State {
                wanted: KVec::new(),
                seen: KVec::new(),
                parked: KVec::new(),
            }),
            // SAFETY: It's a part of this.
            work <- unsafe { DelayedWork::new(this.as_ptr()) },
        })
    }

    /// Says for how long a queue may stand still in a namespace; `None` for ever. Process
    /// context. Fails when memory is short.
    pub(crate) fn want(&self, namespace: usize, stall: Option<Delta>) -> Result {
        let mut state = self.state.lock();

        state.wanted.retain(|wanted| wanted.namespace != namespace);
        if let Some(stall) = stall {
            state.wanted.push(Wanted { namespace, stall }, GFP_KERNEL)?;
        }
        drop(state);
        self.work.queue(0);
        Ok(())
    }
}

impl State {
    fn stall_of(&self, namespace: usize) -> Option<Delta> {
        self.wanted
            .iter()
            .find(|wanted| wanted.namespace == namespace)
            .map(|wanted| wanted.stall)
    }

    /// Looks at all listeners in whose queue something waits.
    fn look(&mut self) -> KVec<Waiting> {
        let now = Instant::now();
        let mut waiting = KVec::new();

        if self.wanted.is_empty() {
            return waiting;
        }

        for_each_waiting(|listener| {
            if !listener.has_reuseport() || !listener.holds_namespace() {
                return;
            }
            let Some(stall) = self.stall_of(listener.namespace_key()) else {
                return;
            };
            let Some(listener) = listener.get() else {
                return;
            };
            let (cookie, head) = (listener.cookie(), listener.head());
            let since = self
                .seen
                .binary_search_by_key(&cookie, |seen| seen.cookie)
                .ok()
                .map(|i| &self.seen[i])
                .filter(|seen| seen.head == head)
                .map_or(now, |seen| seen.since);

            // Where memory is short, it's seen next time.
            let _ = waiting.push(
                Waiting {
                    listener,
                    head,
                    since,
                    stall,
                },
                GFP_ATOMIC,
            );
        });

        self.seen.clear();
        for waiting in &waiting {
            let _ = self.seen.push(
                Seen {
                    cookie: waiting.listener.cookie(),
                    head: waiting.head,
                    since: waiting.since,
                },
                GFP_KERNEL,
            );
        }
        self.seen.sort_unstable_by_key(|seen| seen.cookie);
        waiting
    }

    /// Notes that a listener is stalled, and has new connections keep away from it. Fails
    /// when memory is short.
    fn park(&mut self, waiting: &Waiting, stalled: &Stalled<'_>) -> Result<&mut Parked> {
        let of = |parked: &Parked| ptr::eq(&*parked.listener, &*waiting.listener);

        if !self.parked.iter().any(of) {
            self.parked.push(
                Parked {
                    listener: waiting.listener.clone(),
                    since: waiting.since,
                    is_parked: false,
                    until: Instant::now(),
                    wait: waiting.stall + waiting.stall,
                    times: 0,
                    rest: None,
                },
                GFP_KERNEL,
            )?;
        }
        let parked = self.parked.iter_mut().find(|parked| of(parked));
        let parked = parked.ok_or(ENOENT)?;

        if !parked.is_parked {
            stalled.park(true);
            parked.is_parked = true;
            parked.until = Instant::now() + parked.wait;
            parked.wait = (parked.wait + parked.wait).min(LONGEST);
            parked.times += 1;
        }
        Ok(parked)
    }

    /// Lets listeners take part again: that have accepted something, that are the last
    /// ones, or that are to be tried. Forgets about those that didn't stall again.
    fn release(&mut self) {
        let (wanted, now) = (&self.wanted, Instant::now());

        self.parked.retain(|parked| {
            let listener = &parked.listener;

            if !listener.is_listening() {
                return false;
            }

            let head = listener.head();
            let has_accepted = parked.rest.is_some() && parked.rest != head;
            let is_over = (parked.until - now).is_negative();
            let is_last = !listener.has_sibling(&rcu::read_lock());
            let is_wanted = wanted
                .iter()
                .any(|wanted| wanted.namespace == listener.namespace_key());
            let was_parked = parked.is_parked;

            parked.rest = head;
            if was_parked && (has_accepted || is_over || is_last || !is_wanted) {
                if let Some(stalled) = Stalled::lock(listener) {
                    stalled.park(false);
                }
                parked.is_parked = false;
                parked.until = now + parked.wait;
            }
            is_wanted && !has_accepted && (was_parked || !is_over)
        });
    }
}

impl Work for Scanner {
    fn run(&self) {
        let mut state = self.state.lock();
        let waiting = state.look();

        for i in 0..waiting.len() {
            if !waiting[i].is_stalled() || !has_better(&waiting, i) {
                continue;
            }
            let Some(stalled) = Stalled::lock(&waiting[i].listener) else {
                continue;
            };

            if !stalled.is_nonblocking() || stalled.head() != waiting[i].head {
                continue;
            }
            if let Ok(parked) = state.park(&waiting[i], &stalled) {
                (self.rescue)(&stalled);
                parked.rest = stalled.head();
            }
        }
        state.release();

        let next = state.wanted.iter().map(|wanted| wanted.stall).min();

        if let Some(stall) = next {
            self.work
                .queue(msecs_to_jiffies((stall.as_millis() / 2) as Msecs));
        }
    }
}

/// Whether a listener has a sibling that isn't stalled.
fn has_better(waiting: &[Waiting], i: usize) -> bool {
    let rcu = rcu::read_lock();
    let listener = &*waiting[i].listener;

    listener.has_sibling_where(&rcu, |sibling| {
        sibling.is_like(listener)
            && !waiting
                .iter()
                .any(|other| ptr::eq(&*other.listener, sibling) && other.is_stalled())
    })
}

/// What a namespace shows of those that have been stalled.
pub(crate) struct Stalls {
    namespace: usize,
}

static ID: Atomic<u32> = Atomic::new(0);

// SAFETY: Of `migrate::Migration`, which has our `Registration`.
unsafe impl PerNamespace for NetFile<Stalls> {
    fn id() -> &'static Atomic<u32> {
        &ID
    }

    fn new(net: &NewNamespace) -> impl PinInit<Self, Error> {
        NetFile::new(
            net,
            Stalls {
                namespace: net.key(),
            },
        )
    }
}

impl Stalls {
    /// Those of a namespace.
    pub(crate) fn of(namespace: &Namespace) -> &Self {
        NetFile::<Self>::of(namespace)
    }

    /// Says for how long a queue may stand still; `None` for ever.
    pub(crate) fn want(&self, stall: Option<Delta>) -> Result {
        self.scanner()
            .map_or(Ok(()), |scanner| scanner.want(self.namespace, stall))
    }

    fn scanner(&self) -> Option<&Scanner> {
        // SAFETY: `Registration` has the scanner outlive all of these.
        unsafe { SCANNER.load(Acquire).as_ref() }
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        // Nothing to allocate.
        let _ = self.want(None);
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
        for parked in &scanner.state.lock().parked {
            let listener = &parked.listener;

            if listener.namespace_key() != self.namespace {
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

/// Listeners are looked at while this exists.
pub(crate) struct Registration {
    _pernet: PernetOperations<NetFile<Stalls>>,
    _scanner: Pin<KBox<Scanner>>,
}

impl Registration {
    /// Looks for stalled listeners in every current and future network namespace that wants
    /// it, and has them rescued.
    pub(crate) fn new(rescue: Rescue) -> Result<Self> {
        let scanner = KBox::pin_init(Scanner::new(rescue), GFP_KERNEL)?;

        SCANNER.store(ptr::from_ref(&*scanner).cast_mut(), Release);
        // Dropped before the scanner.
        Ok(Self {
            _pernet: PernetOperations::register()?,
            _scanner: scanner,
        })
    }
}
