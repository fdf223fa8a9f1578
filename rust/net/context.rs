// SPDX-License-Identifier: GPL-2.0

//! The context that the module is called in.

use crate::bindings;

/// The CPU that this runs on, or ran on a moment ago.
pub(crate) fn this_cpu() -> i32 {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::this_cpu() }
}

/// Lets others run, unless a BPF iterator is the caller, which may not sleep.
///
/// Process context, with no lock held that forbids to sleep.
pub(crate) fn cond_resched_unless_bpf() {
    // SAFETY: An FFI call; what it needs of the context is the caller's to see
    // to, and checked by might_sleep() in debugging kernels.
    unsafe { bindings::cond_resched_unless_bpf() }
}
