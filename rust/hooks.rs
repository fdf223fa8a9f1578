// SPDX-License-Identifier: GPL-2.0

//! The hooks through which the kernel asks for a migration.
//!
//! C header: `include/net/tcp_migrate.h`, which says what each op is called
//! with. Here, pointers from C become safe types.

use crate::{
    bindings,
    net::{
        Abandoned,
        Closing,
        ExpiringRequest,
        GivenBack,
        Kept,
        Listener,
        ListenerRef,
        NewChild,
        Packet,
        Program,
        Request,
        RequestRef,
        Stopping,
        Target, //
    },
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::rcu, //
};

/// What decides and carries out migrations.
#[vtable]
pub(crate) trait Operations: 'static {
    /// Whether to keep `listener`, which leaves the listening section of its group,
    /// in the closed section, from where its requests find the group. `program` is
    /// the group's. Called with `reuseport_lock` held.
    fn keep_closed(_listener: &Listener, _program: Option<&Program>) -> bool {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Moves what it can from the accept queue of `former`, which has stopped. Called
    /// in process context with the socket locked; may sleep, unless a BPF
    /// iterator is the caller.
    fn listen_stop(_former: Stopping<'_>) {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// A live listener for `req`, whose own listener `former` has stopped. Programs
    /// are shown `packet`. Called in softirq.
    fn select(
        _former: &Listener,
        _req: &Request,
        _packet: Packet<'_>,
        _rcu: &rcu::Guard,
    ) -> Option<ListenerRef> {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Queues `child` on the listener that was found for it, or on another if that
    /// has stopped. Whether it's queued. Called in softirq, with the child locked.
    fn complete(_child: NewChild<'_>, _rcu: &rcu::Guard) -> bool {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// `listener`, which was selected for a request at its final ACK, could not
    /// make a child: there's no room in its accept queue, or no memory. Called in
    /// softirq.
    fn refused(_listener: &Listener, _req: &Request, _rcu: &rcu::Guard) {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// The SYN+ACK timer of `req` has run. By the settings of `to`, which was selected
    /// for it, it has expired if `expire`, and its SYN+ACK is to be sent again if `resend`.
    /// Returns the reference unless the request goes on with it, and its timer is armed.
    /// Called in softirq.
    fn timer(
        _to: ListenerRef,
        _req: ExpiringRequest<'_>,
        _expire: bool,
        _resend: bool,
        _rcu: &rcu::Guard,
    ) -> Option<ListenerRef> {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Keeps a listener that has lost its last file descriptor, so that it goes on.
    /// Otherwise it's closed. Called in process context with the socket locked; may sleep.
    fn orphan(_listener: Closing<'_>) -> Option<Kept> {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// The orphaned listener for a target, for which there's no other. Called in softirq
    /// or process context.
    fn orphaned<'a>(_target: &Target<'_>, _rcu: &'a rcu::Guard) -> Option<&'a Listener> {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// `listener` has begun to listen, while there are orphans. Called in process context
    /// with the socket locked.
    fn listen_start(_listener: &Listener, _rcu: &rcu::Guard) {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Gives a connection back that a dying process has accepted. Otherwise it's closed.
    /// Called in process context with nothing locked; may sleep.
    fn unread(_child: Abandoned<'_>) -> Option<GivenBack> {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// The C side of [`Operations`].
struct Adapter<T: Operations>(PhantomData<T>);

/// The op of that name if `T` implements it, or a null pointer.
macro_rules! op {
    ($has:ident, $op:ident) => {
        if T::$has {
            Some(Self::$op)
        } else {
            None
        }
    };
}

impl<T: Operations> Adapter<T> {
    const OPS: bindings::tcp_migrate_ops = bindings::tcp_migrate_ops {
        keep_closed: op!(HAS_KEEP_CLOSED, keep_closed),
        listen_stop: op!(HAS_LISTEN_STOP, listen_stop),
        select: op!(HAS_SELECT, select),
        complete: op!(HAS_COMPLETE, complete),
        refused: op!(HAS_REFUSED, refused),
        timer: op!(HAS_TIMER, timer),
        orphan: op!(HAS_ORPHAN, orphan),
        orphaned: op!(HAS_ORPHANED, orphaned),
        listen_start: op!(HAS_LISTEN_START, listen_start),
        unread: op!(HAS_UNREAD, unread),
    };

    /// Calls [`Operations::keep_closed`].
    ///
    /// # Safety
    ///
    /// `sk` must be a TCP listener, and `prog` its group's program or null, with
    /// `reuseport_lock` held.
    unsafe extern "C" fn keep_closed(
        sk: *mut bindings::sock,
        prog: *mut bindings::bpf_prog,
    ) -> bool {
        // SAFETY: The kernel passes a TCP listener that it holds.
        let listener = unsafe { Listener::from_raw(sk) };
        // SAFETY: The lock keeps the program attached.
        let program = NonNull::new(prog).map(|prog| unsafe { Program::from_raw(prog) });

        T::keep_closed(listener, program)
    }

    /// Calls [`Operations::listen_stop`].
    ///
    /// # Safety
    ///
    /// `sk` must be a TCP listener that has stopped, locked by the caller in process
    /// context.
    unsafe extern "C" fn listen_stop(sk: *mut bindings::sock) {
        // SAFETY: The kernel passes a TCP listener that it has locked and stopped, and
        // goes on when this returns.
        T::listen_stop(unsafe { Stopping::from_raw(sk) })
    }

    /// Calls [`Operations::select`].
    ///
    /// # Safety
    ///
    /// `sk` must be the listener of `req`, read under RCU, `req` referenced, and
    /// `skb` the segment that has arrived or null.
    unsafe extern "C" fn select(
        sk: *mut bindings::sock,
        req: *mut bindings::request_sock,
        skb: *mut bindings::sk_buff,
    ) -> *mut bindings::sock {
        let rcu = rcu::read_lock();
        // SAFETY: The kernel passes the listener that it read from the request,
        // under RCU.
        let former = unsafe { Listener::from_raw(sk) };
        // SAFETY: The kernel passes a request that it has a reference on.
        let req = unsafe { Request::from_raw(req) };

        // SAFETY: The kernel passes a segment that it keeps, or none.
        let packet = unsafe { Packet::from_raw(skb) };

        T::select(former, req, packet, &rcu).map_or(ptr::null_mut(), ListenerRef::into_raw)
    }

    /// Calls [`Operations::complete`].
    ///
    /// # Safety
    ///
    /// `sk` must be a TCP listener found under RCU, which is that of `req` or referenced
    /// by the caller. `req` must be a referenced request, neither hashed nor with a timer,
    /// and `child` the locked socket that it has become.
    unsafe extern "C" fn complete(
        sk: *mut bindings::sock,
        req: *mut bindings::request_sock,
        child: *mut bindings::sock,
    ) -> bool {
        let rcu = rcu::read_lock();
        // SAFETY: The kernel passes a TCP listener that it has found under RCU, and has a
        // reference on it if it isn't that of the request. It has a reference on the
        // request, has unhashed it and deleted its timer, or never hashed it, and gives
        // that up if this returns true. The child is locked. None is null.
        let child = unsafe {
            NewChild::new(
                NonNull::new_unchecked(req),
                NonNull::new_unchecked(child),
                Listener::from_raw(sk),
                &rcu,
            )
        };

        child.is_some_and(|child| T::complete(child, &rcu))
    }

    /// Calls [`Operations::refused`].
    ///
    /// # Safety
    ///
    /// `sk` must be what `select` returned for `req`, a referenced request.
    unsafe extern "C" fn refused(sk: *mut bindings::sock, req: *mut bindings::request_sock) {
        let rcu = rcu::read_lock();
        // SAFETY: The kernel passes the listener that `select` returned.
        let listener = unsafe { Listener::from_raw(sk) };

        // SAFETY: The kernel passes a request that it has a reference on.
        T::refused(listener, unsafe { Request::from_raw(req) }, &rcu)
    }

    /// Calls [`Operations::timer`].
    ///
    /// # Safety
    ///
    /// `sk` must be what `select` returned for `req`, whose timer is the caller.
    unsafe extern "C" fn timer(
        sk: *mut bindings::sock,
        req: *mut bindings::request_sock,
        expire: bool,
        resend: bool,
    ) -> bool {
        let rcu = rcu::read_lock();
        // SAFETY: The kernel passes the listener that `select` returned, whose reference
        // it has again if this returns false.
        let to = unsafe { ListenerRef::from_raw(sk) };
        // SAFETY: The kernel passes a request that its timer has a reference on. Once the
        // timer is armed, that may be put at any time.
        let req = unsafe { RequestRef::hold(req) };
        // SAFETY: The timer is the caller.
        let expiring = unsafe { ExpiringRequest::new(&req) };

        T::timer(to, expiring, expire, resend, &rcu)
            .map(ListenerRef::into_raw)
            .is_none()
    }

    /// Calls [`Operations::orphan`].
    ///
    /// # Safety
    ///
    /// `sk` must be a TCP listener with a socket, locked by the caller in process context,
    /// who gives up the reference of its file descriptor if this returns true.
    unsafe extern "C" fn orphan(sk: *mut bindings::sock) -> bool {
        // SAFETY: The kernel passes a listener that it has locked, and is about to close.
        T::orphan(unsafe { Closing::from_raw(sk) }).is_some()
    }

    /// Calls [`Operations::orphaned`].
    ///
    /// # Safety
    ///
    /// `net` must be alive, and `daddr` an address of that family; the caller must be in
    /// an RCU read section for as long as it uses what this returns.
    unsafe extern "C" fn orphaned(
        net: *const bindings::net,
        family: bindings::sa_family_t,
        daddr: *const c_void,
        port: u16,
        device: c_int,
        vrf_slave: c_int,
    ) -> *mut bindings::sock {
        let rcu = rcu::read_lock();
        // SAFETY: The kernel passes what a listener is looked up for, in a namespace in
        // which segments arrive, or sockets are.
        let target = unsafe { Target::from_raw(net, family, daddr, port, device, vrf_slave) };

        T::orphaned(&target, &rcu).map_or(ptr::null_mut(), Listener::as_raw)
    }

    /// Calls [`Operations::listen_start`].
    ///
    /// # Safety
    ///
    /// `sk` must be a TCP listener, locked by the caller in process context.
    unsafe extern "C" fn listen_start(sk: *mut bindings::sock) {
        let rcu = rcu::read_lock();

        // SAFETY: The kernel passes a listener that it has locked.
        T::listen_start(unsafe { Listener::from_raw(sk) }, &rcu)
    }

    /// Calls [`Operations::unread`].
    ///
    /// # Safety
    ///
    /// `sk` must be a TCP socket whose last file descriptor the current process, which is
    /// dying, has closed. The caller gives that reference up if this returns true.
    unsafe extern "C" fn unread(sk: *mut bindings::sock) -> bool {
        // SAFETY: The kernel passes a socket that it's about to close; not null.
        T::unread(unsafe { Abandoned::from_raw(NonNull::new_unchecked(sk)) }).is_some()
    }
}

/// The kernel calls the ops of a `T` while this exists.
///
/// # Invariants
///
/// The ops of `T` are registered.
pub(crate) struct Registration<T: Operations> {
    _operations: T,
}

impl<T: Operations> Registration<T> {
    /// Registers `T`, and keeps what it needs until after it's unregistered; fails
    /// with `EBUSY` when another module has registered itself.
    pub(crate) fn new(operations: T) -> Result<Self> {
        let ops: &'static bindings::tcp_migrate_ops = &Adapter::<T>::OPS;

        // SAFETY: The ops are static.
        to_result(unsafe { bindings::tcp_register_migrate_ops(ops) })?;

        // INVARIANT: Registered just now.
        Ok(Self {
            _operations: operations,
        })
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type invariant. No CPU is in an op when
        // this returns.
        unsafe { bindings::tcp_unregister_migrate_ops() }
    }
}
