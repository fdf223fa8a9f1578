// SPDX-License-Identifier: GPL-2.0

//! Keys of TCP-MD5 and TCP-AO.
//!
//! C headers: [`include/net/tcp.h`](srctree/include/net/tcp.h),
//! [`include/net/tcp_ao.h`](srctree/include/net/tcp_ao.h)

use crate::bindings;
use core::ptr::NonNull;

/// `TCP_MD5SIG_MAXKEYLEN` of `include/uapi/linux/tcp.h`, in bytes.
const MD5_MAX: usize = 80;

/// Any id, for a lookup.
const ANY: i32 = -1;

/// Whether there is any key in the system.
pub(crate) fn in_use() -> bool {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::tcp_keys_in_use() }
}

/// Whether `holder` and `to` have the same key for the peer of `connection`, or
/// neither has one and needs one.
///
/// # Safety
///
/// `connection` must be a valid TCP request or child, `holder` and `to` valid TCP
/// sockets. The caller is in an RCU read section.
pub(super) unsafe fn match_for(
    connection: *mut bindings::sock,
    holder: *mut bindings::sock,
    to: *mut bindings::sock,
) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { md5_match(connection, holder, to) && ao_match(connection, holder, to) }
}

/// # Safety
///
/// As [`match_for`].
unsafe fn md5_match(
    connection: *mut bindings::sock,
    holder: *mut bindings::sock,
    to: *mut bindings::sock,
) -> bool {
    // SAFETY: By the safety requirements.
    let (held, other) = unsafe {
        (
            bindings::md5_key(holder, connection),
            bindings::md5_key(to, connection),
        )
    };

    match (
        NonNull::new(held.cast_mut()),
        NonNull::new(other.cast_mut()),
    ) {
        (None, None) => true,
        // SAFETY: Found under RCU; keys are freed a grace period after they
        // have been removed.
        (Some(a), Some(b)) => unsafe { md5_bytes(a) == md5_bytes(b) },
        _ => false,
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

/// # Safety
///
/// As [`match_for`].
unsafe fn ao_match(
    connection: *mut bindings::sock,
    holder: *mut bindings::sock,
    to: *mut bindings::sock,
) -> bool {
    // SAFETY: By the safety requirements; found under RCU. Keys don't change, and
    // are freed a grace period after they have been removed.
    let held = unsafe { bindings::ao_key_in_use(holder, connection).as_ref() };
    let (sndid, rcvid) = held.map_or((ANY, ANY), |key| (key.sndid.into(), key.rcvid.into()));
    // SAFETY: As above.
    let other = unsafe { bindings::ao_key(to, connection, sndid, rcvid).as_ref() };

    match (held, other) {
        // SAFETY: By the safety requirements.
        (None, None) => unsafe {
            !bindings::ao_required(to) || !bindings::md5_key(to, connection).is_null()
        },
        (Some(a), Some(b)) => ao_eq(a, b),
        _ => false,
    }
}

/// Whether two keys with the same ids sign alike.
fn ao_eq(a: &bindings::tcp_ao_key, b: &bindings::tcp_ao_key) -> bool {
    let (a_key, b_key) = (a.key.get(..a.keylen.into()), b.key.get(..b.keylen.into()));

    a_key == b_key
        && a.algo == b.algo
        && a.digest_size == b.digest_size
        && a.maclen == b.maclen
        && a.keyflags == b.keyflags
}
