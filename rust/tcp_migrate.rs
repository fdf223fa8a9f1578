// SPDX-License-Identifier: GPL-2.0

//! Migration of TCP connections between the listeners of a reuseport group.
//!
//! When a listener stops, the connections that wait in its accept queue, and
//! those that are still in their three-way handshake, go to other listeners of
//! its `SO_REUSEPORT` group instead of being reset. Needs a kernel with
//! `CONFIG_TCP_MIGRATE_HOOKS`, and `net.ipv4.tcp_migrate_req` set to 1 in the
//! network namespace.
//!
//! Dependencies go one way:
//!
//! ```text
//! policy, bindings, delayed_work <- net <- orphans, stalls <- sysctl, stats, hooks <- migrate <- this file
//! ```

use kernel::prelude::*;
use migrate::Migration;
use sysctl::Sysctl;

mod bindings;
mod delayed_work;
mod hooks;
mod migrate;
mod net;
mod orphans;
mod policy;
mod stalls;
mod stats;
mod sysctl;

module! {
    type: TcpMigrate,
    name: "tcp_migrate",
    authors: ["The tcp_migrate developers"],
    description: "Migration of TCP connections between reuseport listeners",
    license: "GPL",
    imports_ns: ["TCP_MIGRATE"],
    params: {
        migrate_req: u32 {
            default: 0,
            description: "net.ipv4.tcp_migrate_req of current and later network namespaces (0 or 1)",
        },
        grace_ms: u32 {
            default: 0,
            description: "net.ipv4.tcp_migrate_req_grace_ms of current and later network namespaces (0 to 60000)",
        },
        stall_ms: u32 {
            default: 0,
            description: "net.ipv4.tcp_migrate_req_stall_ms of current and later network namespaces (0, or 100 to 60000)",
        },
        unread: u32 {
            default: 0,
            description: "net.ipv4.tcp_migrate_req_unread of current and later network namespaces (0 to 2)",
        },
    },
}

/// The loaded module.
struct TcpMigrate {
    _hooks: hooks::Registration<Migration>,
}

impl kernel::Module for TcpMigrate {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let migrate_req = module_parameters::migrate_req.value();

        Sysctl::MigrateReq
            .set_default(migrate_req)
            .inspect_err(|_| pr_err!("migrate_req is 0 or 1, not {}\n", migrate_req))?;

        let grace_ms = module_parameters::grace_ms.value();

        Sysctl::Grace
            .set_default(grace_ms)
            .inspect_err(|_| pr_err!("grace_ms is 0 to 60000, not {}\n", grace_ms))?;

        let stall_ms = module_parameters::stall_ms.value();

        Sysctl::Stall
            .set_default(stall_ms)
            .inspect_err(|_| pr_err!("stall_ms is 0, or 100 to 60000, not {}\n", stall_ms))?;

        let unread = module_parameters::unread.value();

        Sysctl::Unread
            .set_default(unread)
            .inspect_err(|_| pr_err!("unread is 0 to 2, not {}\n", unread))?;

        let stats = stats::Registration::new()
            .inspect_err(|_| pr_err!("cannot create /proc/net/tcp_migrate\n"))?;
        let orphans = orphans::Registration::new()
            .inspect_err(|_| pr_err!("cannot create /proc/net/tcp_migrate_orphans\n"))?;
        let stalls = stalls::Registration::new(migrate::rescue)
            .inspect_err(|_| pr_err!("cannot create /proc/net/tcp_migrate_stalls\n"))?;
        let sysctl = sysctl::Registration::new()
            .inspect_err(|_| pr_err!("cannot register net.ipv4.tcp_migrate_req\n"))?;
        let hooks = hooks::Registration::new(Migration::new(sysctl, stalls, orphans, stats))
            .inspect_err(|_| pr_err!("connections are migrated by another module already\n"))?;

        Ok(Self { _hooks: hooks })
    }
}
