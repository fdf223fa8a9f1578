# SPDX-License-Identifier: GPL-2.0
"""Process groups, as /proc knows them."""

from pathlib import Path


def states(group):
    """The state of each process of a group, a letter as in proc(5), by its id."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name before that may hold anything.
        state, _, of, *_ = text.rpartition(")")[2].split()
        if int(of) == group:
            found[int(stat.parent.name)] = state
    return found
