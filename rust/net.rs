// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of the networking stack's objects, as far as this module needs
//! them.

mod connection;
mod context;
mod group;
mod keys;
mod listener;
mod namespace;
mod program;
mod queue;
mod request;

pub(crate) use self::{
    connection::Connection,
    context::{
        cond_resched_unless_bpf,
        this_cpu, //
    },
    group::{
        Group,
        Selected, //
    },
    listener::{
        Listener,
        ListenerRef, //
    },
    namespace::{
        Namespace,
        PerNamespace,
        PernetOperations, //
    },
    program::{
        Packet,
        Program,
        Verdict, //
    },
    queue::{
        AcceptQueue,
        Batch,
        TakenQueue, //
    },
    request::{
        ExpiringRequest,
        NewChild,
        QueuedRequest,
        Request, //
    },
};
