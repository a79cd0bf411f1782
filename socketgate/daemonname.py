# SPDX-License-Identifier: MIT
"""What a daemon may be called: a word that rules can name it by, and a unit's instance."""

import re

#: A template's instance that systemd never has to escape, and a plain word in a rule: an at sign, a
#: leading or trailing dot, a slash, a bracket, a comma are more than that to hosts_access(5).
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
#: systemd.socket(5), "FileDescriptorName=".
MAX_NAME_LENGTH = 255
#: Words that mean something else: to hosts_access(5), or as names that systemd gives descriptors.
TAKEN_NAMES = frozenset(
    {"all", "except", "known", "local", "paranoid", "unknown", "connection", "stored"}
)


def name_problem(text: str) -> str:
    """Why no daemon can be called that, and what would do; empty when one can."""
    if not NAME.fullmatch(text):
        return "letters, digits, '_', '-' and inner '.' only, as in sshd or in.ftpd"
    if len(text) > MAX_NAME_LENGTH:
        return f"at most {MAX_NAME_LENGTH} characters"
    if text.lower() in TAKEN_NAMES:
        return "this word means something else in the rules or to systemd; another, as in sshd"
    return ""
