// SPDX-License-Identifier: GPL-2.0

//! Groups of listeners.
//!
//! C header: [`include/net/sock_reuseport.h`](srctree/include/net/sock_reuseport.h)

use super::{
    keys,
    Connection,
    Listener,
    ListenerRef,
    Program,
    Stalled,
    Stopping, //
};
use crate::bindings;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::sync::rcu;

/// Who is in a group.
#[derive(Clone, Copy)]
enum Members<'a> {
    /// Those of a `struct sock_reuseport`.
    Reuseport(NonNull<bindings::sock_reuseport>),
    /// A listener that has none.
    One(&'a Listener),
}

impl<'a> Members<'a> {
    /// The `i`th listener.
    ///
    /// # Safety
    ///
    /// The group must be valid for `'a`, and have had more than `i` listeners in the
    /// same RCU read section.
    #[inline]
    unsafe fn listener(self, i: u32) -> &'a Listener {
        match self {
            // SAFETY: By the safety requirements. Listeners are freed a grace period after
            // they leave the group (SOCK_RCU_FREE), and elements that were in use are
            // never cleared, only replaced.
            Members::Reuseport(reuse) => unsafe {
                Listener::from_raw(bindings::reuseport_sock(reuse.as_ptr(), i))
            },
            Members::One(listener) => listener,
        }
    }
}

/// The `SO_REUSEPORT` group, `struct sock_reuseport`, of a listener that has stopped, or
/// of its successor. A successor that has none is a group of its own.
///
/// # Invariants
///
/// A `struct sock_reuseport` was read from a listener in the RCU read section of `rcu`.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    members: Members<'a>,
    former: &'a Listener,
    /// Whether it's that of a successor.
    is_successors: bool,
    /// Whether `former` is in `listen_stop()`.
    is_stopping: bool,
    /// Which listeners get no connections, where `former` is alive.
    is_stalled: Option<&'a dyn Fn(&Listener) -> bool>,
    rcu: &'a rcu::Guard,
}

