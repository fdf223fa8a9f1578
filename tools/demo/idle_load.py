# SPDX-License-Identifier: GPL-2.0
"""Clients that connect some time before they send their request.

Browsers connect ahead, as do proxies that keep connections in reserve. So a
server has accepted many connections on which nothing has come. hey sends its
request at once.
"""

import socket
import threading
import time

import network
from arrivals import ANSWER, REQUEST
from load import CLIENTS
from report import Report

# In seconds, between the connection and the request.
IDLE = 1


class IdleLoad:
    """A context in which such clients connect to the servers, with a request and an answer
    that begins so."""

    def __init__(self, request=REQUEST, answer=ANSWER):
        self._request, self._answer = request, answer
        self._report = Report(timeout=network.PATIENCE)
        self._lock = threading.Lock()
        self._last = threading.Event()
        self._clients = [threading.Thread(target=self._run)
                         for _ in range(CLIENTS)]

    def __enter__(self):
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        """Opens no more connections, waits for the open ones and returns the
        Report."""
        self._last.set()
        for client in self._clients:
            client.join()
        return self._report

    def _run(self):
        """One client, which comes again and again."""
        while not self._last.is_set():
            with socket.socket() as client:
                client.settimeout(network.PATIENCE)
                begun = time.monotonic()
                kind = self._visit(client)
                # It is the server that it waits for, not itself.
                waited = time.monotonic() - begun - IDLE
                port = client.getsockname()[1]
            with self._lock:
                self._report.add(kind)
                if kind == "served":
                    self._report.slowest = max(self._report.slowest, waited)
                if kind == "reset":
                    self._report.ports[port] += 1

    def _visit(self, client):
        """Has a client served. Returns what became of it."""
        try:
            client.connect((network.ADDRESS, network.PORT))
            time.sleep(IDLE)
            client.sendall(self._request)
            answer = client.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            return "reset"
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "timed_out"
        except OSError:
            return "other"
        if not answer:
            return "closed"
        return "served" if answer.startswith(self._answer) else "other"
