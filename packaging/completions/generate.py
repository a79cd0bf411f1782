#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the completions for bash, zsh and fish from the parser.

    packaging/completions/generate.py [FOLDER]      default: where it stands itself

Run it after a change of the command line; a test fails until it was. What an option's value is,
its metavar says: FILE and PATH are files, DIR is a folder, NAME is a daemon, USER a user of the
machine. What the words are that are no options, ARGUMENTS says, one by one.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1]))

from socketgate.cli import VERBS, load_verb  # noqa: E402  # found by the line above
from socketgate.takeover import USAGE as EXEC_USAGE  # noqa: E402  # as above

MADE = "Made by packaging/completions/generate.py; a change here would be lost."
GATES = "/run/socketgate/gate"
#: Prints the banned networks, a line each.
BANNED = 'socketgate bans 2>/dev/null | sed "1d;s/ .*//"'


class Value(Enum):
    """What an option or argument takes."""

    NOTHING = "nothing"  # a flag
    ANYTHING = "anything"  # nobody can guess it
    FILE = "file"
    FOLDER = "folder"
    GATE = "gate"
    DAEMON = "daemon"  # ALL, or a gate
    BANNED = "banned"  # a network that is banned
    USER = "user"
    COMMAND = "command"  # after --


BY_METAVAR = {
    "FILE": Value.FILE,
    "PATH": Value.FILE,
    "DIR": Value.FOLDER,
    "NAME": Value.DAEMON,
    "USER": Value.USER,
}


@dataclass(frozen=True, slots=True)
class Argument:
    """A word that is no option: one of the given, or what the value says."""

    value: Value
    words: tuple[str, ...] = ()
    is_repeated: bool = False


GATE = Argument(Value.GATE)
ANYTHING = Argument(Value.ANYTHING)
COMMAND = Argument(Value.COMMAND, is_repeated=True)
EXPLAIN_KEYS = ("name=", "user=", "saddr=", "sport=")
MATCH_KEYS = (*EXPLAIN_KEYS, "sname=", "cport=", "aclexec=")
#: The words that are no options, in their order; the parser can't tell.
ARGUMENTS = {
    "exec": (COMMAND,),
    "launch": (COMMAND,),
    "unit": (ANYTHING, COMMAND),
    "match": (GATE, ANYTHING, Argument(Value.ANYTHING, MATCH_KEYS, is_repeated=True)),
    "explain": (GATE, ANYTHING, Argument(Value.ANYTHING, EXPLAIN_KEYS, is_repeated=True)),
    "status": (GATE,),
    "top": (GATE,),
    "reload": (GATE,),
    "ban": (Argument(Value.ANYTHING, is_repeated=True),),
    "unban": (Argument(Value.BANNED, is_repeated=True),),
    "bans": (Argument(Value.BANNED),),
    "import": (Argument(Value.ANYTHING, ("xinetd",)), Argument(Value.FILE, is_repeated=True)),
}


