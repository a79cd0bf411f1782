# SPDX-License-Identifier: MIT
"""The errors of socketgate, one class for each person who must act.

ConfigError          the admin edits socketgate.toml
RuleError            the admin edits hosts.allow, hosts.deny or a host file
BansUnreadable       the admin lets the gate read the file of bans
ActivationError      the admin edits a .socket or .service unit
LimitReached         the admin raises a limit of the machine
BackendUnavailable   whoever runs the backend looks after it
GateUnreachable      the admin starts the gate, or names another
NotPermitted         the admin asks as root
"""


class SocketgateError(Exception):
    """What is wrong and what to change, in one line for the admin."""


class ConfigError(SocketgateError):
    """The configuration can't be read or says something it can't mean."""


class RuleError(SocketgateError):
    """The rule files can't be used as they are."""


class BansUnreadable(SocketgateError):
    """Who is banned isn't known; the text names the file and says why."""


class ActivationError(SocketgateError):
    """What systemd passed isn't what the gate needs; the text names the unit and the setting."""


class LimitReached(SocketgateError):
    """The kernel gives no more of something; the text says which limit to raise."""


class BackendUnavailable(SocketgateError):
    """Nobody trustworthy takes connections at the backend's address."""


class GateUnreachable(SocketgateError):
    """There is no such gate, or it doesn't run or answer."""


class NotPermitted(SocketgateError):
    """Who asks may not do that; the text says who may."""
