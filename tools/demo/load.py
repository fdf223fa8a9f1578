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

import network
from report import Report

# Well below every listener's backlog, which is 511 by default in nginx: no SYN
# is dropped, and no SYN cookie stands in for a request that could be lost.
CLIENTS = 128

STATUS = re.compile(r"\s*\[(\d+)\]\t(\d+) responses")
SLOWEST = re.compile(r"\s*Slowest:\s*([0-9.]+) secs")
ERROR = re.compile(r"\s*\[(\d+)\]\t(.*)")
CLIENT = re.compile(re.escape(network.ADDRESS) + r":(\d+)->")
KINDS = {
    "reset": "connection reset by peer|broken pipe",
    "closed": "EOF|server closed idle connection",
    "refused": "connection refused",
    "timed_out": "Client.Timeout|deadline exceeded|timed out|timeout",
}


class Load:
    """A context in which clients connect to the servers. They wait for some
    seconds; if they're patient, nothing that is merely slow looks lost."""

    def __init__(self, timeout=network.PATIENCE):
        self._timeout = timeout
        self._hey = None

    def __enter__(self):
        self._hey = subprocess.Popen(
            ["hey", "-disable-keepalive", "-z", "1h", "-c", str(CLIENTS),
             "-t", str(self._timeout),
             f"http://{network.ADDRESS}:{network.PORT}/"],
            stdout=subprocess.PIPE, text=True, process_group=0)
        return self

    def __exit__(self, *_):
        self._hey.kill()
        self._hey.wait()

    def finish(self):
        """Opens no more connections, waits for the open ones and returns the
        Report."""
        self._hey.send_signal(signal.SIGINT)
        text, _ = self._hey.communicate(timeout=2 * network.PATIENCE)
        return self._parse(text)

    def _parse(self, text):
        """Reads hey's summary."""
        report = Report(timeout=self._timeout)
        for line in text.splitlines():
            if match := SLOWEST.fullmatch(line):
                report.slowest = float(match[1])
            elif match := STATUS.fullmatch(line):
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
