# SPDX-License-Identifier: MIT
"""xinetd's attributes and flags, xinetd.conf(5), and what becomes of each, as tables."""

from collections.abc import Callable, Sequence

from socketgate.unitfile import quote


def _size(text: str) -> str:
    """A limit: UNLIMITED, or a number with K or M, as systemd.exec(5) has them."""
    return "infinity" if text.upper() == "UNLIMITED" else text.upper()


# fmt: off
#: Attributes that are read below, or that say what is the case anyway.
READ = frozenset("""
    disable id type socket_type protocol wait port server server_args user libwrap
    flags bind interface only_from no_access v6only disabled enabled
""".split())

#: Settings of the program's unit: attribute -> what is written for its words.
SERVICE_SETTINGS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "group": lambda words: [f"Group={words[0]}"],
    "nice": lambda words: [f"Nice={words[0]}"],
    "umask": lambda words: [f"UMask={words[0]}"],
    "env": lambda words: [f"Environment={quote(word).replace('$$', '$')}" for word in words],
    "rlimit_as": lambda words: [f"LimitAS={_size(words[0])}"],
    "rlimit_files": lambda words: [f"LimitNOFILE={_size(words[0])}"],
    "rlimit_cpu": lambda words: [f"LimitCPU={_size(words[0])}"],
    "rlimit_data": lambda words: [f"LimitDATA={_size(words[0])}"],
    "rlimit_rss": lambda words: [f"LimitRSS={_size(words[0])}"],
    "rlimit_stack": lambda words: [f"LimitSTACK={_size(words[0])}"],
}

#: Flags that change nothing here, and settings of the listening socket for those that do.
PLAIN_FLAGS = frozenset("REUSE IPV4 IPV6 NAMEINARGS NOLIBWRAP NORETRY".split())
SOCKET_FLAGS = {"KEEPALIVE": "KeepAlive=yes", "NODELAY": "NoDelay=yes"}

#: What has no counterpart, and what to do instead.
NO_COUNTERPART = {
    "access_times": "socketgate has no times of day; a timer can swap a host file",
    "banner": "no banner for everybody; the option 'banners FOLDER' of a rule sends one",
    "banner_fail": "add ': banners FOLDER' before ': deny' in the rules",
    "banner_success": "a rule in hosts.allow with the option 'banners FOLDER' sends one",
    "cps": "no rate of connections; fail2ban or the firewall can ban who comes too often",
    "deny_time": "no sensors; 'socketgate ban ADDRESS --for TIME' is what a script can call",
    "groups": "a unit's user always has its supplementary groups, initgroups(3)",
    "instances": "write MaxConnections= in a drop-in of the -gated.socket; more clients wait",
    "log_on_failure": "the journal has every refused client: journalctl SOCKETGATE_OUTCOME=refused",
    "log_on_success": "the journal has every client, and systemd when its unit ended",
    "log_type": "the journal has it; rsyslog can write a file from that",
    "max_load": "clients are not refused by load",
    "mdns": "the gate announces nothing; see avahi.service(5)",
    "passenv": "a unit has no environment of the caller's; write Environment= in a drop-in",
    "per_source": "deciding-per-source in socketgate.toml limits clients that wait, not sessions",
    "rpc_number": "no RPC services",
    "rpc_version": "no RPC services",
}  # fmt: skip

#: Words with which such an attribute asks for nothing: what a unit does anyway.
NOTHING_ASKED = {
    "cps": ("0", "0"),
    "groups": ("yes",),
    "instances": ("UNLIMITED",),
    "mdns": ("no",),
    "passenv": (),
    "per_source": ("UNLIMITED",),
}

#: Why a service stays where it is: by the attribute that says so.
IMPOSSIBLE = {
    "disable": "it is disabled",
    "type": "only a program can be put behind the gate: no internal services, RPC, TCPMUX",
    "flags": "no sensors: no program ran here; 'socketgate ban' is what a script can call",
    "socket_type": "only streams can be decided about when they connect",
    "protocol": "only TCP",
    "wait": "the program takes the listening socket itself: give it a .socket unit of its own",
    "redirect": "a gate forwards no bytes: see systemd-socket-proxyd(8)",
    "server": "there is no server to start",
}
#: What xinetd doesn't start a service without; one of several.
NECESSARY = (("wait",), ("user",), ("socket_type", "protocol"))
IMPOSSIBLE_TYPES = frozenset({"INTERNAL", "RPC", "TCPMUX", "TCPMUXPLUS"})

FLAGS_WITHOUT = {
    "IDONLY": "a rule 'KNOWN@...' lets only clients in whose host answers ident",
    "INTERCEPT": "every connection is decided about anyway",
    "LABELED": "the program runs in the label of its unit; see SELinuxContext= in systemd.exec(5)",
}
# fmt: on
