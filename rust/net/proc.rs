// SPDX-License-Identifier: GPL-2.0

//! Files in `/proc/net`, of which every network namespace has its own.
//!
//! C header: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h)

use super::NewNamespace;
use crate::bindings;
use core::{
    marker::PhantomPinned,
    ops::Deref,
    ptr, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};

/// What a file of a namespace shows.
pub(crate) trait Show: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static CStr;

    /// Writes what is in the file.
    fn show(&self, file: &SeqFile);
}

/// How a file's reader knows the owner of a socket.
pub(crate) fn uid_of(file: &SeqFile, uid: u32) -> u32 {
    // SAFETY: Valid by its type, and one of a process.
    unsafe { bindings::proc_uid(ptr::from_ref(file).cast(), uid) }
}

/// A file in `/proc/net` of a namespace, and what it shows.
///
/// # Invariants
///
/// `entry` is that of the file, which shows `data`.
#[pin_data(PinnedDrop)]
pub(crate) struct NetFile<T: Show> {
    #[pin]
    data: T,
    entry: *mut bindings::proc_dir_entry,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: Only `drop` uses the entry, and that may run on any thread.
unsafe impl<T: Show> Send for NetFile<T> {}

// SAFETY: There's nothing to do with a shared reference but to look at the data.
unsafe impl<T: Show> Sync for NetFile<T> {}

impl<T: Show> NetFile<T> {
    /// Creates the file, in a namespace that is being set up.
    pub(crate) fn new<'a>(
        net: &'a NewNamespace,
        data: impl PinInit<T> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        // INVARIANT: The file is created here.
        try_pin_init!(&this in Self {
            data <- data,
            // SAFETY: The namespace is valid by its type invariant. The data has been
            // set up; it stays where it is until `drop` has removed the file.
            entry: unsafe {
                Self::create(net, ptr::addr_of_mut!((*this.as_ptr()).data))?
            },
            _pin: PhantomPinned,
        }? Error)
    }

    /// Creates a file that shows `data`.
    ///
    /// # Safety
    ///
    /// `data` must be valid as long as there's the file.
    unsafe fn create(net: &NewNamespace, data: *mut T) -> Result<*mut bindings::proc_dir_entry> {
        // SAFETY: The namespace is valid by its type invariant.
        let entry = unsafe {
            bindings::proc_net_create(
                net.as_raw(),
                T::NAME.as_char_ptr(),
                Some(Self::show),
                data.cast(),
            )
        };

        if entry.is_null() {
            Err(ENOMEM)
        } else {
            Ok(entry)
        }
    }

    /// Calls [`Show::show`].
    ///
    /// # Safety
    ///
    /// Only for the kernel to call, for a file that `create` has made.
    unsafe extern "C" fn show(file: *mut bindings::seq_file, _v: *mut c_void) -> c_int {
        // SAFETY: The kernel passes a file that is this caller's alone, of which
        // `create` has passed the data.
        unsafe {
            let data: *const T = bindings::proc_data(file).cast();

            (*data).show(SeqFile::from_raw(file));
        }
        0
    }
}

impl<T: Show> Deref for NetFile<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

#[pinned_drop]
impl<T: Show> PinnedDrop for NetFile<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant. Nobody reads the file any more when this
        // returns.
        unsafe { bindings::proc_remove(self.entry) }
    }
}
