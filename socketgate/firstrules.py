# SPDX-License-Identifier: MIT
"""The rules a gate begins with: what the files say, or else the copy kept of the last good ones."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from socketgate.compiler import Compiler, Made
from socketgate.config import OnError, RulesConfig
from socketgate.errors import RuleError
from socketgate.largerules import (
    LARGE_BYTES,
    CannotCompile,
    CompilerStarved,
    WrongRules,
    all_mistakes_of,
    size_of,
    summary_of,
)
from socketgate.lastgood import LastGood
from socketgate.rulefiles import is_shortage, paths_of, read_sources
from socketgate.rules.table import build_table
from socketgate.tablefile import NotUsable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FirstRules:
    """What is in force at first."""

    made: Made
    #: Those the files name as they are now.
    host_files: frozenset[bytes]
    #: Why it isn't what the files say; empty when it is.
    error: str


def first_rules(config: RulesConfig, compiler: Compiler | None, last_good: LastGood) -> FirstRules:
    """Blocks until they are read; good ones that nobody else keeps a copy of are kept.

    Raises RuleError when neither the files nor a kept copy will do.
    """
    try:
        return _first_rules(config, compiler, last_good)
    except OSError as error:
        raise RuleError(f"the rules can't be read: {error.strerror}") from error
    except CompilerStarved as error:
        raise RuleError(f"the rules can't be read: {error}") from error


def _first_rules(config: RulesConfig, compiler: Compiler | None, last_good: LastGood) -> FirstRules:
    try:
        made = _of_the_files(config, compiler, last_good)
    except WrongRules as wrong:
        error = summary_of(wrong.mistakes)
        kept = _kept(config, last_good)
        if kept is None:
            raise RuleError(error) from wrong
        return FirstRules(kept, wrong.host_files, error)
    return FirstRules(made, frozenset(made[0].host_files), "")


def _of_the_files(config: RulesConfig, compiler: Compiler | None, last_good: LastGood) -> Made:
    """Raises WrongRules."""
    sources = None if _are_large(config, ()) else read_sources(config)
    if compiler is not None and (sources is None or _are_large(config, sources.host_files)):
        try:
            return _right(config, compiler.start())
        except (CannotCompile, NotUsable, OSError) as error:
            if is_shortage(error):
                raise
            log.warning("the rules are compiled in the gate itself: %s", error)
            sources = None
    sources = sources or read_sources(config)
    made = _right(config, (sources, build_table(sources)))
    last_good.keep(sources)
    return made


def _are_large(config: RulesConfig, host_files: Iterable[bytes]) -> bool:
    return size_of(paths_of(config, host_files)) >= LARGE_BYTES


def _right(config: RulesConfig, made: Made) -> Made:
    """The same. Raises WrongRules when it may not be put in force."""
    sources, table = made
    if config.on_error is not OnError.LIBWRAP and (mistakes := all_mistakes_of(table)):
        raise WrongRules(mistakes, sources.host_files)
    return made


def _kept(config: RulesConfig, last_good: LastGood) -> Made | None:
    """The copy, if it is there and right."""
    sources = last_good.load(config)
    if sources is None:
        return None
    table = build_table(sources)
    return None if all_mistakes_of(table) else (sources, table)
