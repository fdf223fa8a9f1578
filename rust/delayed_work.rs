// SPDX-License-Identifier: GPL-2.0

//! Work that is a part of what it works on, and that ends with it.
//!
//! The kernel crate's delayed work keeps what it works on until it has run, and can't
//! be cancelled.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use crate::bindings;
use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    mem::offset_of, //
};
use kernel::{
    prelude::*,
    time::Jiffies,
    types::Opaque, //
};

/// What there is to do.
pub(crate) trait Work: Send + Sync {
    /// Does it, in process context. Never runs twice at the same time.
    fn run(&self);
}

/// `struct delayed_work`, as a part of a `T`.
///
/// # Invariants
///
/// `inner` is initialised, and comes first. `owner` is what this is a part of.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub(crate) struct DelayedWork<T: Work> {
    #[pin]
    inner: Opaque<bindings::delayed_work>,
    owner: *const T,
    _data: PhantomData<T>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: Any thread may queue and cancel work, and `run` takes a shared reference.
unsafe impl<T: Work> Send for DelayedWork<T> {}

// SAFETY: As above.
unsafe impl<T: Work> Sync for DelayedWork<T> {}

impl<T: Work> DelayedWork<T> {
    /// Work that isn't queued.
    ///
    /// # Safety
    ///
    /// `owner` must be what this is made a part of.
    pub(crate) unsafe fn new(owner: *const T) -> impl PinInit<Self> {
        // INVARIANT: Initialised here; the rest by the safety requirement.
        pin_init!(Self {
            inner <- Opaque::ffi_init(|inner| {
                // SAFETY: Valid memory, that stays where it is.
                unsafe { bindings::init_delayed_work(inner, Some(Self::run)) }
            }),
            owner,
            _data: PhantomData,
            _pin: PhantomPinned,
        })
    }

    /// Has the work done after `delay`, instead of when it was to be done. Any context.
    pub(crate) fn queue(&self, delay: Jiffies) {
        // SAFETY: Initialised, by the type invariant; `cancel` is called before it goes.
        unsafe { bindings::mod_delayed_work(self.inner.get(), delay) }
    }

    /// Waits for the end of the work, and has it never begin again. May sleep.
    pub(crate) fn cancel(&self) {
        // SAFETY: Initialised, by the type invariant.
        unsafe { bindings::disable_delayed_work_sync(self.inner.get()) };
    }

    /// Calls [`Work::run`].
    ///
    /// # Safety
    ///
    /// Only for the kernel to call, with the work of a `Self`.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: `inner` comes first in `Self`, and `work` in that. The owner is alive,
        // as `cancel` waits for this when it's dropped.
        unsafe { (*(*work.cast::<Self>()).owner).run() }
    }
}

#[pinned_drop]
impl<T: Work> PinnedDrop for DelayedWork<T> {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

const _: () = assert!(offset_of!(bindings::delayed_work, work) == 0);
