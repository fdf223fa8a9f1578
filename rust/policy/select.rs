// SPDX-License-Identifier: GPL-2.0

//! The choice of one listener among those of a group.

/// A listener that may take a connection.
pub(crate) struct Candidate<T> {
    /// The listener.
    pub(crate) listener: T,
    /// Whether its accept queue is below its backlog.
    pub(crate) has_room: bool,
    /// Whether it's meant for the connection's CPU, or the group makes no
    /// difference between CPUs.
    pub(crate) on_cpu: bool,
}

/// The position in a group of `n` listeners, at least 1, at which the search
/// for a connection with this hash begins.
///
/// `reciprocal_scale()`, as in `reuseport_select_sock_by_hash()`.
pub(crate) fn first(hash: u32, n: u16) -> u16 {
    ((u64::from(hash) * u64::from(n)) >> 32) as u16
}

/// Chooses among `n` listeners for a connection with this hash: from [`first`]
/// on, round the group, the first with room on its CPU for which `probe` has a
/// candidate.
///
/// Without one of these, the first with room; without one of those, the first on
/// its CPU, or else the first.
pub(crate) fn select<T>(
    hash: u32,
    n: u16,
    mut probe: impl FnMut(u16) -> Option<Candidate<T>>,
) -> Option<T> {
    let mut best = None::<Candidate<T>>;

    if n == 0 {
        return None;
    }

    let start = first(hash, n);
    for i in (start..n).chain(0..start) {
        let Some(candidate) = probe(i) else { continue };

        if candidate.rank() == BEST {
            return Some(candidate.listener);
        }
        if best.as_ref().is_none_or(|b| b.rank() < candidate.rank()) {
            best = Some(candidate);
        }
    }
    best.map(|candidate| candidate.listener)
}

/// The rank of a candidate that no other can beat.
const BEST: (bool, bool) = (true, true);

impl<T> Candidate<T> {
    fn rank(&self) -> (bool, bool) {
        (self.has_room, self.on_cpu)
    }
}
