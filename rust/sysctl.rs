// SPDX-License-Identifier: GPL-2.0

//! The sysctls, `net.ipv4.tcp_migrate_req` and those that begin with that name,
//! in every network namespace.

use crate::{
    net::{
        self,
        Namespace,
        NewNamespace,
        PerNamespace,
        PernetOperations,
        SysctlTable, //
    },
    orphans::Orphans,
    policy::{
        Match,
        Preferences,
        Unread, //
    },
    stalls::Stalls,
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::Delta, //
};

/// Defines the sysctls: of each its name, what it is in a new namespace, what it may be,
/// and what is called when it has been written.
macro_rules! sysctls {
    ($($Sysctl:ident = $name:literal, $default:expr, [$($values:expr),+], $written:expr;)+) => {
        /// The sysctls.
        #[derive(Clone, Copy)]
        pub(crate) enum Sysctl {
            $($Sysctl,)+
        }

        /// How many there are.
        const COUNT: usize = [$($name),+].len();

        static SYSCTLS: [net::Sysctl; COUNT] =
            [$(net::Sysctl::new($name, $default, &[$($values),+], $written)),+];
    };
}

sysctls! {
    MigrateReq = c"tcp_migrate_req", 0, [0..=1], migrated;
    Match = c"tcp_migrate_req_match", Match::Prefer as u32, [0..=Match::Require as u32], ignored;
    Balance = c"tcp_migrate_req_balance", 1, [0..=1], ignored;
    Stall = c"tcp_migrate_req_stall_ms", 0, [0..=0, 100..=60_000], scanned;
    Unread = c"tcp_migrate_req_unread", Unread::Never as u32, [0..=Unread::AnyExit as u32], ignored;
    Grace = c"tcp_migrate_req_grace_ms", 0, [0..=60_000], orphaned;
}

fn ignored(_namespace: &Namespace, _value: &Atomic<u32>) {}

fn migrated(namespace: &Namespace, value: &Atomic<u32>) {
    Stalls::of(namespace).set_migrate_req(|| value.load(Relaxed) != 0);
    Orphans::of(namespace).set_migrate_req(|| value.load(Relaxed) != 0);
}

fn scanned(namespace: &Namespace, value: &Atomic<u32>) {
    Stalls::of(namespace).set_stall(|| milliseconds(value));
}

fn orphaned(namespace: &Namespace, value: &Atomic<u32>) {
    Orphans::of(namespace).set_grace(|| milliseconds(value));
}

/// A time, if there's one.
fn milliseconds(value: &Atomic<u32>) -> Option<Delta> {
    match value.load(Relaxed) {
        0 => None,
        value => Some(Delta::from_millis(value.into())),
    }
}

impl Sysctl {
    /// Changes what it is in namespaces whose sysctls are yet to be set up.
    pub(crate) fn set_default(self, value: u32) -> Result {
        SYSCTLS[self as usize].set_default(value)
    }
}

static ID: Atomic<u32> = Atomic::new(0);

/// The sysctls of one network namespace.
#[pin_data]
pub(crate) struct Sysctls {
    #[pin]
    table: SysctlTable<COUNT>,
}

// SAFETY: Of `migrate::Migration`, which has our `Registration`.
unsafe impl PerNamespace for Sysctls {
    fn id() -> &'static Atomic<u32> {
        &ID
    }

    fn new(net: &NewNamespace) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            table <- SysctlTable::new(net, &SYSCTLS),
        }? Error)
    }
}

impl Sysctls {
    fn value(&self, sysctl: Sysctl) -> u32 {
        self.table.value(sysctl as usize)
    }

    /// Whether connections of this namespace are migrated.
    pub(crate) fn migrate_req(&self) -> bool {
        self.value(Sysctl::MigrateReq) != 0
    }

    /// Whether listeners may go on without a process.
    pub(crate) fn has_grace(&self) -> bool {
        self.migrate_req() && self.value(Sysctl::Grace) != 0
    }

    /// When a process's connections are given back.
    pub(crate) fn unread(&self) -> Unread {
        if self.migrate_req() {
            self.value(Sysctl::Unread).into()
        } else {
            Unread::Never
        }
    }

    /// What counts where several listeners may have a connection.
    pub(crate) fn preferences(&self) -> Preferences {
        Preferences {
            matching: self.value(Sysctl::Match).into(),
            balance: self.value(Sysctl::Balance) != 0,
        }
    }
}

/// The sysctls exist while this does.
pub(crate) struct Registration {
    _pernet: PernetOperations<Sysctls>,
}

impl Registration {
    /// Adds the sysctls to every current and future network namespace.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            _pernet: PernetOperations::register()?,
        })
    }
}
