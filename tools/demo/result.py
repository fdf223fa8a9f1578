# SPDX-License-Identifier: GPL-2.0
"""What a scenario did to the connections with one setting."""

from dataclasses import dataclass

from report import Report
from scenario import Scenario
from setting import Setting

COLUMNS = ("{:<33} {:<23} {:>6} {:>5} {:>6} {:>7} {:>9} {:>5} {:>8} {:>4}"
           " {:>7} {:>6}")
HEADINGS = COLUMNS.format(
    "scenario", "setting", "served", "reset", "closed", "refused", "timed out",
    "other", "accepted", "lost", "slowest", "moved")
LEGEND = """
setting: req is net.ipv4.tcp_migrate_req; with one of the others it is 1
accepted: not served, and the server had accepted them when it was killed or
    stopped; in (h), had read from them
lost: all others that were not served
slowest: how long the slowest client waited, in seconds, if not for an accepted
    one; if it gave up, till then
moved: to another listener
"""


@dataclass(frozen=True)
class Result:
    """A line of the table."""

    scenario: Scenario
    setting: Setting
    report: Report
    # How many a server had accepted of those that weren't served.
    accepted: int
    migrated: int

    @property
    def lost(self):
        """The connections that weren't served, and that nobody had accepted."""
        return self.report.failed - self.accepted

    @property
    def slowest(self):
        """How long the slowest client waited, those aside that were reset, or
        that a server had accepted."""
        report = self.report
        if report.timed_out and self.lost:
            return report.timeout
        return report.slowest

    def __str__(self):
        report = self.report
        return COLUMNS.format(
            str(self.scenario), str(self.setting), report.served, report.reset,
            report.closed, report.refused, report.timed_out, report.other,
            self.accepted, self.lost, f"{self.slowest:.1f}", self.migrated)

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
