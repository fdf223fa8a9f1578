# SPDX-License-Identifier: GPL-2.0
"""Clients that come at a fixed rate, whatever became of those before them.

hey's clients wait for an answer before they come again, and hey doesn't say when
a connection was lost. A picture along a time line needs both.
"""

import selectors
import socket
import threading
import time
from dataclasses import dataclass

import network

# Seconds from one client to the next.
INTERVAL = 0.005

# In a slow guest, a client that would be later than that doesn't come.
LATEST = 0.05

REQUEST = b"GET / HTTP/1.0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 "


@dataclass
class Visit:
    """One client's connection: from when it was due to when it ended, and whether
    it was served."""

    begun: float
    ended: float = 0
    served: bool = False


class Arrivals(threading.Thread):
    """A context in which clients come."""

    def __init__(self):
        super().__init__()
        self._open = selectors.DefaultSelector()
        self._visits = []
        self._due = time.monotonic()
        self._last = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._last.set()
        self.join()
        self._open.close()

    def served(self):
        """How many were served so far."""
        return sum(visit.served for visit in self._visits)

    def finish(self):
        """Has no more clients come, waits for those that are there and returns
        all Visits."""
        self._last.set()
        self.join()
        return self._visits

    def run(self):
        while not self._last.is_set():
            self._proceed(max(0, self._due - time.monotonic()))
            self._come()

        deadline = time.monotonic() + network.PATIENCE
        while self._open.get_map() and time.monotonic() < deadline:
            self._proceed(INTERVAL)
        for key in list(self._open.get_map().values()):
            self._end(key, False)

    def _come(self):
        """Has a client come if it's time."""
        now = time.monotonic()
        if self._last.is_set() or now < self._due:
            return
        self._due = max(self._due, now - LATEST)
        visit = Visit(self._due)
        self._due += INTERVAL
        self._visits.append(visit)
        client = socket.socket()
        client.setblocking(False)
        # An error shows again when the request is sent.
        client.connect_ex((network.ADDRESS, network.PORT))
        self._open.register(client, selectors.EVENT_WRITE, visit)

    def _proceed(self, timeout):
        """Goes on with the clients that something happens to within so many seconds.
        Others go on coming, however many these are."""
        for key, event in self._open.select(timeout):
            try:
                if event & selectors.EVENT_READ:
                    answer = key.fileobj.recv(4096)
                    self._end(key, answer.startswith(ANSWER))
                else:
                    key.fileobj.send(REQUEST)
                    self._open.modify(key.fileobj, selectors.EVENT_READ, key.data)
            except OSError:
                self._end(key, False)
            self._come()

    def _end(self, key, served):
        key.data.ended, key.data.served = time.monotonic(), served
        self._open.unregister(key.fileobj)
        key.fileobj.close()
