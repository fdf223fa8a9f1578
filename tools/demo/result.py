# SPDX-License-Identifier: GPL-2.0
"""What a scenario did to the connections with one setting."""

from dataclasses import dataclass

from load import Report
from scenarios import Scenario, Setting

COLUMNS = ("{:<42} {:>3} {:>8} | {:>6} {:>5} {:>6} {:>7} {:>9} {:>5} |"
           " {:>8} {:>5} | {:>8}")
HEADINGS = COLUMNS.format(
    "scenario", "req", "grace_ms", "served", "reset", "closed", "refused",
    "timed out", "other", "accepted", "lost", "migrated")
LEGEND = """
accepted: not served, and the server had accepted them when it was killed
lost: not served, though no server had accepted them
"""


@dataclass(frozen=True)
class Result:
    """A line of the table."""

    scenario: Scenario
    setting: Setting
    report: Report
    # How many of the connections a server had accepted when it was killed.
    accepted: int
    migrated: int

    @property
    def lost(self):
        """The connections that weren't served, and that nobody had accepted."""
        return self.report.failed - self.accepted

    def __str__(self):
        report = self.report
        return COLUMNS.format(str(self.scenario), self.setting.migrate,
                              self.setting.grace_ms, report.served,
                              report.reset, report.closed, report.refused,
                              report.timed_out, report.other, self.accepted,
                              self.lost, self.migrated)

    def objection(self):
        """What speaks against the claim, or None."""
        least = self.scenario.least_lost
        if self.setting == self.scenario.off and self.lost < least:
            return f"only {self.lost} lost, {least} or more were expected"
        if self.setting == self.scenario.on:
            if self.lost:
                return f"{self.lost} lost"
            if not self.migrated:
                return "none migrated"
        if self.migrated and not self.setting.migrate:
            return f"{self.migrated} migrated"
        return None
