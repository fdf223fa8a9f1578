# SPDX-License-Identifier: GPL-2.0
"""One of a server's processes, and the connections that it has accepted."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass

import network
import process_group


class Worker:
    """A process that serves connections."""

    def __init__(self, pid, group):
        self.pid = pid
        self._group = group

    def stop(self):
        """Has it hang."""
        os.kill(self.pid, signal.SIGSTOP)
        network.wait_until(self._is_stopped, "a stopped worker")

    def resume(self):
        """Lets it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        """Kills it."""
        os.kill(self.pid, signal.SIGKILL)

    def accepted(self):
        """The clients' ports of the connections that it has accepted, and that
        neither end has closed."""
        return [connection.port for connection in self._connections()]

    def read(self):
        """Of these, the ones that it has read from."""
        return [connection.port for connection in self._connections()
                if connection.received > connection.unread]

    def _is_stopped(self):
        return process_group.states(self._group)[self.pid] == "T"

    def _files(self):
        """What its descriptors are of."""
        for entry in os.scandir(f"/proc/{self.pid}/fd"):
            # One that runs may close any of them meanwhile.
            with contextlib.suppress(FileNotFoundError):
                yield os.readlink(entry)

    def _connections(self):
        sockets = set(self._files())
        return [connection for connection in Connection.established()
                if f"socket:[{connection.inode}]" in sockets]


@dataclass(frozen=True)
class Connection:
    """A connection, as its server's end sees it."""

    # The client's.
    port: int
    inode: int
    # In bytes.
    received: int
    unread: int

    @classmethod
    def established(cls):
        """All of a server's that neither end has closed."""
        lines = subprocess.run(
            ["ss", "-HOtnie", "state", "established",
             "sport", "=", f":{network.PORT}"],
            check=True, capture_output=True, text=True).stdout.splitlines()
        return [cls._parse(line) for line in lines]

    @classmethod
    def _parse(cls, line):
        """Reads a line of ss. It leaves out the state, and what is 0."""
        unread, _, _, client, *_ = line.split()
        numbers = dict(re.findall(r"\b(ino|bytes_received):(\d+)", line))
        return cls(int(client.rpartition(":")[2]), int(numbers.get("ino", 0)),
                   int(numbers.get("bytes_received", 0)), int(unread))
