// SPDX-License-Identifier: GPL-2.0

//! Files in `/proc/net`, of which every network namespace has its own.
//!
//! C header: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h)

use super::{
    Namespace,
    PerNamespace, //
};
use crate::bindings;
use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};

/// What a namespace shows in a file of its own.
pub(crate) trait NetFile: PerNamespace {
    /// The file's name.
    const NAME: &'static CStr;

    /// Writes what is in the file.
    fn show(&self, file: &SeqFile);

    /// Creates the file, in [`PerNamespace::init`].
    fn create(net: &Namespace) -> Result {
        // SAFETY: The namespace is valid by its type invariant, and being set up.
        // The file is removed before the module goes.
        let created = unsafe {
            bindings::proc_net_create(net.as_raw(), Self::NAME.as_char_ptr(), Some(show::<Self>))
        };

        if created {
            Ok(())
        } else {
            Err(ENOMEM)
        }
    }

    /// Removes it, in [`PerNamespace::exit`]. Nobody reads it any more then.
    fn remove(net: &Namespace) {
        // SAFETY: The namespace is valid by its type invariant; the file was
        // created by `create`.
        unsafe { bindings::proc_net_remove(net.as_raw(), Self::NAME.as_char_ptr()) }
    }
}

/// Calls [`NetFile::show`].
///
/// # Safety
///
/// Only for the kernel to call, for a file that [`NetFile::create`] has made.
unsafe extern "C" fn show<T: NetFile>(file: *mut bindings::seq_file, _v: *mut c_void) -> c_int {
    // SAFETY: The kernel passes a valid file, and has stored the namespace there,
    // on which it has a reference.
    let net = unsafe { Namespace::from_raw((*file).private.cast()) };

    // SAFETY: The file is this caller's alone.
    T::of(net).show(unsafe { SeqFile::from_raw(file) });
    0
}
