// SPDX-License-Identifier: GPL-2.0

//! Keys of TCP-MD5 and TCP-AO.
//!
//! C headers: [`include/net/tcp.h`](srctree/include/net/tcp.h),
//! [`include/net/tcp_ao.h`](srctree/include/net/tcp_ao.h)

use super::{
    Connection,
    Listener, //
};
use crate::bindings;
use core::{
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::sync::rcu;

/// The longest key of TCP-MD5, in bytes.
const MD5_MAX: usize = bindings::TCP_MD5SIG_MAXKEYLEN as usize;

/// Any id, for a lookup.
const ANY: i32 = -1;

/// Whether there is any key in the system.
pub(super) fn in_use() -> bool {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::tcp_keys_in_use() }
}

impl Listener {
    /// Whether it has or had keys, for whatever peers.
    pub(super) fn has_keys(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::has_keys(self.as_raw()) }
    }
}

impl Connection<'_> {
    /// Whether `to` may have the connection by its keys: `to` has the same for the
    /// peer, or there are none and `to` demands none. A child has keys of its own; a
    /// request has been using those of `former`.
    pub(super) fn keys_match(&self, former: &Listener, to: &Listener, rcu: &rcu::Guard) -> bool {
        !in_use() || (self.md5_matches(former, to, rcu) && self.ao_matches(former, to, rcu))
    }

    fn md5_matches(&self, former: &Listener, to: &Listener, rcu: &rcu::Guard) -> bool {
        let holder = if self.is_request() {
            former.as_raw()
        } else {
            self.as_raw()
        };

        match (
            self.md5_key(holder, rcu),
            self.md5_key(to.as_raw(), rcu), //
        ) {
            (None, None) => true,
            // SAFETY: Found in the read section of `rcu`; keys are freed a grace
            // period after they have been removed.
            (Some(a), Some(b)) => unsafe { md5_bytes(a) == md5_bytes(b) },
            _ => false,
        }
    }

    fn md5_key(
        &self,
        sk: *mut bindings::sock,
        _rcu: &rcu::Guard,
    ) -> Option<NonNull<bindings::tcp_md5sig_key>> {
        // SAFETY: Both are valid, by the type invariants, in an RCU read section.
        NonNull::new(unsafe {
            if self.is_request() {
                bindings::request_md5_key(sk, self.as_raw())
            } else {
                bindings::child_md5_key(sk, self.as_raw())
            }
        })
    }

    fn ao_matches(&self, former: &Listener, to: &Listener, rcu: &rcu::Guard) -> bool {
        let (mut send, mut receive) = (ptr::null_mut(), ptr::null_mut());

        // SAFETY: All are valid, by the type invariants, in an RCU read section.
        let signed = unsafe {
            if self.is_request() {
                bindings::request_ao_keys(former.as_raw(), self.as_raw(), &mut send, &mut receive)
            } else {
                bindings::child_ao_keys(self.as_raw(), &mut send, &mut receive)
            }
        };

        if !signed {
            // SAFETY: Valid by the type invariant, in an RCU read section.
            let required = unsafe { bindings::ao_required(to.as_raw()) };

            return !required && self.ao_key(to, ANY, ANY, rcu).is_none();
        }
        [send, receive].into_iter().all(|held| {
            // SAFETY: Found in the read section of `rcu`, as is the other; keys
            // are freed a grace period after they have been removed.
            NonNull::new(held).is_some_and(|held| unsafe {
                let (sndid, rcvid) = ((*held.as_ptr()).sndid, (*held.as_ptr()).rcvid);

                self.ao_key(to, sndid.into(), rcvid.into(), rcu)
                    .is_some_and(|other| ao_eq(held, other))
            })
        })
    }

    fn ao_key(
        &self,
        listener: &Listener,
        sndid: i32,
        rcvid: i32,
        _rcu: &rcu::Guard,
    ) -> Option<NonNull<bindings::tcp_ao_key>> {
        let sk = listener.as_raw();

        // SAFETY: Both are valid, by the type invariants, in an RCU read section.
        NonNull::new(unsafe {
            if self.is_request() {
                bindings::request_ao_key(sk, self.as_raw(), sndid, rcvid)
            } else {
                bindings::child_ao_key(sk, self.as_raw(), sndid, rcvid)
            }
        })
    }
}

/// The key's length and bytes, which `setsockopt()` may be changing.
///
/// # Safety
///
/// `key` must be valid.
unsafe fn md5_bytes(key: NonNull<bindings::tcp_md5sig_key>) -> (u8, [u8; MD5_MAX]) {
    let mut bytes = [0; MD5_MAX];
    // SAFETY: By the safety requirement; no key is longer.
    let len = unsafe { bindings::md5_key_copy(key.as_ptr(), bytes.as_mut_ptr()) };

    (len, bytes)
}

/// Whether two keys with the same ids sign alike.
///
/// # Safety
///
/// Both must be valid.
unsafe fn ao_eq(a: NonNull<bindings::tcp_ao_key>, b: NonNull<bindings::tcp_ao_key>) -> bool {
    let (a, b) = (a.as_ptr(), b.as_ptr());

    // SAFETY: Both are valid. What is read here of them never changes, other than
    // their list and their counters.
    unsafe {
        ao_bytes(a) == ao_bytes(b)
            && (*a).algo == (*b).algo
            && (*a).digest_size == (*b).digest_size
            && (*a).maclen == (*b).maclen
            && ((*a).keyflags ^ (*b).keyflags) & bindings::TCP_AO_KEYF_EXCLUDE_OPT as u8 == 0
    }
}

/// What the traffic keys are made from.
///
/// # Safety
///
/// `key` must be valid for `'a`.
unsafe fn ao_bytes<'a>(key: *const bindings::tcp_ao_key) -> &'a [u8] {
    // SAFETY: The first `keylen` bytes are the key's, and never change.
    unsafe { slice::from_raw_parts(ptr::addr_of!((*key).key).cast(), (*key).keylen.into()) }
}
