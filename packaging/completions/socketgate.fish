# SPDX-License-Identifier: MIT
# Made by packaging/completions/generate.py; a change here would be lost.

complete -c socketgate -f
set -l no_verb 'not __fish_seen_subcommand_from run exec launch check match unit status top explain reload ban unban bans metrics import'
complete -c socketgate -n "$no_verb" -l version -d "print the version"
complete -c socketgate -n "$no_verb" -s h -l help -d "print help"

complete -c socketgate -n "$no_verb" -a run -d 'the gate: accept, decide, hand over (started by systemd with its sockets)'
complete -c socketgate -n '__fish_seen_subcommand_from run' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from run' -l config -r -F -d 'instead of /etc/socketgate/socketgate.toml'

complete -c socketgate -n "$no_verb" -a exec -d 'take one connection over from the gate and become a program (Accept=yes backends)'
complete -c socketgate -n '__fish_seen_subcommand_from exec' -l stderr -x -a 'client' -d 'the client on 2 as well; else 2 stays what it is, the journal'
complete -c socketgate -n '__fish_seen_subcommand_from exec' -l gate-user -x -a '(__fish_complete_users)' -d 'a gate may run as USER; root, our own user and socketgate always may'
complete -c socketgate -n '__fish_seen_subcommand_from exec' -F

complete -c socketgate -n "$no_verb" -a launch -d 'start a program for every connection the gate hands over (resident, for busy services)'
complete -c socketgate -n '__fish_seen_subcommand_from launch' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from launch' -l max -x -d 'programs at once'
complete -c socketgate -n '__fish_seen_subcommand_from launch' -l commands -d 'instead of a program for each client, run what rules say after spawn, aclexec, twist'
complete -c socketgate -n '__fish_seen_subcommand_from launch' -l stderr -x -a 'journal client' -d 'where the program\'s errors go'
complete -c socketgate -n '__fish_seen_subcommand_from launch' -l listen -r -F -d 'listen there'
complete -c socketgate -n '__fish_seen_subcommand_from launch' -l gate-user -x -a '(__fish_complete_users)' -d 'a gate may run as USER'
complete -c socketgate -n '__fish_seen_subcommand_from launch' -F

complete -c socketgate -n "$no_verb" -a check -d 'say what is wrong with the rules, where, and what to write instead'
complete -c socketgate -n '__fish_seen_subcommand_from check' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from check' -l allow -r -F -d 'instead of the configured hosts.allow'
complete -c socketgate -n '__fish_seen_subcommand_from check' -l deny -r -F -d 'instead of the configured hosts.deny'
complete -c socketgate -n '__fish_seen_subcommand_from check' -l config -r -F -d 'instead of /etc/socketgate/socketgate.toml'
complete -c socketgate -n '__fish_seen_subcommand_from check' -l strict -d 'let warnings count as errors'
complete -c socketgate -n '__fish_seen_subcommand_from check' -l no-lookups -d 'ask no database for users, groups, netgroups or host names'
complete -c socketgate -n '__fish_seen_subcommand_from check' -l json -d 'print JSON'

complete -c socketgate -n "$no_verb" -a match -d 'say what the rules would answer a client, and why'
complete -c socketgate -n '__fish_seen_subcommand_from match' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from match' -l allow -r -F -d 'instead of the configured hosts.allow'
complete -c socketgate -n '__fish_seen_subcommand_from match' -l deny -r -F -d 'instead of the configured hosts.deny'
complete -c socketgate -n '__fish_seen_subcommand_from match' -l config -r -F -d 'instead of /etc/socketgate/socketgate.toml'
complete -c socketgate -n '__fish_seen_subcommand_from match' -l resolve -d 'look names up, as the gate would for a client'
complete -c socketgate -n '__fish_seen_subcommand_from match' -l libwrap -d 'decide as libwrap does: bad lines are skipped or refuse, dns:NAME means nothing'
complete -c socketgate -n '__fish_seen_subcommand_from match' -l json -d 'print JSON'
complete -c socketgate -n '__fish_seen_subcommand_from match' -l jsonl -d 'answer requests from standard input: one JSON object on each line'
complete -c socketgate -n '__fish_seen_subcommand_from match' -a '(path basename /run/socketgate/gate/*)'

complete -c socketgate -n "$no_verb" -a unit -d 'print, install or remove the units that put a program behind the gate'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l listen -x -d 'PORT, ADDRESS:PORT, [ADDRESS]:PORT, /path or vsock:CID:PORT'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l resident -l launch -d 'one process that starts it for each client: cheaper where many come'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l backend -r -F -d 'it listens on this socket by itself (socketgate-backend(7))'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l handoff -x -a 'channel connection' -d 'with --backend: many clients on one channel (default), or a connection for each'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l user -x -a '(__fish_complete_users)' -d 'the user it runs as'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l install -d 'write the files'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l remove -d 'remove what --install wrote'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l root -x -a '(__fish_complete_directories)' -d 'of another system\'s files'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l force -d 'overwrite or remove files that were changed, too'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l json -d 'print JSON'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -l systemd-version -x -d 'leave out what this version doesn\'t know'
complete -c socketgate -n '__fish_seen_subcommand_from unit' -F

