// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of the networking stack's objects, as far as this module needs
//! them.

mod context;
mod group;
mod listener;
mod namespace;
mod queue;
mod request;

pub(crate) use self::{
    context::{
        cond_resched_unless_bpf,
        this_cpu, //
    },
    group::Group,
    listener::Listener,
    namespace::{
        Namespace,
        PerNamespace,
        PernetOperations, //
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
