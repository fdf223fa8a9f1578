# SPDX-License-Identifier: GPL-2.0
"""How migration is set."""

from dataclasses import dataclass

SYSCTL = "tcp_migrate_req"


@dataclass(frozen=True)
class Setting:
    """What tcp_migrate_req is set to, and each sysctl that refines it."""

    migrate: int
    grace_ms: int = 0
    stall_ms: int = 0
    unread: int = 0

    def __str__(self):
        extras = " ".join(f"{name}={value}"
                          for name, value in self._extras().items() if value)
        return extras or f"req={self.migrate}"

    def sysctls(self):
        """The values of all the sysctls, by their names."""
        return {SYSCTL: self.migrate} | {
            f"{SYSCTL}_{name}": value
            for name, value in self._extras().items()}

    def _extras(self):
        return {"grace_ms": self.grace_ms, "stall_ms": self.stall_ms,
                "unread": self.unread}
