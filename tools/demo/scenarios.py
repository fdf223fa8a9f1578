# SPDX-License-Identifier: GPL-2.0
"""The ways in which listeners go away under load.

A scenario is a generator: it starts a server, and each time it is resumed it
makes listeners go away once, while others listen on the same port.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import network
from load import CLIENTS

WORKERS = 2
MANY_WORKERS = 4


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


@dataclass(frozen=True)
class Scenario:
    """A scenario, how often its listeners go away, and the least number of
    connections that are lost if none migrates."""

    name: str
    title: str
    play: Callable
    rounds: int
    least_lost: int

    def __str__(self):
        return f"({self.name}) {self.title}"


SCENARIOS = (
    Scenario("a", "nginx replaced by another nginx", nginx_replaced, 8, 1),
    Scenario("b", "nginx reload with fewer workers", nginx_reloaded, 8, 1),
    Scenario("c", "haproxy -sf", haproxy_replaced, 5, 1),
    Scenario("d", "nginx replaced while its workers hang", nginx_busy, 4, 20),
)
