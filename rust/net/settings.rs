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
    mem::{
        self,
        MaybeUninit, //
    },
    ptr,
    slice, //
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

/// What values are compared as, all at once: most listeners of a group are alike.
type Words = [u64; mem::size_of::<bindings::listener_values>() / mem::size_of::<u64>()];

const ALL: bindings::listener_values = {
    let all: Words = [u64::MAX; _];

    // SAFETY: As large; integers, without padding, which have any bits.
    unsafe { mem::transmute(all) }
};

/// The bits of values that are settings.
const COMPLETE: bindings::listener_values = bindings::listener_values {
    flags: FLAGS,
    userlocks: bindings::SOCK_BUF_LOCK_MASK as u8,
    // A push that has been asked for is no setting.
    nonagle: (bindings::TCP_NAGLE_OFF | bindings::TCP_NAGLE_CORK) as u8,
    ..ALL
};

/// Those without what the kernel forgets when a listener stops: in
/// `tcp_disconnect()`, or as it destroys a socket that was closed.
const REMAINING: bindings::listener_values = bindings::listener_values {
    user_mss: 0,
    window_clamp: 0,
    rto_min: 0,
    delack_max: 0,
    in_pingpong_mode: 0,
    peek_off: 0,
    has_policy: [0; 2],
    ..COMPLETE
};

fn words(values: &bindings::listener_values) -> &Words {
    // SAFETY: As large, and aligned as its first field, which is a word. There's no
    // padding.
    unsafe { &*ptr::from_ref(values).cast() }
}

impl Listener {
    /// Whether another listener, of the same address family, has the same settings.
    ///
    /// Those of a listener that has stopped are complete until `listen_stop()`
    /// returns; only the `remaining` ones can be compared afterwards.
    pub(super) fn settings_equal(
        &self,
        other: &Listener,
        remaining: bool,
        rcu: &rcu::Guard,
    ) -> bool {
        let mask = if remaining { &REMAINING } else { &COMPLETE };

        self.values_equal(other, mask)
            && self.filters_equal(other, rcu)
            && (remaining || self.fastopen_keys_equal(other, rcu))
            && self.options_equal(other, rcu)
    }

    fn values_equal(&self, other: &Listener, mask: &bindings::listener_values) -> bool {
        let mut differences = MaybeUninit::uninit();

        // SAFETY: Both are valid by the type invariant; all is written.
        let differences = unsafe {
            bindings::listener_values_compare(
                self.as_raw(),
                other.as_raw(),
                differences.as_mut_ptr(),
            );
            differences.assume_init_ref()
        };
        let differences = words(differences).iter().zip(words(mask));

        differences.fold(0, |any, (bits, mask)| any | (bits & mask)) == 0
    }

    /// Classic BPF is the same if its instructions are. Other programs may have
    /// maps of their own, and are the same only if they are one.
    fn filters_equal(&self, other: &Listener, rcu: &rcu::Guard) -> bool {
        let (a, b) = (self.filter(), other.filter());

        a == b
            // SAFETY: Read in the read section of `rcu`.
            || match unsafe { (instructions(a, rcu), instructions(b, rcu)) } {
                (Some(a), Some(b)) => a == b,
                _ => false,
            }
    }

    fn filter(&self) -> *const bindings::bpf_prog {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::listener_filter(self.as_raw()) }
    }

    fn fastopen_keys_equal(&self, other: &Listener, rcu: &rcu::Guard) -> bool {
        let (a, b) = [self, other]
            // SAFETY: Valid by the type invariant.
            .map(|listener| unsafe { bindings::listener_fastopen_keys(listener.as_raw()) })
            .into();

        // SAFETY: Read in the read section of `rcu`.
        a == b || unsafe { key_bytes(a, rcu) == key_bytes(b, rcu) }
    }

    fn options_equal(&self, other: &Listener, rcu: &rcu::Guard) -> bool {
        let (a, b) = [self, other]
            // SAFETY: Valid by the type invariant.
            .map(|listener| unsafe { bindings::listener_options(listener.as_raw()) })
            .into();

        // SAFETY: Read in the read section of `rcu`.
        a == b || unsafe { headers(a, rcu) == headers(b, rcu) }
    }
}

/// The instructions of a program of classic BPF.
///
/// # Safety
///
/// `prog` must be null, or have been read in the read section of `rcu`.
unsafe fn instructions(prog: *const bindings::bpf_prog, _rcu: &rcu::Guard) -> Option<&[u8]> {
    let mut len = 0;

    if prog.is_null() {
        return None;
    }
    // SAFETY: Freed a grace period after it has been replaced, and never changed.
    unsafe {
        let instructions = bindings::bpf_prog_classic(prog, &mut len);

        (!instructions.is_null()).then(|| slice::from_raw_parts(instructions.cast(), len))
    }
}

/// The bytes of Fast Open keys; none for null.
///
/// # Safety
///
/// `keys` must be null, or have been read in the read section of `rcu`.
unsafe fn key_bytes(keys: *const bindings::tcp_fastopen_context, _rcu: &rcu::Guard) -> &[u8] {
    let mut len = 0;

    if keys.is_null() {
        return &[];
    }
    // SAFETY: Freed a grace period after they have been replaced, and never changed.
    unsafe { slice::from_raw_parts(bindings::fastopen_keys(keys, &mut len).cast(), len) }
}

/// The IPv6 extension headers of outgoing packets, without their first byte, the
/// next header, which each packet has its own.
///
/// # Safety
///
/// `options` must be null, or have been read in the read section of `rcu`.
unsafe fn headers(options: *const bindings::ipv6_txoptions, _rcu: &rcu::Guard) -> [&[u8]; 4] {
    if options.is_null() {
        return [&[]; 4];
    }
    // SAFETY: Freed, with what they point to, a grace period after they have been
    // replaced, and never changed. A routing header begins as the other ones do.
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
