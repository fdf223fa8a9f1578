# SPDX-License-Identifier: GPL-2.0
"""What the module is to reach."""

from dataclasses import dataclass

# Instructions for a migrated child, from so many children on.
PER_CHILD = 30
MANY = 1024
DEEPEST = 65535

# Instruction counts repeat to within 1 %, and to within 5 % where all that runs
# for a while is counted.
EXACT = 1.01
ROUGH = 1.05

# What doesn't depend on the depth differs by less.
CONSTANT = 1.1

NEVER_MIGRATING = 1.005

# What closing a listener with one child took, against mainline, before listeners could go
# on without a process: with one other listener, and with four.
BEFORE_GRACE = {1: 3967 / 3820, 4: 4234 / 3820}

# Instructions that it may take more to connect to an orphaned listener.
IN_THE_GAP = 150

# Instructions to look at a listener for which nothing waits.
IDLE = 10

# The head of an empty packet and its data.
PACKET = 2


@dataclass(frozen=True)
class Goal:
    """A goal for a figure, which is to be no larger than the limit."""

    name: str
    limit: float


@dataclass(frozen=True)
class Closing:
    """The name of a case of closing: how many, and what waits or chooses."""

    children: int
    destinations: int
    how: str = ""

    @classmethod
    def parse(cls, case):
        """None for a case of another kind."""
        name, *rest = case.split()
        if name != "close":
            return None
        return cls(int(rest[0]), int(rest[1]), " ".join(rest[2:]))

    def __str__(self):
        return f"close {self.children} {self.destinations} {self.how}".rstrip()


def shallow(closing):
    """The same case with as few children as count as many."""
    return str(Closing(MANY, closing.destinations, closing.how))


def of_closing(closing, quantity, ours, peer):
    """The goals for a case of closing."""
    many = closing.children >= MANY
    deep = closing.children == DEEPEST
    first = ours.get((shallow(closing), quantity))

    if quantity == "total" and closing.children == 1:
        if closing.how == "settled":
            yield Goal("one child: no dearer, with all that follows", peer * ROUGH)
        elif not closing.how:
            yield Goal("one child: no dearer", peer * EXACT)
    if quantity == "total" and closing.how == "grace":
        yield Goal("with grace: no dearer than before there was one",
                   peer * BEFORE_GRACE[closing.destinations])
    if quantity == "per child" and many:
        if not closing.how:
            yield Goal(f"at most {PER_CHILD} for each child", PER_CHILD)
        elif closing.how == "adopted":
            yield Goal(f"adopted: at most {PER_CHILD} for each child", PER_CHILD)
    if quantity == "per child" and deep:
        yield Goal("linear in depth", first.median * CONSTANT)
    if quantity == "per child" and many and closing.how == "program":
        yield Goal("with a program: no dearer", peer * EXACT)
    if quantity == "BH off" and deep:
        yield Goal("bottom halves: off for a bounded time",
                   first.median * CONSTANT)
    if quantity == "allocations":
        if closing.how == "program":
            yield Goal("with a program: one packet for all", PACKET)
        else:
            yield Goal("no allocation", 0)


def of(case, quantity, ours, peer):
    """The goals for a number of instructions. Ours has all, peer is mainline's."""
    closing = Closing.parse(case)
    if closing:
        yield from of_closing(closing, quantity, ours, peer)
    if case.startswith("connection "):
        yield Goal("never migrating: within 0.5 %", peer * NEVER_MIGRATING)
    if case in ("closed_port off", "closed_port on"):
        yield Goal("closed port: within 0.5 %", peer * NEVER_MIGRATING)
    if case == "connect orphan":
        live = ours["connect live", quantity]
        yield Goal(f"connecting in the gap: at most {IN_THE_GAP} more",
                   live.median + IN_THE_GAP)
    if case == "scan off":
        yield Goal("no stall time: nobody looks", 0)
    if case == "scan 20000" and quantity == "per listener":
        yield Goal(f"at most {IDLE} to look at an idle listener", IDLE)
    if case.startswith("ack") and quantity == "each":
        yield Goal("final ACK: no dearer", peer * EXACT)
    if case.startswith("timer") and quantity == "each":
        yield Goal("timer: no dearer", peer * EXACT)


def of_time(_case, quantity, _ours, _peer):
    """The goals for what is measured in time."""
    if quantity == "lost":
        yield Goal("replaced every second: none lost", 0)
