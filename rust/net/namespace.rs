// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and what the module keeps in each.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    types::Opaque, //
};

/// A network namespace, `struct net`.
///
/// # Invariants
///
/// The namespace is alive, or about to be torn down by a caller who waits for
/// us.
#[repr(transparent)]
pub(crate) struct Namespace(Opaque<bindings::net>);

impl Namespace {
    /// Wraps a pointer to a namespace.
    ///
    /// # Safety
    ///
    /// `net` must be valid, and must stay so for `'a`.
    pub(crate) unsafe fn from_raw<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &*net.cast() }
    }

    /// The C object.
    pub(crate) fn as_raw(&self) -> *mut bindings::net {
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

/// Data that exists once per network namespace, from before the first use of
/// the namespace until after the last.
///
/// # Safety
///
/// Zeroed memory must be a valid value of the type.
pub(crate) unsafe trait PerNamespace: Sync + Sized + 'static {
    /// Where the kernel stores the number under which it finds the data.
    fn id() -> &'static Atomic<u32>;

    /// Sets up what is zeroed memory so far. Called in process context for each
    /// namespace that exists, and for each new one.
    fn init(&self, net: &Namespace) -> Result;

    /// Undoes [`PerNamespace::init`]. The memory is freed by the caller.
    fn exit(&self, net: &Namespace);

    /// The data of `net`.
    ///
    /// The caller has a [`PernetOperations`] of this type registered, as it has
    /// whenever a hook runs.
    fn of(net: &Namespace) -> &Self {
        // SAFETY: The namespace is valid by its type invariant, and the id was
        // allocated when the operations were registered.
        let data = unsafe { bindings::net_generic(net.as_raw(), Self::id().load(Relaxed)) };

        // SAFETY: The kernel allocated `size_of::<Self>()` bytes for each
        // namespace, `init` has set them up, and they are freed only after the
        // namespace's last user.
        unsafe { &*data.cast() }
    }
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
    /// Only for the kernel to call, for a namespace whose data is zeroed.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        // SAFETY: The kernel passes a namespace that is being set up, or holds
        // the lock under which none goes away.
        let net = unsafe { Namespace::from_raw(net) };
        // SAFETY: The kernel has allocated zeroed memory for a `T`, which is a
        // valid one by the safety requirements of the trait.
        let data =
            unsafe { &*bindings::net_generic(net.as_raw(), T::id().load(Relaxed)).cast::<T>() };

        from_result(|| data.init(net).map(|()| 0))
    }

    /// Undoes `init`.
    ///
    /// # Safety
    ///
    /// Only for the kernel to call, for a namespace that nobody uses any more.
    unsafe extern "C" fn exit(net: *mut bindings::net) {
        // SAFETY: The kernel passes a namespace that is still there.
        let net = unsafe { Namespace::from_raw(net) };

        T::of(net).exit(net);
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
