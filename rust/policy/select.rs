// SPDX-License-Identifier: GPL-2.0

//! The choice of one listener among those of a group.

/// A listener that could take a connection.
pub(crate) struct Candidate<T> {
    /// The listener.
    pub(crate) listener: T,
    /// Its `SO_INCOMING_CPU`, or a negative number.
    pub(crate) cpu: i32,
}

/// The position in a group of `n` listeners, at least 1, at which the search
/// for a connection with this hash begins.
///
/// `reciprocal_scale()`, as in `reuseport_select_sock_by_hash()`.
pub(crate) fn first(hash: u32, n: u16) -> u16 {
    ((u64::from(hash) * u64::from(n)) >> 32) as u16
}

/// Chooses among `n` listeners for a connection with this hash: the first from
/// [`first`] on, round the group, for which `probe` has a candidate.
///
/// With a `cpu`, the first whose `SO_INCOMING_CPU` that is, if there is one.
pub(crate) fn select<T>(
    hash: u32,
    n: u16,
    cpu: Option<i32>,
    mut probe: impl FnMut(u16) -> Option<Candidate<T>>,
) -> Option<T> {
    let mut fallback = None;

    if n == 0 {
        return None;
    }

    let start = first(hash, n);
    for i in (start..n).chain(0..start) {
        let Some(candidate) = probe(i) else { continue };

        match cpu {
            Some(cpu) if cpu != candidate.cpu => {
                fallback.get_or_insert(candidate.listener);
            }
            _ => return Some(candidate.listener),
        }
    }
    fallback
}
