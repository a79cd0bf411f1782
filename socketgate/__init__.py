# SPDX-License-Identifier: MIT
"""TCP Wrappers for systemd: hosts.allow and hosts.deny in front of every daemon."""

__version__ = "0.1.0"
