# SPDX-License-Identifier: MIT
"""Random rules that a child compiled decide as their text does: written, mapped, appended to.

That their text decides as libwrap: test_libwrap.py. SOCKETGATE_RANDOM_SETS=N tries N rule sets,
SOCKETGATE_RANDOM_SEED=N begins elsewhere.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from socketgate.compiling import answer_to
from socketgate.config import OnError, RulesConfig
from socketgate.largerules import CannotCompile, Order, appended_to, read_answer, table_of
from socketgate.rulefiles import read_sources
from socketgate.rules.policy import NotCovered
from socketgate.rules.request import UNKNOWN
from socketgate.rules.table import RuleTable, build_table
from socketgate.tablefile import Prepared
from tests.differential.test_libwrap import SEED, in_folder, write
from tests.support.corpus import is_canonical, settle
from tests.support.libwrap import Question
from tests.support.rulegen import Generator

SETS = int(os.environ.get("SOCKETGATE_RANDOM_SETS", "200"))
REQUESTS_PER_SET = 40
KEYS = ((b"sshd", 22), (b"vsftpd", 21), (b"in.ftpd", None))


def questions(generator: Generator) -> Iterator[Question]:
    """For the daemons that are compiled, from addresses as accept(2) gives them, or none."""
    for number in range(REQUESTS_PER_SET):
        question = generator.question()
        daemon, port = KEYS[number % len(KEYS)]
        address = question.address if is_canonical(question.address.decode("latin-1")) else UNKNOWN
        yield replace(question, daemon=daemon, server_port=port, address=address)


def decided(table: RuleTable, question: Question) -> object:
    """All that is said of a request, also by the fast path, and what was asked for it."""
    verdict, asked = settle(table, question.request(), question.answer)
    fast = table.policy(question.daemon, question.server_port).verdict(question.address.decode())
    said = [one and (one.access, one.place, one.actions, one.messages) for one in (verdict, fast)]
    return said, asked


def compiled(order: Order) -> Prepared | None:
    """None where the rules are of a kind that isn't compiled."""
    try:
        return read_answer(answer_to(order.as_text()).encode())
    except CannotCompile:
        return None


def with_the_rest_appended(order: Order) -> RuleTable | None:
    """The table of half of each file, and what was appended. None: all would be compiled anew."""
    files = [path for path in (order.config.allow, order.config.deny) if path.exists()]
    whole = [path.read_bytes() for path in files]
    for path, data in zip(files, whole, strict=True):
        path.write_bytes(data[: data.find(b"\n", len(data) // 2) + 1])
    prepared = compiled(order)
    for path, data in zip(files, whole, strict=True):
        with path.open("ab") as file:
            file.write(data[path.stat().st_size :])
    if prepared is None or (sources := appended_to(prepared)) is None:
        return None
    try:
        return table_of(prepared, sources)
    except NotCovered:
        return None


def test_compiled_rules_decide_as_their_text(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    config = RulesConfig(
        allow=tmp_path / "hosts.allow", deny=tmp_path / "hosts.deny", on_error=OnError.LIBWRAP
    )
    order = Order(config, KEYS, tmp_path / "cache", None)
    generator = Generator(SEED)
    tried = 0
    for number in range(SETS):
        rules = in_folder(generator.rule_set(), tmp_path)
        write(rules, tmp_path)
        text = build_table(read_sources(config))
        prepared, appended = compiled(order), with_the_rest_appended(order)
        tables = [] if prepared is None else [table_of(prepared)]
        tables += [] if appended is None else [appended]
        for question in questions(generator):
            wanted = decided(text, question)
            for table in tables:
                assert decided(table, question) == wanted, f"set {number}: {rules}\n{question}"
        tried += len(tables)
    assert tried > SETS  # most of them in both ways
