// SPDX-License-Identifier: GPL-2.0

//! Where connections go.

use super::ListenerRef;

/// A listener that was chosen for connections.
pub(crate) struct Destination {
    /// The listener.
    pub(crate) listener: ListenerRef,
    /// How many connections it has room for. `None` if it is to have them in any
    /// case: no other has room, or a program says so.
    pub(crate) room: Option<u32>,
}
