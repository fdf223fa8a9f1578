// SPDX-License-Identifier: GPL-2.0

//! The tracepoints, in group `tcp_migrate`: what becomes of each connection.
//!
//! C header: `rust/trace.h`.

use super::{
    Connection,
    Listener, //
};
use crate::policy::outcome::{
    Life,
    Outcome,
    Path, //
};

/// Shows each connection and its outcome in an event. While the event is off, that's a
/// nop, and `$connections` isn't looked at.
macro_rules! show {
    ($key:ident, $do_trace:ident, $path:ident, $from:ident, $to:ident, $connections:ident) => {
        #[cfg(CONFIG_TRACEPOINTS)]
        {
            use crate::bindings;
            use kernel::str::CStrExt as _;

            // SAFETY: A tracepoint's key.
            let enabled = unsafe {
                kernel::jump_label::static_branch_unlikely!(
                    bindings::$key,
                    bindings::tracepoint,
                    key
                )
            };

            if enabled {
                let to = $to.map_or(core::ptr::null_mut(), Listener::as_raw);

                for (connection, outcome) in $connections {
                    // SAFETY: All are valid, by their types; a socket begins with
                    // a `struct sock_common`, as a request does.
                    unsafe {
                        bindings::$do_trace(
                            connection.as_raw().cast(),
                            $from.as_raw(),
                            to,
                            $path.name().as_char_ptr(),
                            outcome.name().as_char_ptr(),
                        )
                    }
                }
            }
        }
        #[cfg(not(CONFIG_TRACEPOINTS))]
        let _ = ($path, $from, $to, $connections);
    };
}

/// Shows that connections of `from`, which has stopped, are those of `to` now.
/// Nobody may have accepted them yet.
#[inline(always)]
pub(crate) fn success<'a>(
    path: Path,
    from: &Listener,
    to: &Listener,
    connections: impl IntoIterator<Item = (Connection<'a>, Outcome)>,
) {
    let to = Some(to);

    show!(
        __tracepoint_tcp_migrate_success,
        rust_do_trace_tcp_migrate_success,
        path,
        from,
        to,
        connections
    );
}

/// Shows that connections of `from`, which has stopped, aren't those of another
/// listener. Where one was selected for them already, that's `to`.
#[inline(always)]
pub(crate) fn failure<'a>(
    path: Path,
    from: &Listener,
    to: Option<&Listener>,
    connections: impl IntoIterator<Item = (Connection<'a>, Outcome)>,
) {
    show!(
        __tracepoint_tcp_migrate_failure,
        rust_do_trace_tcp_migrate_failure,
        path,
        from,
        to,
        connections
    );
}

/// Shows what becomes of an orphaned listener.
pub(crate) fn orphan(listener: &Listener, what: Life) {
    #[cfg(CONFIG_TRACEPOINTS)]
    {
        use crate::bindings;
        use kernel::str::CStrExt as _;

        // SAFETY: A tracepoint's key.
        let enabled = unsafe {
            kernel::jump_label::static_branch_unlikely!(
                bindings::__tracepoint_tcp_migrate_orphan,
                bindings::tracepoint,
                key
            )
        };

        if enabled {
            // SAFETY: Both are valid, by their types.
            unsafe {
                bindings::rust_do_trace_tcp_migrate_orphan(
                    listener.as_raw(),
                    what.name().as_char_ptr(),
                )
            }
        }
    }
    #[cfg(not(CONFIG_TRACEPOINTS))]
    let _ = (listener, what);
}
