// SPDX-License-Identifier: GPL-2.0

//! Sysctls in `net.ipv4`, of which every network namespace has its own.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)

use super::{
    Namespace,
    NewNamespace, //
};
use crate::bindings;
use core::{
    array,
    marker::PhantomPinned,
    ops::RangeInclusive,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    macros::kunit_tests,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// A sysctl.
pub(crate) struct Sysctl {
    name: &'static CStr,
    /// What it is in a new namespace.
    default: Atomic<u32>,
    /// What it may be.
    values: &'static [RangeInclusive<u32>],
    /// What is called when it has been written, perhaps by others at the same time: it reads
    /// the value under a lock of its own, if the order matters.
    written: fn(&Namespace, &Atomic<u32>),
}

impl Sysctl {
    /// A sysctl that may have any of `values`.
    pub(crate) const fn new(
        name: &'static CStr,
        default: u32,
        values: &'static [RangeInclusive<u32>],
        written: fn(&Namespace, &Atomic<u32>),
    ) -> Self {
        Self {
            name,
            default: Atomic::new(default),
            values,
            written,
        }
    }

    /// Changes what it is in namespaces whose sysctls are yet to be set up.
    pub(crate) fn set_default(&self, value: u32) -> Result {
        self.check(value)?;
        self.default.store(value, Relaxed);
        Ok(())
    }

    /// Whether it may have a value.
    fn check(&self, value: u32) -> Result {
        if self.values.iter().any(|values| values.contains(&value)) {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }
}

/// The sysctls of one namespace.
///
/// # Invariants
///
/// `header` is the registration of `table`. For each sysctl, that has an entry whose
/// `data` is the one of `values`, `extra1` the [`Sysctl`], and `extra2` the namespace.
#[pin_data(PinnedDrop)]
pub(crate) struct SysctlTable<const N: usize> {
    values: [Atomic<u32>; N],
    table: Opaque<[bindings::ctl_table; N]>,
    header: NonNull<bindings::ctl_table_header>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: Only `drop` uses the registration, and that may run on any thread.
unsafe impl<const N: usize> Send for SysctlTable<N> {}

// SAFETY: There's nothing to do with a shared reference but to look at the values.
unsafe impl<const N: usize> Sync for SysctlTable<N> {}

impl<const N: usize> SysctlTable<N> {
    /// Registers the sysctls in a namespace that is being set up.
    pub(crate) fn new<'a>(
        net: &'a NewNamespace,
        sysctls: &'static [Sysctl; N],
    ) -> impl PinInit<Self, Error> + 'a {
        // INVARIANT: The table is made and registered here.
        try_pin_init!(&this in Self {
            values: array::from_fn(|i| Atomic::new(sysctls[i].default.load(Relaxed))),
            table: Opaque::new(array::from_fn(|i| bindings::ctl_table {
                procname: sysctls[i].name.as_char_ptr(),
                // SAFETY: A field of what is being set up.
                data: unsafe { ptr::addr_of_mut!((*this.as_ptr()).values[i]) }.cast(),
                maxlen: size_of::<u32>() as c_int,
                mode: 0o644,
                proc_handler: Some(proc_handler),
                extra1: ptr::from_ref(&sysctls[i]).cast_mut().cast(),
                extra2: net.as_raw().cast(),
                ..Default::default()
            })),
            // SAFETY: The namespace is valid by its type invariant. The table and what
            // it points to have been set up, and stay where they are until `drop` has
            // unregistered it.
            header: NonNull::new(unsafe {
                bindings::register_net_sysctl_sz(
                    net.as_raw(),
                    c"net/ipv4".as_char_ptr(),
                    ptr::addr_of_mut!((*this.as_ptr()).table).cast(),
                    N,
                )
            })
            .ok_or(ENOMEM)?,
            _pin: PhantomPinned,
            _: {
                // SAFETY: The namespace has all of the module's data but what is being set
                // up here, and `written` uses none of that.
                let namespace = unsafe { Namespace::from_raw(net.as_raw()) };

                for sysctl in sysctls {
                    (sysctl.written)(namespace, &sysctl.default);
                }
            },
        }? Error)
    }

    /// The value of the `i`th sysctl.
    #[inline]
    pub(crate) fn value(&self, i: usize) -> u32 {
        self.values[i].load(Relaxed)
    }
}

#[pinned_drop]
impl<const N: usize> PinnedDrop for SysctlTable<N> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant this is the registration; readers and
        // writers are waited for.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) }
    }
}

/// Shows a sysctl, or sets it to what it may be.
///
/// # Safety
///
/// Only for the kernel to call, with an entry of [`SysctlTable::table`].
unsafe extern "C" fn proc_handler(
    table: *const bindings::ctl_table,
    write: c_int,
    buffer: *mut c_void,
    lenp: *mut usize,
    ppos: *mut bindings::loff_t,
) -> c_int {
    // SAFETY: By the invariant of the table, which is registered. So the namespace has its
    // sysctls, one of which is used.
    let (entry, sysctl, value, namespace) = unsafe {
        let entry = *table;

        (
            entry,
            &*entry.extra1.cast::<Sysctl>(),
            &*entry.data.cast::<Atomic<u32>>(),
            Namespace::from_raw(entry.extra2.cast()),
        )
    };
    let mut number = value.load(Relaxed);
    let copy = bindings::ctl_table {
        data: ptr::addr_of_mut!(number).cast(),
        extra1: ptr::null_mut(),
        extra2: ptr::null_mut(),
        ..entry
    };

    from_result(|| {
        // SAFETY: An entry for a number, without limits, and what the kernel passes.
        to_result(unsafe { bindings::proc_douintvec_minmax(&copy, write, buffer, lenp, ppos) })?;
        if write != 0 {
            sysctl.check(number)?;
            value.store(number, Relaxed);
            (sysctl.written)(namespace, value);
        }
        Ok(0)
    })
}

#[kunit_tests(tcp_migrate_sysctl)]
mod tests {
    use super::*;

    static SYSCTL: Sysctl = Sysctl::new(c"sysctl", 0, &[0..=0, 100..=60_000], |_, _| ());

    #[test]
    fn may_be_one_of_its_values() {
        for value in [0, 100, 101, 60_000] {
            assert!(SYSCTL.check(value).is_ok());
        }
        for value in [1, 99, 60_001, u32::MAX] {
            assert!(SYSCTL.check(value) == Err(EINVAL));
        }
    }

    #[test]
    fn defaults_to_one_of_its_values() {
        let sysctl = Sysctl::new(c"sysctl", 0, &[0..=1], |_, _| ());

        assert!(sysctl.set_default(1).is_ok());
        assert!(sysctl.set_default(2) == Err(EINVAL));
        assert_eq!(sysctl.default.load(Relaxed), 1);
    }
}
