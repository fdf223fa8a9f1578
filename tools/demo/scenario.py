# SPDX-License-Identifier: GPL-2.0
"""A way in which servers fail their clients, under load."""

from collections.abc import Callable
from dataclasses import dataclass

from load import Load
from setting import Setting


@dataclass(frozen=True)
class Scenario:
    """What happens how often, and the least number of connections that are lost
    where nothing is done about it.

    Playing it is a generator: it starts a server, and each time it is resumed it
    has something happen to it once.
    """

    letter: str
    title: str
    play: Callable
    rounds: int
    least_lost: int
    # What loses connections, and what doesn't.
    off: Setting
    on: Setting
    # The clients.
    load: Callable = Load

    def __str__(self):
        return f"({self.letter}) {self.title}"
