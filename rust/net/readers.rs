// SPDX-License-Identifier: GPL-2.0

//! RCU readers that nobody waits for.
//!
//! C header: [`include/linux/rcutree.h`](srctree/include/linux/rcutree.h)

use crate::bindings;
use kernel::ffi::c_ulong;

/// All RCU read sections of one moment.
pub(crate) struct Readers(c_ulong);

impl Readers {
    /// Those of this moment. What was stored before is seen by all later ones. Any context
    /// but NMI.
    pub(crate) fn now() -> Self {
        // SAFETY: An FFI call with no requirements. It begins a grace period.
        Self(unsafe { bindings::start_poll_synchronize_rcu() })
    }

    /// Whether all of them have ended. Any context but NMI.
    pub(crate) fn are_gone(&self) -> bool {
        // SAFETY: An FFI call; the number is one of `start_poll_synchronize_rcu()`.
        unsafe { bindings::poll_state_synchronize_rcu(self.0) }
    }
}
