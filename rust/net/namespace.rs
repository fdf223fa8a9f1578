// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and what the module keeps in each.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    alloc::{
        allocator::Kmalloc,
        Allocator, //
    },
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// A network namespace, `struct net`, in which the module's data is being set up or
/// torn down.
///
/// # Invariants
///
/// The namespace is valid.
#[repr(transparent)]
pub(crate) struct NewNamespace(Opaque<bindings::net>);

impl NewNamespace {
    /// Wraps a pointer to a namespace.
    ///
    /// # Safety
    ///
    /// `net` must be valid, and must stay so for `'a`.
    unsafe fn from_raw<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &*net.cast() }
    }

    /// The C object.
    pub(super) fn as_raw(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// What tells it from other namespaces as long as it exists.
    pub(crate) fn key(&self) -> usize {
        self.as_raw() as usize
    }
}

/// A network namespace, `struct net`, whose listeners hooks are called for, or whose
/// sysctls change.
///
/// That there's one shows that it has all of the module's data.
///
/// # Invariants
///
/// The namespace has all of that: somebody has a reference on it, or uses one of its
/// sysctls; and [`crate::hooks::Registration`] exists, or that of the sysctls, which is
/// made after all others, and dropped before them.
#[repr(transparent)]
pub(crate) struct Namespace(Opaque<bindings::net>);

impl Namespace {
    /// Wraps a pointer to a namespace.
    ///
    /// # Safety
    ///
    /// `net` must be what the type invariant says, for `'a`.
    pub(super) unsafe fn from_raw<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &*net.cast() }
    }

    /// The C object.
    pub(super) fn as_raw(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// Adds `n` to `TCPMigrateReqSuccess`.
    pub(crate) fn add_migrated(&self, n: u32) {
        // SAFETY: By the type invariant, the namespace is valid.
        unsafe { bindings::net_add_migrated(self.as_raw(), n) }
    }

    /// Adds `n` to `TCPMigrateReqFailure`.
    pub(crate) fn add_failed(&self, n: u32) {
        // SAFETY: By the type invariant, the namespace is valid.
        unsafe { bindings::net_add_failed(self.as_raw(), n) }
    }
}

/// Data that exists once per network namespace.
///
/// # Safety
///
/// The [`PernetOperations`] of the type must be part of the [`Operations`] that hooks
/// are registered with, and so outlive [`crate::hooks::Registration`].
///
/// [`Operations`]: crate::hooks::Operations
pub(crate) unsafe trait PerNamespace: Send + Sync + Sized + 'static {
    /// Where the kernel stores the number under which it finds the data.
    fn id() -> &'static Atomic<u32>;

    /// Sets up the data of a namespace in place, in process context. It's dropped
    /// there when the namespace goes, or the [`PernetOperations`] do.
    fn new(net: &NewNamespace) -> impl PinInit<Self, Error>;

    /// The data of a namespace.
    #[inline]
    fn of(net: &Namespace) -> &Self {
        // SAFETY: By its type invariant, the namespace is alive, and hooks or sysctls are
        // registered. So the operations are, by the safety requirement of the trait,
        // and `init` has set up what the id stands for. `exit` drops it when nobody
        // has a reference on the namespace, or there are no hooks and sysctls any more.
        unsafe { &*data(net.as_raw()) }
    }
}

/// Where the data of a namespace is.
///
/// # Safety
///
/// `net` must be valid, and the operations of `T` registered, or about to be.
unsafe fn data<T: PerNamespace>(net: *mut bindings::net) -> *mut T {
    // SAFETY: By the safety requirements.
    unsafe { bindings::net_generic(net, T::id().load(Relaxed)) }.cast()
}

/// `struct pernet_operations`: has every namespace hold a `T`.
///
/// # Invariants
///
/// The operations are registered with the kernel and stay where they are.
pub(crate) struct PernetOperations<T: PerNamespace> {
    ops: NonNull<bindings::pernet_operations>,
    _data: PhantomData<T>,
}

// SAFETY: Nothing but `drop` uses the pointer, and that may run on any thread.
unsafe impl<T: PerNamespace> Send for PernetOperations<T> {}

// SAFETY: There's nothing to do with a shared reference.
unsafe impl<T: PerNamespace> Sync for PernetOperations<T> {}

impl<T: PerNamespace> PernetOperations<T> {
    /// Gives every current and future namespace its `T`.
    pub(crate) fn register() -> Result<Self> {
        const {
            assert!(size_of::<T>() > 0);
            assert!(align_of::<T>() <= Kmalloc::MIN_ALIGN);
        }

        let ops = KBox::new(
            bindings::pernet_operations {
                init: Some(Self::init),
                exit: Some(Self::exit),
                id: T::id().as_ptr(),
                size: size_of::<T>(),
                ..Default::default()
            },
            GFP_KERNEL,
        )?;
        let ops = KBox::into_raw(ops);

        // SAFETY: The operations are valid, and live until they are unregistered.
        let registered = to_result(unsafe { bindings::register_pernet_subsys(ops) });

        if let Err(e) = registered {
            // SAFETY: The kernel refused the operations; they are ours again.
            drop(unsafe { KBox::from_raw(ops) });
            return Err(e);
        }

        // INVARIANT: Registered just now; nobody moves a raw allocation.
        Ok(Self {
            // SAFETY: `KBox::into_raw` never returns a null pointer.
            ops: unsafe { NonNull::new_unchecked(ops) },
            _data: PhantomData,
        })
    }

    /// Sets up the data of a namespace.
    ///
    /// # Safety
    ///
    /// Only for the kernel to call, when it has allocated memory for the data.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        from_result(|| {
            // SAFETY: The kernel passes a namespace that is being set up, or holds
            // the lock under which none goes away.
            let init = T::new(unsafe { NewNamespace::from_raw(net) });

            // SAFETY: The kernel has allocated memory of that size, aligned as
            // `register` asserts, which it frees when this fails. Otherwise it stays
            // where it is until after `exit`.
            unsafe { pin_init::raw_try_init(data::<T>(net), init) }?;
            Ok(0)
        })
    }

    /// Drops the data of a namespace.
    ///
    /// # Safety
    ///
    /// Only for the kernel to call, after `init` and before it frees the memory, for a
    /// namespace on which nobody has a reference, or as it unregisters the operations.
    unsafe extern "C" fn exit(net: *mut bindings::net) {
        // SAFETY: `init` has set it up, and nobody looks at it any more: there's no
        // `Namespace` of it, by that type's invariant.
        unsafe { ptr::drop_in_place(data::<T>(net)) }
    }
}

impl<T: PerNamespace> Drop for PernetOperations<T> {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type invariant. `exit` has run for every
        // namespace when this returns.
        unsafe { bindings::unregister_pernet_subsys(self.ops.as_ptr()) };

        // SAFETY: Comes from `KBox::into_raw`, and the kernel has let go of it.
        drop(unsafe { KBox::from_raw(self.ops.as_ptr()) });
    }
}
