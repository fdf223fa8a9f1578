# SPDX-License-Identifier: GPL-2.0
"""The ways in which listeners go away under load.

A scenario is a generator: it starts a server, and each time it is resumed it
makes listeners go away once. Others listen on the same port meanwhile, or only
some time later.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import network
from load import CLIENTS

WORKERS = 2
MANY_WORKERS = 4

# Between the end of a server and the start of its successor, in seconds.
GAP = 0.5

# Much longer than any server is away, however slow the guest is.
GRACE_MS = 30000


def nginx_replaced(servers):
    """A new instance starts on the same port, the old one gets SIGQUIT."""
    old = servers.nginx(WORKERS)
    while True:
        yield
        new = servers.nginx(WORKERS)
        old.quit()
        old.wait()
        old = new


def nginx_reloaded(servers):
    """A reload lowers worker_processes, another one restores it. (With the
    number unchanged, the new workers inherit the listeners: none closes.)"""
    nginx = servers.nginx(MANY_WORKERS)
    while True:
        yield
        nginx.reload(1)
        network.await_listeners(1)
        nginx.reload(MANY_WORKERS)
        network.await_listeners(MANY_WORKERS)


def haproxy_replaced(servers):
    """haproxy -sf, without handing over descriptors."""
    haproxy = servers.haproxy()
    while True:
        yield
        haproxy = servers.haproxy(haproxy)


def nginx_busy(servers):
    """The workers hang, and so connections queue up, until they're told to go.

    A stopped process accepts nothing, and once it continues it takes the
    pending SIGQUIT before it accepts again.
    """
    old = servers.nginx(WORKERS)
    while True:
        yield
        network.wait_until(lambda: _pause(old) >= CLIENTS // 2,
                           "deep accept queues")
        new = servers.nginx(WORKERS)
        old.quit()
        old.signal(signal.SIGCONT)
        old.wait()
        old = new


def _pause(server):
    """Stops a server, and returns how many connections then queue up. What it
    had accepted without an answer doesn't, so it first gets on with that."""
    server.signal(signal.SIGCONT)
    time.sleep(0.1)
    server.signal(signal.SIGSTOP)
    time.sleep(1)
    return sum(network.accept_queues())


def nginx_restarted(servers):
    """nginx, without reuseport, gets SIGQUIT; half a second after it has exited,
    another one starts. With a service manager it's much the same."""
    nginx = servers.nginx(WORKERS, reuseport=False)
    while True:
        yield
        nginx.quit()
        nginx.wait()
        time.sleep(GAP)
        nginx = servers.nginx(WORKERS, reuseport=False)


def nginx_killed(servers):
    """All processes of the only nginx are killed, and another one starts."""
    nginx = servers.nginx(WORKERS)
    while True:
        yield
        servers.crash(nginx)
        nginx = servers.nginx(WORKERS)


def haproxy_restarted(servers):
    """The only HAProxy is told to go; half a second after it has exited, another
    one starts."""
    haproxy = servers.haproxy()
    while True:
        yield
        haproxy.quit()
        haproxy.wait()
        time.sleep(GAP)
        haproxy = servers.haproxy()


@dataclass(frozen=True)
class Setting:
    """What tcp_migrate_req and tcp_migrate_req_grace_ms are set to."""

    migrate: int
    grace_ms: int = 0

    def __str__(self):
        return f"tcp_migrate_req={self.migrate}, grace_ms={self.grace_ms}"


@dataclass(frozen=True)
class Scenario:
    """A scenario, how often its listeners go away, and the least number of
    connections that are lost where nothing is done about it."""

    name: str
    title: str
    play: Callable
    rounds: int
    least_lost: int
    # What loses connections, and what doesn't.
    off: Setting = Setting(0)
    on: Setting = Setting(1)

    def __str__(self):
        return f"({self.name}) {self.title}"


# A successor waits already.
OVERLAPS = (
    Scenario("a", "nginx replaced by another nginx", nginx_replaced, 8, 1),
    Scenario("b", "nginx reload with fewer workers", nginx_reloaded, 8, 1),
    Scenario("c", "haproxy -sf", haproxy_replaced, 5, 1),
    Scenario("d", "nginx replaced while its workers hang", nginx_busy, 4, 20),
)

# None does, so that it takes more than tcp_migrate_req.
WITHOUT_GRACE, WITH_GRACE = Setting(1), Setting(1, GRACE_MS)
GAPS = (
    Scenario("e", "nginx without reuseport restarted", nginx_restarted, 4, 20,
             WITHOUT_GRACE, WITH_GRACE),
    Scenario("f", "nginx killed, another one starts", nginx_killed, 8, 20,
             WITHOUT_GRACE, WITH_GRACE),
    Scenario("g", "haproxy restarted", haproxy_restarted, 4, 20,
             WITHOUT_GRACE, WITH_GRACE),
)
