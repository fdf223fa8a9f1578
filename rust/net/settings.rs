// SPDX-License-Identifier: GPL-2.0

//! What applications set on listeners, and find again on the connections that
//! they accept: `Documentation/settings.rst`.
//!
//! C headers: [`include/net/sock.h`](srctree/include/net/sock.h),
//! [`include/linux/tcp.h`](srctree/include/linux/tcp.h),
//! [`include/net/inet_sock.h`](srctree/include/net/inet_sock.h),
//! [`include/linux/ipv6.h`](srctree/include/linux/ipv6.h)

use super::Listener;
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr, //
    slice,
};
use kernel::sync::rcu;

/// The flags of `struct sock` that are settings; others say what state it's in.
const FLAGS: usize = 1 << bindings::sock_flags_SOCK_URGINLINE
    | 1 << bindings::sock_flags_SOCK_KEEPOPEN
    | 1 << bindings::sock_flags_SOCK_LINGER
    | 1 << bindings::sock_flags_SOCK_BROADCAST
    | 1 << bindings::sock_flags_SOCK_DBG
    | 1 << bindings::sock_flags_SOCK_RCVTSTAMP
    | 1 << bindings::sock_flags_SOCK_RCVTSTAMPNS
    | 1 << bindings::sock_flags_SOCK_LOCALROUTE
    | 1 << bindings::sock_flags_SOCK_RXQ_OVFL
    | 1 << bindings::sock_flags_SOCK_ZEROCOPY
    | 1 << bindings::sock_flags_SOCK_WIFI_STATUS
    | 1 << bindings::sock_flags_SOCK_NOFCS
    | 1 << bindings::sock_flags_SOCK_FILTER_LOCKED
    | 1 << bindings::sock_flags_SOCK_SELECT_ERR_QUEUE
    | 1 << bindings::sock_flags_SOCK_TXTIME
    | 1 << bindings::sock_flags_SOCK_TSTAMP_NEW
    | 1 << bindings::sock_flags_SOCK_RCVMARK
    | 1 << bindings::sock_flags_SOCK_RCVPRIORITY;

/// The settings of a listener.
///
/// # Invariants
///
/// The pointers in `settings` were read in the RCU read section `'a`, and what
/// they point to is freed a grace period after it has been replaced.
pub(crate) struct Settings<'a> {
    settings: bindings::listener_settings,
    /// Whether the listener may have forgotten some.
    remaining: bool,
    _rcu: PhantomData<&'a rcu::Guard>,
}

impl Listener {
    /// The listener's settings.
    ///
    /// Those of a listener that has stopped are complete until `listen_stop()`
    /// returns; [`Settings::remaining`] is for afterwards.
    pub(crate) fn settings<'a>(&'a self, _rcu: &'a rcu::Guard) -> Settings<'a> {
        let mut settings = MaybeUninit::uninit();

        // SAFETY: Valid by the type invariant, in an RCU read section; all of the
        // settings are written.
        let settings = unsafe {
            bindings::listener_settings_read(settings.as_mut_ptr(), self.as_raw());
            settings.assume_init()
        };
        // INVARIANT: Read just now.
        let mut settings = Settings {
            settings,
            remaining: false,
            _rcu: PhantomData,
        };

        settings.ignore_without_effect();
        settings
    }
}

impl<'a> Settings<'a> {
    /// Leaves out what makes no difference to a connection.
    fn ignore_without_effect(&mut self) {
        let values = &mut self.settings.values;

        values.flags &= FLAGS;
        values.userlocks &= bindings::SOCK_BUF_LOCK_MASK as u8;
        // A push that has been asked for is no setting.
        values.nonagle &= (bindings::TCP_NAGLE_OFF | bindings::TCP_NAGLE_CORK) as u8;
        // The limit is the listener's, as its backlog is.
        values.fastopen_max_qlen = (values.fastopen_max_qlen != 0).into();

        if u32::from(values.userlocks) & bindings::SOCK_RCVBUF_LOCK == 0 {
            values.rcvbuf = 0;
        }
        if u32::from(values.userlocks) & bindings::SOCK_SNDBUF_LOCK == 0 {
            values.sndbuf = 0;
        }
        if values.flags & 1 << bindings::sock_flags_SOCK_LINGER == 0 {
            values.lingertime = 0;
        }
        if values.fastopen_max_qlen == 0 {
            self.settings.fastopen_keys = ptr::null();
        }
    }

