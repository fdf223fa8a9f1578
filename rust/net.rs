// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of the networking stack's objects, as far as this module needs
//! them.

mod batch;
mod connection;
mod context;
mod group;
mod keys;
mod list;
mod listener;
mod namespace;
mod proc;
mod program;
mod queue;
mod request;
mod selection;
mod settings;
mod stopping;
pub(crate) mod trace;

pub(crate) use self::{
    batch::{
        Batch,
        TakenQueue, //
    },
    connection::Connection,
    context::{
        cond_resched_unless_bpf,
        this_cpu, //
    },
    group::Group,
    list::RequestList,
    listener::{
        Listener,
        ListenerRef, //
    },
    namespace::{
        Namespace,
        PerNamespace,
        PernetOperations, //
    },
    proc::NetFile,
    program::{
        Packet,
        Program,
        Verdict, //
    },
    queue::AcceptQueue,
    request::{
        ExpiringRequest,
        NewChild,
        OwnedRequest,
        QueuedRequest,
        Request, //
    },
    selection::Selected,
    stopping::Stopping,
};
