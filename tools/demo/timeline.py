# SPDX-License-Identifier: GPL-2.0
"""What becomes of the clients of one restart, by when they come."""

import time
from collections import Counter
from dataclasses import dataclass
from statistics import median

import network
from arrivals import Arrivals
from gaps import nginx_restarted
from servers import Servers
from setting import Setting

# How many clients are served before the restart: enough to know what's usual.
BEFORE = 100

# How many seconds before and after the restart belong to it.
AROUND = 0.5

FATES = ("served", "waits", "lost")


@dataclass(frozen=True)
class Timeline:
    """The clients of one restart. All times are in seconds since the server was
    told to go. A client waits that came before there was a successor, and was
    there for more than twice as long as is usual."""

    setting: Setting
    # When its successor listened.
    listening: float
    # When each client came, and how long it was there, by its fate.
    clients: dict

    @classmethod
    def record(cls, setting):
        """Restarts nginx once, with clients coming."""
        network.enter()
        network.configure(setting)
        with Servers() as servers:
            restart = nginx_restarted(servers)
            next(restart)
            with Arrivals() as arrivals:
                network.wait_until(lambda: arrivals.served() >= BEFORE,
                                   f"{BEFORE} clients")
                stopped = time.monotonic()
                next(restart)
                listening = time.monotonic()
                time.sleep(AROUND)
                visits = arrivals.finish()

        usual = median(visit.ended - visit.begun for visit in visits
                       if visit.ended < stopped)
        clients = {fate: [] for fate in FATES}
        for visit in visits:
            if visit.begun < stopped - AROUND:
                continue
            took = visit.ended - visit.begun
            waits = visit.begun < listening and took > 2 * usual
            fate = ("lost" if not visit.served else
                    "waits" if waits else "served")
            clients[fate].append((visit.begun - stopped, took))
        return cls(setting, listening - stopped, clients)

    def lost(self):
        """How many were lost."""
        return len(self.clients["lost"])

    def summary(self):
        """The grace, and what it led to."""
        total = sum(len(clients) for clients in self.clients.values())
        longest = max(took for fate in ("served", "waits")
                      for _, took in self.clients[fate])
        return (f"grace_ms={self.setting.grace_ms}: {self.lost()} of {total} clients lost, "
                f"others took up to {longest:.2f} s")

    def counts(self, fate, step):
        """How many had it, by how many steps after the stop they came."""
        return Counter(int(begun // step) for begun, _ in self.clients[fate])
