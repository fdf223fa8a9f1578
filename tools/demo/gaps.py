# SPDX-License-Identifier: GPL-2.0
"""Servers that are restarted: for a while nobody listens on the port."""

import time

from idle_load import IdleLoad
from scenario import Scenario
from setting import Setting

WORKERS = 2

# Between the end of a server and the start of its successor, in seconds.
GAP = 0.5

# Much longer than any server is away, however slow the guest is.
GRACE_MS = 30000


def nginx_restarted(servers):
    """nginx, without reuseport, gets SIGQUIT; half a second after it has exited,
    another one starts. With a service manager it's much the same."""
    nginx = servers.nginx(WORKERS, reuseport=False)
    while True:
        yield
        nginx.quit()
        nginx.wait()
        time.sleep(GAP)
        nginx = servers.nginx(WORKERS, reuseport=False)


def haproxy_restarted(servers):
    """The only HAProxy is told to go; half a second after it has exited, another
    one starts."""
    haproxy = servers.haproxy()
    while True:
        yield
        haproxy.quit()
        haproxy.wait()
        time.sleep(GAP)
        haproxy = servers.haproxy()


def nginx_killed(servers):
    """All processes of the only nginx are killed, and another one starts."""
    nginx = servers.nginx(WORKERS)
    while True:
        yield
        servers.crash(nginx)
        nginx = servers.nginx(WORKERS)


def redis_killed(servers):
    """The only redis is killed, and another one starts."""
    redis = servers.redis()
    while True:
        yield
        servers.crash(redis)
        redis = servers.redis()


def redis_load():
    """Clients that connect some time before they say something."""
    return IdleLoad(b"PING\r\n", b"+PONG")


OFF, ON = Setting(1), Setting(1, grace_ms=GRACE_MS)
SCENARIOS = (
    Scenario("e", "nginx restarted, no reuseport", nginx_restarted, 4, 20,
             OFF, ON),
    Scenario("e", "haproxy restarted", haproxy_restarted, 4, 20, OFF, ON),
    Scenario("f", "nginx killed, another starts", nginx_killed, 8, 20, OFF, ON),
    # What it has accepted and not read is given back as well.
    Scenario("f", "redis killed, another starts", redis_killed, 4, 20, OFF,
             Setting(1, grace_ms=GRACE_MS, unread=1), redis_load),
)
