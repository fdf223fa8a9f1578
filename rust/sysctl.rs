// SPDX-License-Identifier: GPL-2.0

//! `net.ipv4.tcp_migrate_req`, in every network namespace.

use crate::{
    bindings,
    net::{Namespace, PerNamespace, PernetOperations}, //
};
use core::ptr;
use kernel::{
    macros::kunit_tests,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    types::Opaque, //
};

/// The bounds that `proc_dou8vec_minmax()` is given.
static OFF: c_uint = 0;
static ON: c_uint = 1;

/// Whether a value is one of `tcp_migrate_req`.
pub(crate) fn is_valid(migrate_req: u8) -> bool {
    (OFF..=ON).contains(&migrate_req.into())
}

static ID: Atomic<u32> = Atomic::new(0);

/// What a namespace's `tcp_migrate_req` begins with.
static DEFAULT: Atomic<u32> = Atomic::new(0);

/// The settings of one network namespace.
///
/// # Invariants
///
/// Between `init` and `exit`, `header` is the registration of `table`, whose
/// only entry reads and writes `migrate_req`.
pub(crate) struct Settings {
    migrate_req: Opaque<u8>,
    table: Opaque<[bindings::ctl_table; 1]>,
    header: Opaque<*mut bindings::ctl_table_header>,
}

// SAFETY: `migrate_req` is only accessed by single volatile loads and stores;
// the rest isn't touched between `init` and `exit`.
unsafe impl Sync for Settings {}

// SAFETY: Numbers, null pointers and absent functions.
unsafe impl PerNamespace for Settings {
    fn id() -> &'static Atomic<u32> {
        &ID
    }

    fn init(&self, net: &Namespace) -> Result {
        let table = bindings::ctl_table {
            procname: c"tcp_migrate_req".as_char_ptr(),
            data: self.migrate_req.get().cast(),
            maxlen: size_of::<u8>() as c_int,
            mode: 0o644,
            proc_handler: Some(bindings::proc_dou8vec_minmax),
            extra1: ptr::addr_of!(OFF).cast_mut().cast(),
            extra2: ptr::addr_of!(ON).cast_mut().cast(),
            ..Default::default()
        };

        // SAFETY: Nobody else knows the fields yet. The table and what it points
        // to live until `exit`, which unregisters it; the bounds are only read.
        let header = unsafe {
            self.migrate_req.get().write(DEFAULT.load(Relaxed) as u8);
            self.table.get().write([table]);
            bindings::register_net_sysctl_sz(
                net.as_raw(),
                c"net/ipv4".as_char_ptr(),
                self.table.get().cast(),
                1,
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

    fn exit(&self) {
        // SAFETY: By the type invariant this is the registration; readers and
        // writers are waited for.
        unsafe { bindings::unregister_net_sysctl_table(*self.header.get()) }
    }
}

impl Settings {
    /// Whether connections of this namespace are migrated.
    pub(crate) fn migrate_req(&self) -> bool {
        // SAFETY: The field is valid. Pairs with WRITE_ONCE() in
        // proc_dou8vec_minmax().
        unsafe { self.migrate_req.get().read_volatile() != 0 }
    }
}

/// The sysctl exists while this does.
pub(crate) struct Registration {
    _pernet: PernetOperations<Settings>,
}

impl Registration {
    /// Adds the sysctl to every current and future network namespace, with
    /// `migrate_req` as its value.
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
}
