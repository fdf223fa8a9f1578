// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of the networking stack's objects, as far as this module needs
//! them.

mod abandoned;
mod batch;
mod closing;
mod connection;
mod context;
mod destination;
mod group;
mod keys;
mod lhash2;
mod list;
mod listener;
mod namespace;
mod orphan_table;
mod proc;
mod program;
mod queue;
mod readers;
mod request;
mod settings;
mod stalled;
mod stopping;
mod sysctl;
pub(crate) mod trace;

pub(crate) use self::{
    abandoned::{
        Abandoned,
        Fresh,
        GivenBack, //
    },
    batch::{
        Batch,
        TakenQueue, //
    },
    closing::{
        Asking,
        Closing,
        Kept,
        Orphan, //
    },
    connection::Connection,
    context::{
        cond_resched_unless_bpf,
        this_cpu, //
    },
    destination::Destination,
    group::Group,
    lhash2::for_each_waiting,
    list::RequestList,
    listener::{
        Identity,
        Listener,
        ListenerRef, //
    },
    namespace::{
        Namespace,
        NewNamespace,
        PerNamespace,
        PernetOperations, //
    },
    orphan_table::{
        OrphanTable,
        Placed,
        Published,
        Target, //
    },
    proc::{
        uid_of,
        NetFile,
        Show, //
    },
    program::{
        Packet,
        Program,
        Verdict, //
    },
    queue::{
        AcceptQueue,
        Head, //
    },
    readers::Readers,
    request::{
        ExpiringRequest,
        NewChild,
        OwnedRequest,
        QueuedRequest,
        Request,
        RequestRef, //
    },
    stalled::Stalled,
    stopping::Stopping,
    sysctl::{
        Sysctl,
        SysctlTable, //
    },
};
