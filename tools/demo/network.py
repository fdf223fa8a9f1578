# SPDX-License-Identifier: GPL-2.0
"""The network namespace of a scenario, and what its kernel counts."""

import os
import subprocess
import time

ADDRESS = "127.0.0.1"
PORT = 8080

# Each way, so that a handshake takes twice as long.
DELAY = "20ms"

# Far beyond what the slowest emulated guest needs for anything.
PATIENCE = 60

SYSCTLS = "/proc/sys/net/ipv4/"
OUTCOMES = "/proc/net/tcp_migrate"
LISTEN = "0A"


def enter():
    """Moves to a new namespace with a slow loopback. Nobody deletes one: it
    goes away with the last process in it."""
    os.unshare(os.CLONE_NEWNET)
    subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root",
                    "netem", "delay", DELAY], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def can(setting):
    """Whether the sysctls are there that a Setting takes. The kernel's own
    migration has no more than one."""
    return all(os.path.exists(SYSCTLS + name)
               for name, value in setting.sysctls().items() if value)


def configure(setting):
    """Sets the sysctls to what a Setting has."""
    for name, value in setting.sysctls().items():
        if os.path.exists(SYSCTLS + name):
            with open(SYSCTLS + name, "w", encoding="ascii") as sysctl:
                sysctl.write(str(value))


def migrated():
    """The number of connections that moved to another listener."""
    return _counter("netstat", "TcpExt:", "TCPMigrateReqSuccess")


def outcomes():
    """What became of connections that were to move: each path, outcome and
    number. The kernel's own migration doesn't tell."""
    if not os.path.exists(OUTCOMES):
        return []
    with open(OUTCOMES, encoding="ascii") as table:
        _, *paths = next(table).split()
        rows = [line.split() for line in table]
    return [(path, outcome, int(count)) for outcome, *counts in rows
            for path, count in zip(paths, counts) if int(count)]


def connections():
    """The number of connections that were attempted."""
    return _counter("snmp", "Tcp:", "ActiveOpens")


def accept_queues():
    """The length of each listener's accept queue."""
    queues = []
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        for line in table:
            _, _, _, state, queue, *_ = line.split()
            if state != LISTEN:
                # The kernel lists the listeners first.
                break
            queues.append(int(queue.partition(":")[2], 16))
    return queues


def accepted():
    """The clients' ports of the connections that processes have accepted and
    not closed. The kernel names an inode for those alone."""
    ports = []
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        for line in table:
            _, local, remote, state, *_ = fields = line.split()
            inode = fields[9]
            if state != LISTEN and inode != "0" and _port(local) == PORT:
                ports.append(_port(remote))
    return ports


def await_connections(count):
    """Waits until so many further connections were attempted."""
    target = connections() + count
    wait_until(lambda: connections() >= target, f"{count} connections")


def await_listeners(count):
    """Waits until there are so many listeners."""
    wait_until(lambda: len(accept_queues()) == count, f"{count} listeners")


def wait_until(condition, description):
    """Waits until the condition, a function, is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE} s for {description}")
        time.sleep(0.01)


def _port(address):
    return int(address.partition(":")[2], 16)


def _counter(file, group, name):
    with open(f"/proc/net/{file}", encoding="ascii") as lines:
        names, values = [line.split() for line in lines
                         if line.startswith(group)]
    return int(values[names.index(name)])
