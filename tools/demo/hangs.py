# SPDX-License-Identifier: GPL-2.0
"""Servers of which one worker hangs: it goes on listening, and accepts nothing."""

import time
from functools import partial

import network
from idle_load import IDLE, IdleLoad
from load import CLIENTS, Load
from scenario import Scenario
from setting import Setting

WORKERS = 3

# In seconds, how long clients wait until they give up. It's far longer than a rescue
# takes, however slow the guest is.
TIMEOUT = 10

# Time to notice that it's over, on top of that.
SPARE = 2

STALL_MS = 500

# So many connections a worker has, at least, when it hangs and is killed.
HELD = 10


def worker_stopped(servers):
    """One worker is stopped. A third of the next connections are queued for it; it
    stays stopped for longer than their clients wait."""
    nginx = servers.nginx(WORKERS)
    while True:
        yield
        worker = nginx.workers()[0]
        worker.stop()
        servers.accepted += worker.accepted()
        network.await_connections(CLIENTS)
        time.sleep(TIMEOUT + SPARE)
        worker.resume()


def worker_killed(servers):
    """One worker hangs, and is killed. Requests come before that and after. The
    master starts another worker, which listens with the same socket."""
    nginx = servers.nginx(WORKERS)
    while True:
        network.wait_until(lambda: len(nginx.workers()) == WORKERS,
                           f"{WORKERS} workers")
        yield
        worker = nginx.workers()[0]
        network.wait_until(lambda: len(worker.accepted()) >= HELD,
                           f"{HELD} accepted connections")
        worker.stop()
        time.sleep(IDLE / 2)
        servers.accepted += worker.read()
        worker.kill()


OFF = Setting(1)
SCENARIOS = (
    Scenario("g", "one worker of nginx hangs", worker_stopped, 1, 20,
             OFF, Setting(1, stall_ms=STALL_MS), partial(Load, TIMEOUT)),
    Scenario("h", "hung worker of nginx killed", worker_killed, 4, 20,
             OFF, Setting(1, unread=1), IdleLoad),
)
