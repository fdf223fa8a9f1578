# SPDX-License-Identifier: GPL-2.0
"""The clients: hey, which opens a new connection for every request.

Of the load generators in Debian, hey and httperf tell a reset from a refused
and a timed-out connection; wrk adds them up as connect, read or write errors,
ab and siege know failures only, and bombardier tries again by itself. hey runs
for as long as it is let, ends without dropping what it has begun, and keeps a
number of connections open instead of a rate: a slow guest slows it down too.
"""

import re
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass, field

import network

# Well below every listener's backlog, which is 511 by default in nginx: no SYN
# is dropped, and no SYN cookie stands in for a request that could be lost.
CLIENTS = 128

# Nothing that is merely slow may look lost.
TIMEOUT = network.PATIENCE

STATUS = re.compile(r"\s*\[(\d+)\]\t(\d+) responses")
ERROR = re.compile(r"\s*\[(\d+)\]\t(.*)")
CLIENT = re.compile(re.escape(network.ADDRESS) + r":(\d+)->")
KINDS = {
    "reset": "connection reset by peer|broken pipe",
    "closed": "EOF|server closed idle connection",
    "refused": "connection refused",
    "timed_out": "Client.Timeout|deadline exceeded|timed out|timeout",
}


@dataclass
class Report:
    """What became of the connections that were attempted."""

    served: int = 0
    reset: int = 0
    closed: int = 0
    refused: int = 0
    timed_out: int = 0
    other: int = 0
    # The clients' ports of those that were reset.
    ports: Counter = field(default_factory=Counter)

    @classmethod
    def parse(cls, text):
        """Reads hey's summary."""
        report = cls()
        for line in text.splitlines():
            if match := STATUS.fullmatch(line):
                report.add("served" if match[1] == "200" else "other",
                           int(match[2]))
            elif match := ERROR.fullmatch(line):
                count, error = int(match[1]), match[2]
                report.add(next((kind for kind, pattern in KINDS.items()
                                 if re.search(pattern, error)), "other"),
                           count)
                if client := CLIENT.search(error):
                    report.ports[int(client[1])] += count
        return report

    def add(self, kind, count):
        """Adds connections that ended in one of the ways."""
        setattr(self, kind, getattr(self, kind) + count)

    @property
    def failed(self):
        """The connections that weren't served."""
        return (self.reset + self.closed + self.refused + self.timed_out +
                self.other)

    @property
    def attempted(self):
        """All of them."""
        return self.served + self.failed

    def killed(self, accepted):
        """How many failed of those that a server had accepted when it was
        killed, given their clients' ports.

        A connection is reset if the server hadn't read everything. Otherwise it
        is closed in order, and hey names no port. The kernel resets those that
        nobody has accepted, so each closed one is one of these.
        """
        reset = (self.ports & Counter(accepted)).total()
        return reset + min(self.closed, len(accepted) - reset)


class Load:
    """A context in which clients connect to the servers."""

    def __enter__(self):
        self._hey = subprocess.Popen(
            ["hey", "-disable-keepalive", "-z", "1h", "-c", str(CLIENTS),
             "-t", str(TIMEOUT), f"http://{network.ADDRESS}:{network.PORT}/"],
            stdout=subprocess.PIPE, text=True, process_group=0)
        return self

    def __exit__(self, *_):
        self._hey.kill()
        self._hey.wait()

    def finish(self):
        """Opens no more connections, waits for the open ones and returns the
        Report."""
        self._hey.send_signal(signal.SIGINT)
        text, _ = self._hey.communicate(timeout=2 * TIMEOUT)
        return Report.parse(text)
