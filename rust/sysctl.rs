// SPDX-License-Identifier: GPL-2.0

//! The sysctls, `net.ipv4.tcp_migrate_req` and those that begin with that name,
//! in every network namespace.

use crate::{
    bindings,
    net::{
        Namespace,
        PerNamespace,
        PernetOperations, //
    },
    policy::{
        Match,
        Preferences, //
    },
};
use core::{
    array,
    ptr, //
};
use kernel::{
    macros::kunit_tests,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// One sysctl.
struct Sysctl {
    name: &'static CStr,
    /// The largest value; the least is 0.
    max: &'static c_uint,
}

/// The least value, for `proc_dou8vec_minmax()`.
static MIN: c_uint = 0;

/// The sysctls, in the order of [`Sysctls::values`].
static SYSCTLS: [Sysctl; COUNT] = [
    Sysctl {
        name: c"tcp_migrate_req",
        max: &1,
    },
    Sysctl {
        name: c"tcp_migrate_req_match",
        max: &2,
    },
    Sysctl {
        name: c"tcp_migrate_req_balance",
        max: &1,
    },
];

const MIGRATE_REQ: usize = 0;
const MATCH: usize = 1;
const BALANCE: usize = 2;
const COUNT: usize = 3;

/// Whether a value is one of `tcp_migrate_req`.
pub(crate) fn is_valid(migrate_req: u8) -> bool {
    u32::from(migrate_req) <= *SYSCTLS[MIGRATE_REQ].max
}

static ID: Atomic<u32> = Atomic::new(0);

/// What a namespace's `tcp_migrate_req` begins with.
static DEFAULT: Atomic<u32> = Atomic::new(0);

/// The sysctls of one network namespace.
///
/// # Invariants
///
/// Between `init` and `exit`, `header` is the registration of `table`, whose
/// entries read and write `values`.
pub(crate) struct Sysctls {
    values: [Opaque<u8>; COUNT],
    table: Opaque<[bindings::ctl_table; COUNT]>,
    header: Opaque<*mut bindings::ctl_table_header>,
}

// SAFETY: `values` are only accessed by single volatile loads and stores; the rest
// isn't touched between `init` and `exit`.
unsafe impl Sync for Sysctls {}

// SAFETY: Numbers, null pointers and absent functions.
unsafe impl PerNamespace for Sysctls {
    fn id() -> &'static Atomic<u32> {
        &ID
    }

    fn init(&self, net: &Namespace) -> Result {
        let table = array::from_fn(|i| bindings::ctl_table {
            procname: SYSCTLS[i].name.as_char_ptr(),
            data: self.values[i].get().cast(),
            maxlen: size_of::<u8>() as c_int,
            mode: 0o644,
            proc_handler: Some(bindings::proc_dou8vec_minmax),
            extra1: ptr::addr_of!(MIN).cast_mut().cast(),
            extra2: ptr::from_ref(SYSCTLS[i].max).cast_mut().cast(),
            ..Default::default()
        });

        // SAFETY: Nobody else knows the fields yet. The table and what it points
        // to live until `exit`, which unregisters it; the bounds are only read.
        let header = unsafe {
            self.values[MIGRATE_REQ]
                .get()
                .write(DEFAULT.load(Relaxed) as u8);
            self.values[MATCH].get().write(Match::Prefer as u8);
            self.values[BALANCE].get().write(true.into());
            self.table.get().write(table);
            bindings::register_net_sysctl_sz(
                net.as_raw(),
                c"net/ipv4".as_char_ptr(),
                self.table.get().cast(),
                COUNT,
            )
        };
        if header.is_null() {
            return Err(ENOMEM);
        }

        // INVARIANT: Registered just now.
        //
        // SAFETY: As above.
        unsafe { self.header.get().write(header) };
        Ok(())
    }

    fn exit(&self, _net: &Namespace) {
        // SAFETY: By the type invariant this is the registration; readers and
        // writers are waited for.
        unsafe { bindings::unregister_net_sysctl_table(*self.header.get()) }
    }
}

impl Sysctls {
    fn value(&self, i: usize) -> u8 {
        // SAFETY: The value is valid. Pairs with WRITE_ONCE() in
        // proc_dou8vec_minmax().
        unsafe { self.values[i].get().read_volatile() }
    }

    /// Whether connections of this namespace are migrated.
    pub(crate) fn migrate_req(&self) -> bool {
        self.value(MIGRATE_REQ) != 0
    }

    /// What counts where several listeners may have a connection.
    pub(crate) fn preferences(&self) -> Preferences {
        Preferences {
            matching: self.value(MATCH).into(),
            balance: self.value(BALANCE) != 0,
        }
    }
}

/// The sysctls exist while this does.
pub(crate) struct Registration {
    _pernet: PernetOperations<Sysctls>,
}

impl Registration {
    /// Adds the sysctls to every current and future network namespace, with
    /// `migrate_req` as the value of the first.
    pub(crate) fn new(migrate_req: u8) -> Result<Self> {
        DEFAULT.store(migrate_req.into(), Relaxed);

        Ok(Self {
            _pernet: PernetOperations::register()?,
        })
    }
}

#[kunit_tests(tcp_migrate_sysctl)]
mod tests {
    use super::*;

    #[test]
    fn is_off_or_on() {
        assert!(is_valid(0));
        assert!(is_valid(1));
        assert!(!is_valid(2));
        assert!(!is_valid(u8::MAX));
    }

    #[test]
    fn matches_as_documented() {
        assert!(Match::from(0) == Match::Any);
        assert!(Match::from(1) == Match::Prefer);
        assert!(Match::from(2) == Match::Require);
    }
}
