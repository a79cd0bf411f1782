# SPDX-License-Identifier: MIT
"""The errors of socketgate, one class for each person who must act.

ConfigError          the admin edits socketgate.toml
RuleError            the admin edits hosts.allow, hosts.deny or a host file
ActivationError      the admin edits a .socket or .service unit
BackendUnavailable   whoever runs the backend looks after it
"""


class SocketgateError(Exception):
    """What is wrong and what to change, in one line for the admin."""


class ConfigError(SocketgateError):
    """The configuration can't be read or says something it can't mean."""


class RuleError(SocketgateError):
    """The rule files can't be used as they are."""


class ActivationError(SocketgateError):
    """What systemd passed isn't what the gate needs; the text names the unit and the setting."""


class BackendUnavailable(SocketgateError):
    """Nobody trustworthy takes connections at the backend's address."""
