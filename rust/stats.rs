// SPDX-License-Identifier: GPL-2.0

//! Counters of what became of connections, in every network namespace:
//! `/proc/net/tcp_migrate`.

use crate::{
    net::{
        Namespace,
        NetFile,
        NewNamespace,
        PerNamespace,
        PernetOperations,
        Show, //
    },
    policy::outcome::{
        Outcome,
        Path, //
    },
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

static ID: Atomic<u32> = Atomic::new(0);

/// The counters of one network namespace.
pub(crate) struct Counters([[Atomic<u64>; Outcome::ALL.len()]; Path::ALL.len()]);

// SAFETY: Of `migrate::Migration`, which has our `Registration`.
unsafe impl PerNamespace for NetFile<Counters> {
    fn id() -> &'static Atomic<u32> {
        &ID
    }

    fn new(net: &NewNamespace) -> impl PinInit<Self, Error> {
        NetFile::new(net, Counters::new())
    }
}

impl Show for Counters {
    const NAME: &'static CStr = c"tcp_migrate";

    /// A line for each outcome, with a column for each path, and a heading.
    fn show(&self, file: &SeqFile) {
        seq_print!(file, "{:<12}", "outcome");
        for path in Path::ALL {
            seq_print!(file, " {:>12}", text(path.name()));
        }
        seq_print!(file, "\n");

        for outcome in Outcome::ALL {
            seq_print!(file, "{:<12}", text(outcome.name()));
            for path in Path::ALL {
                seq_print!(file, " {:>12}", self.counter(path, outcome).load(Relaxed));
            }
            seq_print!(file, "\n");
        }
    }
}

impl Counters {
    const fn new() -> Self {
        Self([const { [const { Atomic::new(0) }; Outcome::ALL.len()] }; Path::ALL.len()])
    }

    fn counter(&self, path: Path, outcome: Outcome) -> &Atomic<u64> {
        &self.0[path as usize][outcome as usize]
    }
}

/// A name that can be padded.
fn text(name: &CStr) -> &str {
    name.to_str().unwrap_or_default()
}

/// Counts that `n` connections of a namespace had this outcome, here and in
/// `TCPMigrateReq*` of `/proc/net/netstat`, so that the sums of both agree.
pub(crate) fn count(namespace: &Namespace, path: Path, outcome: Outcome, n: u32) {
    if outcome.is_success() {
        namespace.add_migrated(n);
    } else {
        namespace.add_failed(n);
    }
    NetFile::<Counters>::of(namespace)
        .counter(path, outcome)
        .add(n.into(), Relaxed);
}

/// The counters exist while this does.
pub(crate) struct Registration {
    _pernet: PernetOperations<NetFile<Counters>>,
}

impl Registration {
    /// Has every current and future network namespace count.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            _pernet: PernetOperations::register()?,
        })
    }
}