    /// Leaves out what the kernel forgets when a listener stops: in
    /// `tcp_disconnect()`, or as it destroys a socket that was closed.
    pub(crate) fn remaining(mut self) -> Self {
        let values = &mut self.settings.values;

        values.user_mss = 0;
        values.window_clamp = 0;
        values.rto_min = 0;
        values.delack_max = 0;
        values.in_pingpong_mode = 0;
        values.peek_off = 0;
        values.has_policy = [0; 2];
        self.settings.fastopen_keys = ptr::null();
        self.remaining = true;
        self
    }

    /// Whether a listener has the same settings.
    pub(crate) fn match_those_of(&self, listener: &Listener, rcu: &rcu::Guard) -> bool {
        let settings = listener.settings(rcu);

        if self.remaining {
            self.equal(&settings.remaining())
        } else {
            self.equal(&settings)
        }
    }

    fn equal(&self, other: &Settings<'_>) -> bool {
        self.settings.values == other.settings.values
            && self.filter_equals(other)
            && self.fastopen_keys_equal(other)
            && self.options_equal(other)
    }

    /// Classic BPF is the same if its instructions are. Other programs may have
    /// maps of their own, and are the same only if they are one.
    fn filter_equals(&self, other: &Settings<'_>) -> bool {
        let (a, b) = (self.settings.filter, other.settings.filter);

        if a == b {
            return true;
        }
        match (self.classic_filter(), other.classic_filter()) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        }
    }

    fn classic_filter(&self) -> Option<&[u8]> {
        let filter = self.settings.filter;
        let mut len = 0;

        if filter.is_null() {
            return None;
        }
        // SAFETY: Valid by the type invariant, and never changed.
        unsafe {
            let instructions = bindings::bpf_prog_classic(filter, &mut len);

            (!instructions.is_null()).then(|| slice::from_raw_parts(instructions.cast(), len))
        }
    }

    fn fastopen_keys_equal(&self, other: &Settings<'_>) -> bool {
        self.settings.fastopen_keys == other.settings.fastopen_keys
            || self.fastopen_keys() == other.fastopen_keys()
    }

    fn fastopen_keys(&self) -> &[u8] {
        let keys = self.settings.fastopen_keys;
        let mut len = 0;

        if keys.is_null() {
            return &[];
        }
        // SAFETY: Valid by the type invariant, and never changed.
        unsafe { slice::from_raw_parts(bindings::fastopen_keys(keys, &mut len).cast(), len) }
    }

    fn options_equal(&self, other: &Settings<'_>) -> bool {
        self.settings.options == other.settings.options || self.options() == other.options()
    }

    /// The IPv6 extension headers of outgoing packets, without their first byte,
    /// the next header, which each packet has its own.
    fn options(&self) -> [&[u8]; 4] {
        let options = self.settings.options;

        if options.is_null() {
            return [&[]; 4];
        }
        // SAFETY: Valid by the type invariant, as is what it points to; never
        // changed. A routing header begins as the other ones do.
        unsafe {
            [
                (*options).hopopt,
                (*options).dst0opt,
                (*options).srcrt.cast(),
                (*options).dst1opt,
            ]
            .map(|header| option_bytes(header))
        }
    }
}

/// An extension header without its first byte; nothing for none.
///
/// # Safety
///
/// `header` must be null or valid for `'a`.
unsafe fn option_bytes<'a>(header: *const bindings::ipv6_opt_hdr) -> &'a [u8] {
    if header.is_null() {
        return &[];
    }
    // SAFETY: By the safety requirements. The length, in units of 8 bytes, leaves
    // out the first 8.
    unsafe {
        let len = (usize::from((*header).hdrlen) + 1) * 8;

        slice::from_raw_parts(header.cast::<u8>().add(1), len - 1)
    }
}
