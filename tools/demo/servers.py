# SPDX-License-Identifier: GPL-2.0
"""The servers: nginx and HAProxy, as Debian ships them.

They are only ever asked to finish what they accepted and to exit; so each
connection that is lost was one that no server had accepted.
"""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import network

# A socket for every worker; the master opens them all, and every worker holds
# them all, so a listener closes when the last of these processes lets it go.
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
        listen {address}:{port} reuseport;
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

    def kill(self):
        """Ends what is left of the server."""
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()


class Nginx(Server):
    """A master and its workers."""

    def __init__(self, folder, workers):
        self._configure(folder, workers)
        super().__init__(folder, ["nginx", "-e", folder / "error.log",
                                  "-c", folder / "nginx.conf"])

    @staticmethod
    def _configure(folder, workers):
        (folder / "nginx.conf").write_text(NGINX.format(
            workers=workers, folder=folder,
            address=network.ADDRESS, port=network.PORT), encoding="ascii")

    def reload(self, workers):
        """Changes the number of workers, and so that of listeners."""
        self._configure(self.folder, workers)
        os.kill(self.pid, signal.SIGHUP)

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


class Servers:
    """A context in which servers run; none outlives it."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="tcp-migrate-demo-")
        self._started = []
        # Workers run as another user.
        os.chmod(self._folder.name, 0o755)
        return self

    def __exit__(self, *_):
        for server in self._started:
            server.kill()
        self._folder.cleanup()

    def nginx(self, workers):
        """Starts an nginx beside what is running; it listens on return."""
        listeners = len(network.accept_queues())
        server = self._start(Nginx, workers)
        network.await_listeners(listeners + workers)
        return server

    def haproxy(self, predecessor=None):
        """Starts an HAProxy that listens alone on return."""
        server = self._start(HAProxy, predecessor)
        if predecessor:
            predecessor.wait()
        network.await_listeners(1)
        return server

    def _start(self, kind, argument):
        folder = Path(self._folder.name) / str(len(self._started))
        folder.mkdir()
        server = kind(folder, argument)
        self._started.append(server)
        return server