@dataclass(frozen=True, slots=True)
class Option:
    """An option with all its names."""

    names: tuple[str, ...]
    help: str
    value: Value
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb with its options."""

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]

    def of_value(self, value: Value) -> list[str]:
        """The names of the options that take this."""
        options = [one for one in self.options if one.value is value and not one.choices]
        return [name for one in options for name in one.names]


def verbs() -> list[Verb]:
    """All, in the order of the help."""
    return [
        Verb(name, load_verb(name).HELP, _options(name), ARGUMENTS.get(name, ())) for name in VERBS
    ]


def _options(name: str) -> tuple[Option, ...]:
    if name == "exec":  # which reads its words without argparse
        found = re.findall(r"^ +(--[\w-]+)=(\S+) +(.*)$", EXEC_USAGE, re.MULTILINE)
        return tuple(
            Option((option,), text, BY_METAVAR.get(value, Value.ANYTHING), _choices(value))
            for option, value, text in found
        )
    parser = argparse.ArgumentParser()
    load_verb(name).configure(parser)
    return tuple(
        _option(action)
        for action in parser._actions  # noqa: SLF001  # argparse has no other way to look
        if action.option_strings and action.help != argparse.SUPPRESS
    )


def _choices(value: str) -> tuple[str, ...]:
    return (value,) if value.islower() else ()


def _option(action: argparse.Action) -> Option:
    text = (action.help or "").partition(" (default:")[0].partition("; ")[0]
    names = tuple(action.option_strings)
    if action.nargs == 0:
        return Option(names, text, Value.NOTHING)
    value = BY_METAVAR.get(str(action.metavar), Value.ANYTHING)
    return Option(names, text, value, tuple(map(str, action.choices or ())))


BASH_WORDS = {
    Value.FILE: "-f",
    Value.FOLDER: "-d",
    Value.GATE: f'-W "$(ls {GATES} 2>/dev/null)"',
    Value.DAEMON: f'-W "ALL $(ls {GATES} 2>/dev/null)"',
    Value.BANNED: f'-W "$({BANNED})"',
    Value.USER: "-u",
}

BASH_HEAD = """
# Offers what compgen finds for a word. bash replaces only what stands behind the last colon.
_socketgate_offer() {
    local current=$1 index
    shift
    mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
    [[ $COMP_WORDBREAKS == *:* ]] || return 0
    for index in "${!COMPREPLY[@]}"; do
        COMPREPLY[index]=${COMPREPLY[index]#"${current%"${current##*:}"}"}
    done
}

_socketgate() {
    local current before verb='' options='' takes='' word last='' index position=0
    local -a words=()
    COMPREPLY=()
    # bash splits --option=value, name=host and IPv6 addresses
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ $index -gt 0 && ( $word =~ ^[:=]+$ || $last =~ ^[:=]+$ ) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        last=$word
    done
    current=${words[-1]} before=${words[-2]}
    if [[ $current == --*=* ]]; then before=${current%%=*} current=${current#*=}; fi
    for ((index = 1; index < ${#words[@]} - 1; index++)); do
        word=${words[index]}
        if [[ $word == -- ]]; then
            _socketgate_offer "$current" -c -f
            return
        elif [[ $word == -* ]]; then
            [[ " $takes " != *" $word "* ]] || index=$((index + 1))
        elif [[ -n $verb ]]; then
            position=$((position + 1))
        else
            verb=$word
            case $verb in
VERBS
            esac
        fi
    done
    if [[ -z $verb ]]; then
        _socketgate_offer "$current" -W 'NAMES --help --version'
        return
    fi
    case "$verb $before" in
OPTIONS
    esac
    if [[ $current == -* ]]; then
        _socketgate_offer "$current" -W "$options"
        return
    fi
    case "$verb $position" in
ARGUMENTS
    esac
}
complete -o filenames -F _socketgate socketgate
"""


def bash() -> str:
    """For bash-completion: one function, and its help."""
    found = verbs()
    text = BASH_HEAD.replace("NAMES", " ".join(one.name for one in found))
    for place, lines in (
        ("VERBS", map(_bash_verb, found)),
        ("OPTIONS", _bash_options(found)),
        ("ARGUMENTS", (line for one in found for line in _bash_arguments(one))),
    ):
        text = text.replace(place, "\n".join(lines), 1)
    return f"# SPDX-License-Identifier: MIT\n# {MADE}\n# shellcheck shell=bash\n{text}"


def _bash_verb(one: Verb) -> str:
    names = " ".join(name for option in one.options for name in option.names)
    takes = " ".join(
        name for option in one.options if option.value is not Value.NOTHING for name in option.names
    )
    return f"            {one.name}) options='{names}' takes='{takes}' ;;"


def _bash_options(found: Sequence[Verb]) -> Iterator[str]:
    for value, words in BASH_WORDS.items():
        if pattern := _bash_pattern(found, value):
            yield f'    {pattern}) _socketgate_offer "$current" {words}; return ;;'
    for one, option in _with_choices(found):
        words = " ".join(option.choices)
        pattern = f"'{one.name} {option.names[0]}'"
        yield f"    {pattern}) _socketgate_offer \"$current\" -W '{words}'; return ;;"
    yield f"    {_bash_pattern(found, Value.ANYTHING)}) return ;;"


def _bash_arguments(one: Verb) -> Iterator[str]:
    for position, argument in enumerate(one.arguments):
        pattern = f"'{one.name} '*" if argument.is_repeated else f"'{one.name} {position}'"
        yield f"    {pattern}) {_bash_argument(argument)}".rstrip() + " ;;"


def _bash_argument(argument: Argument) -> str:
    words = BASH_WORDS.get(argument.value, "")
    if argument.words:
        words = f"-W '{' '.join(argument.words)}'"
    offer = f'_socketgate_offer "$current" {words}' if words else ""
    is_open = bool(argument.words) and not _space(argument)
    return f"{offer}; compopt -o nospace 2>/dev/null" if is_open else offer


def _bash_pattern(found: Sequence[Verb], value: Value) -> str:
    words = [f"'{one.name} {name}'" for one in found for name in one.of_value(value)]
    return " | ".join(words)


def _with_choices(found: Sequence[Verb]) -> list[tuple[Verb, Option]]:
    return [(one, option) for one in found for option in one.options if option.choices]


ZSH_HEAD = f"""#compdef socketgate
# SPDX-License-Identifier: MIT
# {MADE}

_socketgate_gates() {{
  local -a gates
  gates=({GATES}/*(N/:t))
  _describe gate gates
}}

_socketgate_daemons() {{
  local -a daemons
  daemons=(ALL {GATES}/*(N/:t))
  _describe daemon daemons
}}

_socketgate_banned() {{
  compadd "$@" -- ${{(f)"$({BANNED})"}}
}}

_socketgate() {{
  local context state state_descr line
  local -A opt_args
  local -a verbs
  verbs=("""


def zsh() -> str:
    """For zsh: a function for _arguments."""
    found = verbs()
    lines = [
        ZSH_HEAD,
        *(f"    {_zsh_quote(f'{one.name}:{one.help}')}" for one in found),
        "  )",
        "  _arguments -C '--version[print the version]' '--help[print help]' \\",
        "    '1:verb:->verb' '*::argument:->argument'",
        "  case $state in",
        "    verb) _describe verb verbs ;;",
        "    argument)",
        "      case $line[1] in",
    ]
    for one in found:
        specs = [_zsh_option(option, name) for option in one.options for name in option.names]
        specs += [_zsh_argument(*pair) for pair in enumerate(one.arguments, 1)]
        lines += [
            f"        {one.name})",
            "          _arguments -S \\" if one.arguments == (COMMAND,) else
            "          _arguments \\",
            " \\\n".join(f"            {_zsh_quote(spec)}" for spec in specs) + " ;;",
        ]  # fmt: skip
    lines += ["      esac ;;", "  esac", "}", "", '_socketgate "$@"', ""]
    return "\n".join(lines)


ZSH_VALUES = {
    Value.ANYTHING: ":value: ",
    Value.FILE: ":file:_files",
    Value.FOLDER: ":folder:_files -/",
    Value.GATE: ":gate:_socketgate_gates",
    Value.DAEMON: ":daemon:_socketgate_daemons",
    Value.BANNED: ":banned:_socketgate_banned",
    Value.USER: ":user:_users",
    Value.COMMAND: ":program:_files",
    Value.NOTHING: "",
}


def _zsh_option(option: Option, name: str) -> str:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", " -")
    value = f":value:({' '.join(option.choices)})" if option.choices else ZSH_VALUES[option.value]
    equals = "" if option.value is Value.NOTHING else "="
    return f"*{name}{equals}[{text}]{value}"


def _zsh_argument(position: int, argument: Argument) -> str:
    if argument is COMMAND and position == 1:
        return "*::program:_normal"  # behind a name it would take its options for the program's
    place = "*" if argument.is_repeated else f"{position}"
    if argument.words:
        return f'{place}:word:{{compadd -S "{_space(argument)}" {" ".join(argument.words)}}}'
    return f"{place}{ZSH_VALUES[argument.value]}"


def _space(argument: Argument) -> str:
    """What follows a word that was chosen."""
    return "" if argument.words[0].endswith("=") else " "


def _zsh_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish() -> str:
    """For fish: a line for each option."""
    found = verbs()
    names = " ".join(one.name for one in found)
    lines = [
        "# SPDX-License-Identifier: MIT",
        f"# {MADE}",
        "",
        "complete -c socketgate -f",
        f"set -l no_verb 'not __fish_seen_subcommand_from {names}'",
        'complete -c socketgate -n "$no_verb" -l version -d "print the version"',
        'complete -c socketgate -n "$no_verb" -s h -l help -d "print help"',
    ]
    for one in found:
        seen = f"-n '__fish_seen_subcommand_from {one.name}'"
        lines += ["", f'complete -c socketgate -n "$no_verb" -a {one.name} {_fish_text(one.help)}']
        lines += [f"complete -c socketgate {seen} {_fish_option(option)}" for option in one.options]
        for position, argument in enumerate(one.arguments, 2):
            where = _fish_where(one.name, position, argument)
            if offer := _fish_argument(argument):
                lines.append(f"complete -c socketgate {where} {offer}")
    return "\n".join([*lines, ""])


def _fish_where(verb: str, position: int, argument: Argument) -> str:
    """The condition for the word at a place: the verb itself is the first."""
    places = [f"__fish_is_nth_token {position}"]
    if argument.is_repeated:
        places = [f"not __fish_is_nth_token {before}" for before in range(2, position)]
    condition = "; and ".join([f"__fish_seen_subcommand_from {verb}", *places])
    return f"-n '{condition}'"


def _fish_argument(argument: Argument) -> str:
    if argument.words:
        return f"-a '{' '.join(argument.words)}'"
    return FISH_VALUES[argument.value].removeprefix("-x").removeprefix("-r").strip()


FISH_VALUES = {
    Value.NOTHING: "",
    Value.ANYTHING: "-x",
    Value.FILE: "-r -F",
    Value.FOLDER: "-x -a '(__fish_complete_directories)'",
    Value.GATE: f"-x -a '(path basename {GATES}/*)'",
    Value.DAEMON: f"-x -a 'ALL (path basename {GATES}/*)'",
    Value.BANNED: f"-x -a '(command -q socketgate; and {BANNED})'",
    Value.USER: "-x -a '(__fish_complete_users)'",
    Value.COMMAND: "-F",
}


def _fish_option(option: Option) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    value = f"-x -a '{' '.join(option.choices)}'" if option.choices else FISH_VALUES[option.value]
    return " ".join(filter(None, [names, value, _fish_text(option.help)]))


def _fish_text(text: str) -> str:
    return "-d '" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[], str]] = {
    "socketgate.bash": bash,
    "_socketgate": zsh,
    "socketgate.fish": fish,
}


def main() -> None:
    """Write all three."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, text in SHELLS.items():
        (folder / name).write_text(text())


if __name__ == "__main__":
    main()
