#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the completions for bash, zsh and fish from the parser.

    packaging/completions/generate.py [FOLDER]      default: where it stands itself

Run it after a change of the command line; a test fails until it was. What a value is, its metavar
says: FILE and PATH are files, DIR is a folder, NAME is a gate, USER a user of the machine.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1]))

from socketgate.cli import VERBS, load_verb  # noqa: E402  # found by the line above
from socketgate.takeover import USAGE as EXEC_USAGE  # noqa: E402  # as above

MADE = "Made by packaging/completions/generate.py; a change here would be lost."
GATES = "/run/socketgate/gate"
BASH_GATES = f'-W "$(ls {GATES} 2>/dev/null)"'


class Value(Enum):
    """What an option or argument takes."""

    NOTHING = "nothing"  # a flag, or no argument
    ANYTHING = "anything"  # nobody can guess it
    FILE = "file"
    FOLDER = "folder"
    GATE = "gate"
    USER = "user"
    COMMAND = "command"  # after --


BY_METAVAR = {
    "FILE": Value.FILE,
    "PATH": Value.FILE,
    "DIR": Value.FOLDER,
    "NAME": Value.GATE,
    "USER": Value.USER,
}
#: What the words that are no options are; the parser can't tell.
ARGUMENTS = {
    "exec": Value.COMMAND,
    "launch": Value.COMMAND,
    "unit": Value.COMMAND,
    "match": Value.GATE,
    "status": Value.GATE,
    "top": Value.GATE,
    "explain": Value.GATE,
    "reload": Value.GATE,
    "import": Value.FILE,
}
#: Words that come first, in place of any other.
FIRST = {"import": ("xinetd",)}
#: Verbs with a name, and options, before the program.
NAMED = {"unit"}


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
    arguments: Value

    def of_value(self, value: Value) -> list[str]:
        """The names of the options that take this."""
        options = [one for one in self.options if one.value is value and not one.choices]
        return [name for one in options for name in one.names]


def verbs() -> list[Verb]:
    """All, in the order of the help."""
    return [
        Verb(name, load_verb(name).HELP, _options(name), ARGUMENTS.get(name, Value.NOTHING))
        for name in VERBS
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


def bash() -> str:
    """For bash-completion: one function."""
    found = verbs()
    lines = [
        "# SPDX-License-Identifier: MIT",
        f"# {MADE}",
        "# shellcheck shell=bash",
        "",
        "_socketgate() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}",
        "    local verb='' options='' index",
        "    # bash takes --option=value for three words",
        "    if [[ $current == = ]]; then current=''",
        "    elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi",
        "    COMPREPLY=()",
        "    for ((index = 1; index < COMP_CWORD; index++)); do",
        "        if [[ ${COMP_WORDS[index]} == -- ]]; then",
        '            mapfile -t COMPREPLY < <(compgen -c -f -- "$current")',
        "            return",
        "        fi",
        "        [[ -n $verb || ${COMP_WORDS[index]} == -* ]] || verb=${COMP_WORDS[index]}",
        "    done",
        "    if [[ -z $verb ]]; then",
        f"        options='{' '.join(one.name for one in found)} --help --version'",
        '        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")',
        "        return",
        "    fi",
        '    case "$verb $before" in',
    ]
    for value, words in (
        (Value.FILE, "-f"),
        (Value.FOLDER, "-d"),
        (Value.GATE, BASH_GATES),
        (Value.USER, "-u"),
    ):
        pattern = _bash_pattern(found, value)
        lines += [f"    {pattern})", *_bash_answer(words)]
    for one, option in _with_choices(found):
        words = " ".join(option.choices)
        lines += [f"    '{one.name} {option.names[0]}')", *_bash_answer(f"-W '{words}'")]
    lines += [
        f"    {_bash_pattern(found, Value.ANYTHING)})",
        "        return ;;",
        "    esac",
        "    case $verb in",
    ]
    for one in found:
        names = " ".join(name for option in one.options for name in option.names)
        lines.append(f"    {one.name}) options='{names}' ;;")
    lines += [
        "    esac",
        "    if [[ $current == -* ]]; then",
        '        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")',
        "        return",
        "    fi",
        "    case $verb in",
    ]
    for name, first in FIRST.items():
        lines += [
            f"    {name})",
            '        if [[ $before == "$verb" ]]; then',
            f"            mapfile -t COMPREPLY < <(compgen -W '{' '.join(first)}' -- \"$current\")",
            "            return",
            "        fi",
            '        mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;',
        ]
    gates = " | ".join(one.name for one in found if one.arguments is Value.GATE)
    lines += [
        f"    {gates})",
        f'        mapfile -t COMPREPLY < <(compgen {BASH_GATES} -- "$current") ;;',
        "    esac",
        "}",
        "complete -o filenames -F _socketgate socketgate",
        "",
    ]
    return "\n".join(lines)


def _bash_pattern(found: Sequence[Verb], value: Value) -> str:
    words = [f"'{one.name} {name}'" for one in found for name in one.of_value(value)]
    return " | ".join(words)


def _bash_answer(words: str) -> list[str]:
    return [
        f'        mapfile -t COMPREPLY < <(compgen {words} -- "$current")',
        "        return ;;",
    ]


def _with_choices(found: Sequence[Verb]) -> list[tuple[Verb, Option]]:
    return [(one, option) for one in found for option in one.options if option.choices]


def zsh() -> str:
    """For zsh: a function for _arguments."""
    found = verbs()
    lines = [
        "#compdef socketgate",
        "# SPDX-License-Identifier: MIT",
        f"# {MADE}",
        "",
        "_socketgate_gates() {",
        "  local -a gates",
        f"  gates=({GATES}/*(N/:t))",
        "  _describe gate gates",
        "}",
        "",
        "_socketgate() {",
        "  local context state state_descr line",
        "  local -A opt_args",
        "  local -a verbs",
        "  verbs=(",
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
        specs += _zsh_arguments(one)
        lines += [
            f"        {one.name})",
            "          _arguments -S \\" if one.arguments is Value.COMMAND else
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
    Value.USER: ":user:_users",
    Value.NOTHING: "",
}


def _zsh_option(option: Option, name: str) -> str:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", " -")
    value = f":value:({' '.join(option.choices)})" if option.choices else ZSH_VALUES[option.value]
    equals = "" if option.value is Value.NOTHING else "="
    return f"*{name}{equals}[{text}]{value}"


def _zsh_arguments(one: Verb) -> list[str]:
    if one.name in NAMED:  # *:: would take the options behind the name for the program's
        return ["1:name: ", "*:program:_files"]
    if one.arguments is Value.COMMAND:
        return ["*::program:_normal"]
    if first := FIRST.get(one.name):
        return [f"1:format:({' '.join(first)})", "*:file:_files"]
    return [f"*{ZSH_VALUES[one.arguments]}"] if one.arguments is not Value.NOTHING else []


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
        if first := FIRST.get(one.name):
            lines.append(f"complete -c socketgate {seen} -F -a '{' '.join(first)}'")
        elif argument := FISH_VALUES[one.arguments].removeprefix("-x "):
            lines.append(f"complete -c socketgate {seen} {argument}")
    return "\n".join([*lines, ""])


FISH_VALUES = {
    Value.NOTHING: "",
    Value.ANYTHING: "-x",
    Value.FILE: "-r -F",
    Value.FOLDER: "-x -a '(__fish_complete_directories)'",
    Value.GATE: f"-x -a '(path basename {GATES}/*)'",
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
