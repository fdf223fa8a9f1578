# SPDX-License-Identifier: GPL-2.0
"""The servers: nginx, HAProxy and redis, as Debian ships them.

They are asked to finish what they accepted and to exit, or they are stopped or
killed. Connections that they had accepted then are known. So each other connection that
is lost was one that no server had accepted.
"""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import network
import process_group
from worker import Worker

# With reuseport, a socket for every worker; the master opens them all, and every
# worker holds them all, so a listener closes when the last of these processes
# lets it go. Without, there's one for all.
NGINX = """
daemon off;
worker_processes {workers};
pid {folder}/pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen {address}:{port}{reuseport};
        return 200 "served\\n";
    }}
}}
"""

# No stats socket with expose-fd: a successor binds sockets of its own.
HAPROXY = """
global
    maxconn 512
    nbthread 1
frontend demo
    mode http
    bind {address}:{port}
    timeout client {patience}s
    http-request return status 200 content-type text/plain string served
"""


class Server:
    """One running server, a process group of its own."""

    def __init__(self, folder, command):
        self.folder = folder
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(command, process_group=0,
                                             stdout=log, stderr=log)
        self.pid = self._process.pid

    def signal(self, number):
        """Signals all processes of the server."""
        os.killpg(self.pid, number)

    def wait(self):
        """Waits until the server has finished and exited."""
        # It waits as long as that for a client.
        self._process.wait(3 * network.PATIENCE)

    def crash(self):
        """Kills all processes of the server. Returns the clients' ports of the
        connections that it had accepted: none is added once it's stopped."""
        self.signal(signal.SIGSTOP)
        network.wait_until(self._is_stopped, "a stopped server")
        ports = network.accepted()
        self.kill()
        return ports

    def kill(self):
        """Ends what is left of the server."""
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()

    def _is_stopped(self):
        return set(process_group.states(self.pid).values()) == {"T"}


class Nginx(Server):
    """A master and its workers."""

    def __init__(self, folder, workers, reuseport):
        self._configure(folder, workers, reuseport)
        super().__init__(folder, ["nginx", "-e", folder / "error.log",
                                  "-c", folder / "nginx.conf"])

    @staticmethod
    def _configure(folder, workers, reuseport):
        (folder / "nginx.conf").write_text(NGINX.format(
            workers=workers, folder=folder,
            address=network.ADDRESS, port=network.PORT,
            reuseport=" reuseport" if reuseport else ""), encoding="ascii")

    def reload(self, workers):
        """Changes the number of workers, and so that of listeners."""
        self._configure(self.folder, workers, True)
        os.kill(self.pid, signal.SIGHUP)

    def workers(self):
        """The workers that run."""
        return [Worker(pid, self.pid)
                for pid, state in sorted(process_group.states(self.pid).items())
                if pid != self.pid and state != "Z"]

    def quit(self):
        """Tells master and workers to go; they finish what they accepted."""
        self.signal(signal.SIGQUIT)


class HAProxy(Server):
    """One process, which tells its predecessor to go once it listens."""

    def __init__(self, folder, predecessor):
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(
            address=network.ADDRESS, port=network.PORT,
            patience=network.PATIENCE), encoding="ascii")
        command = ["haproxy", "-db", "-f", config]
        if predecessor:
            command += ["-sf", str(predecessor.pid)]
        super().__init__(folder, command)

    def quit(self):
        """Tells it to go; it finishes what it accepted."""
        self.signal(signal.SIGUSR1)


class Redis(Server):
    """One process, which keeps nothing."""

    def __init__(self, folder):
        super().__init__(folder, [
            "redis-server", "--bind", network.ADDRESS, "--port", str(network.PORT),
            "--dir", folder, "--save", "", "--protected-mode", "no"])


class Servers:
    """A context in which servers run; none outlives it."""

    def __init__(self):
        # The clients' ports of connections that servers had accepted, or read
        # from, when they were stopped or killed.
        self.accepted = []
        self._started = []
        self._folder = None

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="tcp-migrate-demo-")
        # Workers run as another user.
        os.chmod(self._folder.name, 0o755)
        return self

    def __exit__(self, *_):
        for server in self._started:
            server.kill()
        self._folder.cleanup()

    def nginx(self, workers, reuseport=True):
        """Starts an nginx beside what is running; it listens on return."""
        listeners = len(network.accept_queues())
        server = self._start(Nginx, workers, reuseport)
        network.await_listeners(listeners + (workers if reuseport else 1))
        return server

    def haproxy(self, predecessor=None):
        """Starts an HAProxy that listens alone on return."""
        server = self._start(HAProxy, predecessor)
        if predecessor:
            predecessor.wait()
        network.await_listeners(1)
        return server

    def redis(self):
        """Starts a redis that listens alone on return."""
        server = self._start(Redis)
        network.await_listeners(1)
        return server

    def crash(self, server):
        """Has a server crash, and remembers what it had accepted."""
        self.accepted += server.crash()
        network.await_listeners(0)

    def _start(self, kind, *arguments):
        folder = Path(self._folder.name) / str(len(self._started))
        folder.mkdir()
        server = kind(folder, *arguments)
        self._started.append(server)
        return server