complete -c socketgate -n "$no_verb" -a status -d 'show how the gates are: sockets, backends, rules in force, who was refused'
complete -c socketgate -n '__fish_seen_subcommand_from status' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from status' -l json -d 'print JSON'
complete -c socketgate -n '__fish_seen_subcommand_from status' -l gates -x -a '(__fish_complete_directories)' -d 'where the gates have their folders'
complete -c socketgate -n '__fish_seen_subcommand_from status' -a '(path basename /run/socketgate/gate/*)'

complete -c socketgate -n "$no_verb" -a top -d 'show the gates at work, once a second'
complete -c socketgate -n '__fish_seen_subcommand_from top' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from top' -l seconds -x -d 'between two looks'
complete -c socketgate -n '__fish_seen_subcommand_from top' -l count -x -d 'print so many tables instead of a live one'
complete -c socketgate -n '__fish_seen_subcommand_from top' -l gates -x -a '(__fish_complete_directories)' -d 'where the gates have their folders'
complete -c socketgate -n '__fish_seen_subcommand_from top' -a '(path basename /run/socketgate/gate/*)'

complete -c socketgate -n "$no_verb" -a explain -d 'say what the running gate would answer a client now, and why'
complete -c socketgate -n '__fish_seen_subcommand_from explain' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from explain' -l files -d 'by the files as they are now, and whether that differs from what is in force'
complete -c socketgate -n '__fish_seen_subcommand_from explain' -l config -r -F -d 'with --files, instead of socketgate.toml'
complete -c socketgate -n '__fish_seen_subcommand_from explain' -l json -d 'print JSON'
complete -c socketgate -n '__fish_seen_subcommand_from explain' -l gates -x -a '(__fish_complete_directories)' -d 'where the gates have their folders'
complete -c socketgate -n '__fish_seen_subcommand_from explain' -a '(path basename /run/socketgate/gate/*)'

complete -c socketgate -n "$no_verb" -a reload -d 'read the rules now, and say whether they are in force'
complete -c socketgate -n '__fish_seen_subcommand_from reload' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from reload' -l gates -x -a '(__fish_complete_directories)' -d 'where the gates have their folders'
complete -c socketgate -n '__fish_seen_subcommand_from reload' -a '(path basename /run/socketgate/gate/*)'

complete -c socketgate -n "$no_verb" -a ban -d 'refuse an address or a network for a while, whatever the rules say'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -l for -x -d 'how long: 90s, 10m, 12h, 7d, 2w (default, and -1: until unban)'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -l daemon -x -a '(path basename /run/socketgate/gate/*)' -d 'for this daemon only'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -l prefix -x -d 'ban an IPv6 address with all that share its first N bits (a customer has 64)'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -l reason -x -d 'for people'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -l origin -x -d 'who bans'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -l force -d 'even if it has the address you come from'
complete -c socketgate -n '__fish_seen_subcommand_from ban' -l config -r -F -d 'instead of /etc/socketgate/socketgate.toml'

complete -c socketgate -n "$no_verb" -a unban -d 'end the ban of an address or a network'
complete -c socketgate -n '__fish_seen_subcommand_from unban' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from unban' -l all -d 'end every ban'
complete -c socketgate -n '__fish_seen_subcommand_from unban' -l daemon -x -a '(path basename /run/socketgate/gate/*)' -d 'only the ban for this daemon, or ALL'
complete -c socketgate -n '__fish_seen_subcommand_from unban' -l prefix -x -d 'as it was banned'
complete -c socketgate -n '__fish_seen_subcommand_from unban' -l origin -x -d 'only bans of this origin'
complete -c socketgate -n '__fish_seen_subcommand_from unban' -l ignore-missing -d 'what isn\'t banned is no failure'
complete -c socketgate -n '__fish_seen_subcommand_from unban' -l config -r -F -d 'instead of /etc/socketgate/socketgate.toml'

complete -c socketgate -n "$no_verb" -a bans -d 'show the bans'
complete -c socketgate -n '__fish_seen_subcommand_from bans' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from bans' -l daemon -x -a '(path basename /run/socketgate/gate/*)' -d 'only what concerns it'
complete -c socketgate -n '__fish_seen_subcommand_from bans' -l origin -x -d 'only bans of this origin'
complete -c socketgate -n '__fish_seen_subcommand_from bans' -l json -d 'print JSON'
complete -c socketgate -n '__fish_seen_subcommand_from bans' -l config -r -F -d 'instead of /etc/socketgate/socketgate.toml'

complete -c socketgate -n "$no_verb" -a metrics -d 'print the gates\' numbers for Prometheus, write them to a file, or serve them'
complete -c socketgate -n '__fish_seen_subcommand_from metrics' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from metrics' -l output -r -F -d 'write FILE in one step, for node_exporter\'s textfile collector'
complete -c socketgate -n '__fish_seen_subcommand_from metrics' -l serve -d 'answer HTTP on the sockets that systemd passes (socketgate-metrics.socket)'
complete -c socketgate -n '__fish_seen_subcommand_from metrics' -l gates -x -a '(__fish_complete_directories)' -d 'where the gates have their folders'

complete -c socketgate -n "$no_verb" -a import -d 'print the units and rules that do what another program\'s configuration says'
complete -c socketgate -n '__fish_seen_subcommand_from import' -s h -l help -d 'show this help message and exit'
complete -c socketgate -n '__fish_seen_subcommand_from import' -l json -d 'print JSON'
complete -c socketgate -n '__fish_seen_subcommand_from import' -F -a 'xinetd'