impl<'a> Group<'a> {
    /// Wraps a pointer to a group.
    ///
    /// # Safety
    ///
    /// `reuse` must have been read from `former` in the read section of `rcu`.
    pub(super) unsafe fn from_raw(
        reuse: NonNull<bindings::sock_reuseport>,
        former: &'a Listener,
        rcu: &'a rcu::Guard,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            members: Members::Reuseport(reuse),
            former,
            is_successors: false,
            is_stopping: false,
            is_stalled: None,
            rcu,
        }
    }

    /// The group of the listener that new connections to the former's address go to.
    ///
    /// Must not be called for one that has no reference on its namespace.
    pub(crate) fn of_successor(former: &'a Listener, rcu: &'a rcu::Guard) -> Option<Self> {
        // INVARIANT: By that of the successor's group.
        Some(Self {
            members: Self::successors(former, rcu)?,
            former,
            is_successors: true,
            is_stopping: false,
            is_stalled: None,
            rcu,
        })
    }

    #[cold]
    fn successors(former: &'a Listener, rcu: &'a rcu::Guard) -> Option<Members<'a>> {
        let successor = former
            .lookup(rcu)
            .filter(|&found| !ptr::eq(found, former))?;

        Some(
            successor
                .group(rcu)
                .filter(|group| group.len() > 0)
                .map_or(Members::One(successor), |group| group.members),
        )
    }

    /// The group of the former's successor, if this isn't it.
    ///
    /// Must not be called if the former has no reference on its namespace.
    pub(crate) fn succeeded(&self) -> Option<Self> {
        if self.is_successors {
            return None;
        }
        Some(Self {
            is_stopping: self.is_stopping,
            ..Self::of_successor(self.former, self.rcu)?
        })
    }

    /// Where new connections of `listener` go: its group, itself if it has none, or its
    /// successor if it has stopped.
    ///
    /// Must not be called for one that has no reference on its namespace.
    pub(crate) fn of_live(listener: &'a Listener, rcu: &'a rcu::Guard) -> Option<Self> {
        match listener.group(rcu) {
            Some(group) if group.len() > 0 => Some(group),
            _ if listener.is_listening() => Some(Self {
                // INVARIANT: There's no `struct sock_reuseport`.
                members: Members::One(listener),
                former: listener,
                is_successors: true,
                is_stopping: false,
                is_stalled: None,
                rcu,
            }),
            _ => Self::of_successor(listener, rcu),
        }
    }

    /// The same group, of a listener that is alive. It and others that are stalled get
    /// none of its connections.
    pub(crate) fn of_stalled(
        self,
        _former: &Stalled<'_>,
        is_stalled: &'a dyn Fn(&Listener) -> bool,
    ) -> Self {
        Self {
            is_stopping: true,
            is_stalled: Some(is_stalled),
            ..self
        }
    }

    /// What has the connections of a listener that was the last one in the listening
    /// section: another one of the same group that is parked, if there's one.
    pub(crate) fn or_parked(self) -> Self {
        Self::parked(self.former, self.rcu).map_or(self, |parked| Self {
            members: Members::One(parked),
            is_successors: true,
            ..self
        })
    }

    #[cold]
    fn parked(former: &'a Listener, rcu: &'a rcu::Guard) -> Option<&'a Listener> {
        match Self::successors(former, rcu)? {
            Members::One(parked) if parked.group_key(rcu) == former.group_key(rcu) => Some(parked),
            _ => None,
        }
    }

    /// Whether a listener of the group gets no connections.
    #[inline]
    pub(crate) fn is_stalled(&self, listener: &Listener) -> bool {
        self.is_stalled
            .is_some_and(|is_stalled| is_stalled(listener))
    }

    /// The same group, of a listener that is in `listen_stop()`.
    pub(crate) fn of_stopping(self, _former: &Stopping<'_>) -> Self {
        Self {
            is_stopping: true,
            ..self
        }
    }

    /// The listener whose connections look for another one.
    pub(crate) fn former(&self) -> &'a Listener {
        self.former
    }

    /// The group as it is now, which may be at another place.
    pub(crate) fn again(&self) -> Option<Self> {
        let group = if self.is_successors {
            Self::of_successor(self.former, self.rcu)
        } else {
            self.former.group(self.rcu)
        }?;

        Some(Self {
            is_stopping: self.is_stopping,
            is_stalled: self.is_stalled,
            ..group
        })
    }

    /// The C object, or null.
    pub(super) fn as_raw(&self) -> *mut bindings::sock_reuseport {
        match self.members {
            Members::Reuseport(reuse) => reuse.as_ptr(),
            Members::One(_) => ptr::null_mut(),
        }
    }

    /// Whether a program chooses listeners for SYNs, of whatever type.
    pub(crate) fn has_program(&self) -> bool {
        match self.members {
            // SAFETY: Valid by the type invariant, in an RCU read section.
            Members::Reuseport(reuse) => unsafe {
                !bindings::reuseport_prog(reuse.as_ptr()).is_null()
            },
            Members::One(_) => false,
        }
    }

    /// The program that is asked where connections go when they are migrated.
    pub(crate) fn migrate_program(&self) -> Option<&'a Program> {
        let Members::Reuseport(reuse) = self.members else {
            return None;
        };
        // SAFETY: Valid by the type invariant, in an RCU read section.
        let prog = NonNull::new(unsafe { bindings::reuseport_prog(reuse.as_ptr()) })?;
        // SAFETY: Read under RCU; programs are freed a grace period after they
        // have been detached.
        let prog = unsafe { Program::from_raw(prog) };

        prog.migrates().then_some(prog)
    }

    /// How many listeners the group has, those that have stopped not counted.
    pub(crate) fn len(&self) -> u16 {
        match self.members {
            // SAFETY: Valid by the type invariant.
            Members::Reuseport(reuse) => unsafe { bindings::reuseport_num_socks(reuse.as_ptr()) },
            Members::One(_) => 1,
        }
    }

    /// Whether a listener of the group has set `SO_INCOMING_CPU`.
    pub(crate) fn has_incoming_cpu(&self) -> bool {
        match self.members {
            // SAFETY: Valid by the type invariant.
            Members::Reuseport(reuse) => unsafe {
                bindings::reuseport_has_incoming_cpu(reuse.as_ptr())
            },
            Members::One(_) => false,
        }
    }

    /// Whether a listener that may have one child of the former need not be one that may
    /// have another. So it is if
    ///
    /// * the former is of MPTCP, from which some children have fallen back, or has
    ///   callbacks of another protocol, which some children were made without;
    /// * it is of SMC, which has given its callbacks back by the time that it stops;
    /// * it's bound to a device, and perhaps wasn't always;
    /// * one of the listeners has or had keys.
    pub(crate) fn is_mixed(&self) -> bool {
        self.former.has_callbacks()
            || self.former.is_smc()
            || self.former.device() != 0
            || (keys::in_use() && self.has_keys())
    }

    fn has_keys(&self) -> bool {
        self.former.has_keys() || self.listeners(u16::MAX).any(Listener::has_keys)
    }

    /// The `n` listeners of the group, without those that have stopped: from the
    /// `first(n)`th on and round the group.
    pub(crate) fn round(
        &self,
        first: impl FnOnce(u16) -> u16,
    ) -> impl ExactSizeIterator<Item = &'a Listener> {
        let (members, len) = (self.members, self.len());
        let (start, end) = (u32::from(first(len).min(len)), u32::from(len));

        (0..len).map(move |i| {
            let i = start + u32::from(i);

            // SAFETY: The group is valid by the type invariant, and has `end` listeners.
            unsafe { members.listener(if i < end { i } else { i - end }) }
        })
    }

    /// The listeners of the group, without those that have stopped: all, or the first `most`.
    pub(crate) fn listeners(&self, most: u16) -> impl Iterator<Item = &'a Listener> {
        let members = self.members;

        // SAFETY: The group is valid by the type invariant, and has so many listeners.
        (0..u32::from(self.len().min(most))).map(move |i| unsafe { members.listener(i) })
    }

    /// Whether a listener has the settings of the former, as far as that still has
    /// them.
    pub(crate) fn settings_match(&self, listener: &Listener) -> bool {
        self.former
            .settings_equal(listener, !self.is_stopping, self.rcu)
    }

    /// Whether a listener that is like the former may have this connection.
    pub(crate) fn may_have(&self, listener: &Listener, connection: Connection<'_>) -> bool {
        connection.fits(self.former, listener)
            && connection.keys_match(self.former, listener, self.rcu)
    }

    /// Takes a reference on a listener of the group, if it is alive and may have
    /// this connection.
    pub(super) fn admit(
        &self,
        listener: &Listener,
        connection: Connection<'_>,
    ) -> Option<ListenerRef> {
        let may = listener.is_listening()
            && listener.is_like(self.former)
            && self.may_have(listener, connection);

        if may {
            listener.get()
        } else {
            None
        }
    }
}
