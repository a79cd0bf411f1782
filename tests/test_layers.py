# SPDX-License-Identifier: MIT
"""Imports point one way: down this list. A new module starts with its name in it.

A module may import what stands above it in the table: lower layers, and in its own layer what
stands to the left. So there are no circles, and a reader can start at the top.
"""

import ast
import sys

import pytest

from tests.support.modules import MODULES, Module, foreign_imports, own_imports

LAYERS = {
    "the version": "",
    "what all may use": "errors wording",
    "the rules, pure": """
        rules
        rules.text rules.source rules.option rules.request rules.spans rules.address
        rules.lines rules.split rules.keyword rules.facts rules.verdict rules.diagnostic
        rules.expand rules.pattern rules.host rules.gather rules.word rules.hostfile
        rules.rule rules.flat rules.addresslines
        rules.fault rules.lintaddress rules.lintword rules.lintoption rules.lint
        rules.steps rules.policy
        rules.syntax rules.compile rules.shadow rules.lintfiles rules.table rules.names rules.decide
        rules.why rules.trace
        """,
    "apart: the standard library only": """
        program takeover posixspawn spawn
        backend.message backend.channel backend.receiver backend.sockets backend.listener backend
        """,
    "the machine": """
        lookup_values bans daemonname configfiles config interpreter libc pathwalk wholefile
        notify journal inotify watch banlog banstore banwatch
        """,
    "lookups": """
        lookup_source lookup_cache lookup_pool
        accounts accountcheck netgroup resolver ident forward lookups judge
        """,
    "stations": """
        activation coalescing lane clients accept identify descriptorstore repetition entry
        introduction refusals audit trust
        command_message commands commandconnect banner act channel handoff
        rulefiles lastgood tablesources tablefile largerules compiling compiler firstrules
        unfinished reload
        varlink answers ownfolders control
        """,
    "what checks the rules and plays them through": """
        socketunits gateunits surroundings filecheck namecheck dryrun
        """,
    "the gate": "stations hearing acceptor gate",
    "what a gate tells": "report story explain operations metrics",
    "the daemon": "daemon",
    "what prints units and serves backends": """
        unitprograms unitcheck unitfile unitinstall
        xinetdtext xinetd xinetdaccess xinetdterms xinetdplan
        helper launcher commandchannel commandplaces commandprocess commandrunner
        """,
    "the command line": """
        cli.streams cli cli.output cli.findingtext cli.clientwords
        cli.matchtext cli.matchlines cli.match cli.check
        cli.times cli.banarguments cli.ban cli.unban cli.bans
        cli.gates cli.statustext cli.status cli.top cli.reload
        cli.explaintext cli.explain cli.metrics cli.import_xinetd
        cli.run cli.exec cli.launch_commands cli.launch cli.unit __main__
        """,
}

#: Modules that others may copy or that start with every connection: nothing but these of ours.
APART = {"program", "takeover", "posixspawn", "spawn", "backend"}

#: What the rules may import; of the last ones, only these names.
PURE = set(
    "array bisect collections dataclasses enum functools hashlib heapq itertools re struct".split()
)
PURE_IN_PART = {
    "socket": {"AF_INET", "AF_INET6", "inet_aton", "inet_ntoa", "inet_ntop", "inet_pton"},
    "sys": {"byteorder"},
}

#: Builtins that reach out of the process.
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "__import__"}

#: Each library outside the standard one, and the only module that knows it.
LIBRARIES = {
    "systemd": "activation",
    "sdnotify": "notify",
    "inotify_simple": "watch",
    "prometheus_client": "metrics",
}

ORDER = [name for names in LAYERS.values() for name in names.split() or [""]]
RULES = [module for module in MODULES if module.name.split(".")[0] == "rules"]
APART_MODULES = [module for module in MODULES if module.name.split(".")[0] in APART]


def named(module: Module) -> str:
    return module.full_name


def test_every_module_has_its_place_in_the_table() -> None:
    missing = [module.name for module in MODULES if module.name not in ORDER]
    assert missing == [], f"add to LAYERS in {__file__}, below all that it imports: {missing}"


def test_every_name_in_the_table_is_a_module() -> None:
    assert set(ORDER) - {module.name for module in MODULES} == set()


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_imports_point_down(module: Module) -> None:
    if module.name not in ORDER:
        pytest.fail(f"{module.name} has no place in LAYERS")
    below = set(ORDER[: ORDER.index(module.name)])
    upwards = own_imports(module) - below - {module.name}
    assert upwards == set(), f"{module.name} imports what stands after it"


@pytest.mark.parametrize("module", APART_MODULES, ids=named)
def test_modules_that_stand_apart_import_nothing_else_of_ours(module: Module) -> None:
    assert {name.split(".")[0] for name in own_imports(module)} <= APART


@pytest.mark.parametrize("module", RULES, ids=named)
def test_the_rules_import_only_rules(module: Module) -> None:
    assert {name.split(".")[0] for name in own_imports(module)} <= {"rules"}


@pytest.mark.parametrize("module", RULES, ids=named)
def test_the_rules_reach_for_nothing_outside(module: Module) -> None:
    assert foreign_imports(module) <= PURE | PURE_IN_PART.keys()
    assert set(used_in_part(module)) == set()


def used_in_part(module: Module) -> list[str]:
    """What a module uses of PURE_IN_PART and the builtins beyond what is allowed."""
    found = []
    for node in ast.walk(module.tree()):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=word) if name in PURE_IN_PART:
                found += [f"{name}.{word}"] if word not in PURE_IN_PART[name] else []
            case ast.ImportFrom(module=str(name), names=names) if name in PURE_IN_PART:
                words = {alias.name for alias in names} - PURE_IN_PART[name]
                found += [f"{name}.{word}" for word in words]
            case ast.Import(names=names):
                found += [f"{alias.name} as" for alias in names if alias.asname in PURE_IN_PART]
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_BUILTINS:
                found.append(name)
            case _:
                pass
    return found


@pytest.mark.parametrize(("library", "only"), LIBRARIES.items())
def test_a_library_is_known_to_one_module(library: str, only: str) -> None:
    assert [module.name for module in MODULES if library in foreign_imports(module)] == [only]


def test_nothing_else_is_needed_but_the_standard_library() -> None:
    foreign = set().union(*map(foreign_imports, MODULES))
    assert foreign - sys.stdlib_module_names == LIBRARIES.keys()
