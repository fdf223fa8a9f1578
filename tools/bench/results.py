# SPDX-License-Identifier: GPL-2.0
"""What the programs of the benchmark have printed."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Result:
    """A quantity of a case, on one kernel: a value for each run."""

    values: list = field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def spread(self):
        """How far the runs are from the median, at most, in percent of it."""
        if not self.median:
            return 0.0
        return max(abs(value / self.median - 1) for value in self.values) * 100


def load(paths):
    """Results by case and quantity, from files of tab-separated lines."""
    results = {}
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                case, quantity, value = line.rstrip("\n").split("\t")
                result = results.setdefault((case, quantity), Result())
                result.values.append(float(value))
    return results
