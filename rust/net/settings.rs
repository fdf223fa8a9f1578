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
use core::slice;
use kernel::sync::rcu;

impl Listener {
    /// Whether another listener has the same settings.
    ///
    /// Those of a listener that has stopped are complete until `listen_stop()`
    /// returns; only the `remaining` ones can be compared afterwards.
    pub(super) fn settings_equal(
        &self,
        other: &Listener,
        remaining: bool,
        rcu: &rcu::Guard,
    ) -> bool {
        // SAFETY: Valid by the type invariant.
        let difference =
            unsafe { bindings::listener_difference(self.as_raw(), other.as_raw(), remaining) };

        match difference {
            bindings::listener_difference_LISTENER_SAME => true,
            bindings::listener_difference_LISTENER_POINTERS_DIFFER => {
                self.contents_equal(other, remaining, rcu)
            }
            _ => false,
        }
    }

    /// Whether filters, keys and options are the same, although they are others.
    /// Most listeners have none.
    #[cold]
    fn contents_equal(&self, other: &Listener, remaining: bool, rcu: &rcu::Guard) -> bool {
        self.filters_equal(other, rcu)
            && (remaining || self.fastopen_keys_equal(other, rcu))
            && self.options_equal(other, rcu)
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
