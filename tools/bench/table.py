# SPDX-License-Identifier: GPL-2.0
"""The tables: what each case costs with the module and on mainline."""

from dataclasses import dataclass

import goals
from results import Result

ROW = "{:<32} {:>16} {:>16} {:>7}  {}"
GOAL = "{:<46} {:>11} {:>11}  {}"

QUANTITIES = {
    "each": "Each connection, or SYN",
    "total": "Closing a listener",
    "per child": "Closing a listener, for each child",
    "BH off": "Closing a listener, the longest stretch with bottom halves off",
    "allocations": "Closing a listener, allocations",
    "bytes": "Closing a listener, bytes allocated; or held then, for peers",
    "scan": "Looking for stalled listeners, once",
    "per listener": "Looking for stalled listeners, for each listener",
    "a second": "Connections a second",
    "lost": "Connections lost",
    "migrated": "Connections migrated",
}
HOW = {
    "": "",
    "accept": ", acceptors",
    "epoll": ", epoll",
    "program": ", program",
    "settled": ", settled",
    "grace": ", grace",
    "adopted": ", adopted",
}


# What it costs on mainline to look for stalled listeners: nobody does.
NOTHING = Result([0.0])


@dataclass(frozen=True)
class Figure:
    """A line of a table."""

    case: str
    quantity: str
    ours: Result
    peer: Result
    goals: tuple = ()

    def label(self):
        """The case, for people."""
        closing = goals.Closing.parse(self.case)
        if not closing:
            return self.case
        return (f"{closing.children:,} children to {closing.destinations}"
                f"{HOW[closing.how]}")

    def missed(self):
        """Of its goals, those that it misses."""
        return [goal for goal in self.goals if self.ours.median > goal.limit]

    def as_json(self):
        """As it is recorded."""
        return {"case": self.case, "quantity": self.quantity,
                "module": self.ours.values, "mainline": self.peer.values}

    def line(self):
        """As a line of text."""
        ratio = ""
        if self.peer.median:
            ratio = f"{self.ours.median / self.peer.median:.3f}"
        verdict = ""
        if self.goals:
            verdict = "missed" if self.missed() else "met"
        return ROW.format(self.label(), value(self.ours), value(self.peer),
                          ratio, verdict).rstrip()


def value(result):
    """A result, with its spread where it's that of several runs."""
    digits = 1 if result.median < 1000 and result.median % 1 else 0
    text = f"{result.median:,.{digits}f}"
    if len(result.values) > 1:
        text += f" ±{result.spread:.0f}%"
    return text


def peer_of(case):
    """What a case is compared with, if not with the same one: mainline has no module,
    and no orphaned listeners.
    """
    closing = goals.Closing.parse(case)
    if closing and closing.how in ("grace", "adopted"):
        return str(goals.Closing(closing.children, closing.destinations))
    if case == "connection absent":
        return "connection off"
    if case.startswith("closed_port "):
        return "closed_port off"
    if case.startswith("connect "):
        return "connect live"
    return case


def figures(ours, mainline, goals_of):
    """All lines. Mainline must have a result for each, but for what only we do."""
    for (case, quantity), result in ours.items():
        is_ours = case.startswith("scan ")
        peer = NOTHING if is_ours else mainline[peer_of(case), quantity]
        wanted = tuple(goals_of(case, quantity, ours, peer.median))
        yield Figure(case, quantity, result, peer, wanted)


def tables(lines):
    """The lines by quantity, as text."""
    for quantity, title in QUANTITIES.items():
        some = [line for line in lines if line.quantity == quantity]
        if some:
            yield f"\n{title}"
            yield ROW.format("case", "module", "mainline", "ratio", "goal")
            yield from (line.line() for line in some)


def summary(lines):
    """Each goal, with the case that comes closest to its limit or exceeds it."""
    worst = {}
    for line in lines:
        for goal in line.goals:
            over = line.ours.median - goal.limit
            if goal.name not in worst or over > worst[goal.name][0]:
                worst[goal.name] = over, line, goal

    yield GOAL.format("goal", "worst", "limit", "where")
    for name, (over, line, goal) in worst.items():
        verdict = "missed" if over > 0 else "met"
        yield GOAL.format(f"{verdict}: {name}", f"{line.ours.median:,.1f}",
                          f"{goal.limit:,.1f}", line.label())
