# SPDX-License-Identifier: GPL-2.0
"""Servers that are replaced: listeners close, and others listen on the same port
already."""

import signal
import time

import network
from load import CLIENTS
from scenario import Scenario
from setting import Setting

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


OFF, ON = Setting(0), Setting(1)
SCENARIOS = (
    Scenario("a", "nginx replaced by another", nginx_replaced, 8, 1, OFF, ON),
    Scenario("b", "nginx reload, fewer workers", nginx_reloaded, 8, 1, OFF, ON),
    Scenario("c", "haproxy -sf", haproxy_replaced, 5, 1, OFF, ON),
    Scenario("d", "nginx replaced while it hangs", nginx_busy, 4, 20, OFF, ON),
)
