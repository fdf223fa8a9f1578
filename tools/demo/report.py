# SPDX-License-Identifier: GPL-2.0
"""What the clients say."""

from collections import Counter
from dataclasses import dataclass, field


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
    # How long a served client waited, in seconds, and one may wait at most.
    slowest: float = 0
    timeout: float = 0

    def add(self, kind, count=1):
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

    def taken_along(self, accepted):
        """How many failed of those that a server had accepted when it was killed
        or stopped, given their clients' ports.

        A connection is reset if the server hadn't read everything. Otherwise it
        is closed in order. If the server is stopped, it times out. Clients don't
        name the ports of the latter two. The kernel resets those that nobody has
        accepted when a listener closes, so each closed one is one of these.
        """
        reset = (self.ports & Counter(accepted)).total()
        return reset + min(self.closed + self.timed_out, len(accepted) - reset)
