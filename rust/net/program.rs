// SPDX-License-Identifier: GPL-2.0

//! BPF programs that choose a listener.
//!
//! C header: [`include/linux/filter.h`](srctree/include/linux/filter.h)

use super::{
    Connection,
    Group,
    Listener,
    ListenerRef, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::from_err_ptr,
    types::Opaque, //
};

/// A program attached to a group, `struct bpf_prog`.
///
/// # Invariants
///
/// Valid as long as a reference to this type exists.
#[repr(transparent)]
pub(crate) struct Program(Opaque<bindings::bpf_prog>);

/// What a program says about a connection.
pub(crate) enum Verdict {
    /// This listener is to have it, `bpf_sk_select_reuseport()`.
    Listener(ListenerRef),
    /// Any listener may have it: the program has chosen none, or one that can't
    /// take it.
    Any,
    /// None is to have it, `SK_DROP`.
    Cancel,
    /// There was no memory to ask the program.
    NoMemory,
}

impl Program {
    /// Wraps a pointer to a program.
    ///
    /// # Safety
    ///
    /// `prog` must be what the type invariant says, for `'a`.
    pub(crate) unsafe fn from_raw<'a>(prog: NonNull<bindings::bpf_prog>) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { prog.cast().as_ref() }
    }

    /// Whether the program chooses among listeners for migration, too:
    /// `BPF_SK_REUSEPORT_SELECT_OR_MIGRATE`.
    pub(crate) fn migrates(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::bpf_prog_migrates(self.0.get()) }
    }

    /// Asks the program, which [`Program::migrates`], where a connection is to
    /// go. It sees `packet`.
    pub(crate) fn run(
        &self,
        group: &Group<'_>,
        connection: Connection<'_>,
        packet: &mut Packet<'_>,
    ) -> Verdict {
        let Some(skb) = packet.get() else {
            return Verdict::NoMemory;
        };
        // SAFETY: All are valid by their type invariants, and the group shows
        // that the caller is in an RCU read section. The program is of the type
        // that expects what it's given here, since it migrates.
        let chosen = from_err_ptr(unsafe {
            bindings::run_sk_reuseport(
                group.as_raw(),
                group.former().as_raw(),
                self.0.get(),
                skb.as_ptr(),
                connection.as_raw(),
            )
        });

        match chosen {
            Err(_) => Verdict::Cancel,
            Ok(sk) if sk.is_null() => Verdict::Any,
            Ok(sk) => {
                // SAFETY: A program can only choose sockets of the group, which
                // are freed a grace period after they leave it.
                let listener = unsafe { Listener::from_raw(sk) };

                group
                    .admit(listener, connection)
                    .map_or(Verdict::Any, Verdict::Listener)
            }
        }
    }
}

/// What a program looks at: the segment that has arrived or, if there's none, a
/// packet without data. That is allocated when a program is first asked.
///
/// # Invariants
///
/// `skb` is valid for `'a`, or null as long as there's no packet; ours to free if
/// `owned`.
pub(crate) struct Packet<'a> {
    skb: *mut bindings::sk_buff,
    owned: bool,
    _segment: PhantomData<&'a ()>,
}

impl Packet<'_> {
    /// The segment `skb`, or no packet if that is null.
    ///
    /// # Safety
    ///
    /// `skb` must be what the type invariant says.
    pub(crate) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            skb,
            owned: false,
            _segment: PhantomData,
        }
    }

    /// A packet without data.
    pub(crate) fn empty() -> Self {
        // SAFETY: No packet so far.
        unsafe { Self::from_raw(ptr::null_mut()) }
    }

    /// Whether it's a segment that has arrived.
    pub(crate) fn is_segment(&self) -> bool {
        !self.skb.is_null() && !self.owned
    }

    /// The C object. Any context; `None` when memory is short.
    fn get(&mut self) -> Option<NonNull<bindings::sk_buff>> {
        if self.skb.is_null() {
            // INVARIANT: Allocated for us, or null.
            //
            // SAFETY: An FFI call with no requirements.
            self.skb = unsafe { bindings::empty_skb_alloc() };
            self.owned = true;
        }
        NonNull::new(self.skb)
    }
}

impl Drop for Packet<'_> {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: Owned, by the type invariant; null is nothing to free.
            unsafe { bindings::kfree_skb(self.skb) }
        }
    }
}
