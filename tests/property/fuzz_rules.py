# SPDX-License-Identifier: MIT
"""A coverage-guided search for rule files that break a promise; not run by pytest.

    python -m pip install atheris
    python -m tests.property.fuzz_rules -max_total_time=600 FOLDER

FOLDER keeps the inputs that reached something new; without it they are forgotten. A finding is
written to ./crash-*; it becomes a test, as test_decide.py has them.
"""

import importlib
import sys

from socketgate.rules.source import Source, Sources, Text
from socketgate.rules.table import RuleTable, build_table
from tests.support.corpus import fast_difference, settle
from tests.support.libwrap import Question

#: Parts hosts.allow, hosts.deny and a host file in an input.
SEPARATOR = b"\xfe"
QUESTIONS = (
    Question(daemon=b"sshd", address=b"10.1.2.3", name=b"a.example.org", user=b"bob"),
    Question(daemon=b"22", address=b"::1", server_address=b"10.1.2.3", server_port=22),
    Question(daemon=b"sshd", address=b"012.1.2.3", name=b"a;b"),
    Question(daemon=b"sshd", address=b"unknown"),
)


def check(data: bytes) -> None:
    """Build the rules and put every question to them."""
    allow, _, rest = data.partition(SEPARATOR)
    deny, _, listed = rest.partition(SEPARATOR)
    texts = {"/etc/hosts.allow": allow, "/etc/hosts.deny": deny, "/l": listed}
    files: dict[bytes, Source] = {b"/l": Text(listed)}
    table = build_table(
        Sources(allow=Text(allow), deny=Text(deny), host_files=files), thorough=True
    )
    check_places(table, texts)
    for question in QUESTIONS:
        verdict, asked = settle(table, question.request(), question.answer)
        assert len(asked) == len(set(asked)), "asked twice"
        found = fast_difference(table, question.request(), verdict)
        assert not found, found


def check_places(table: RuleTable, texts: dict[str, bytes]) -> None:
    """Every diagnostic points into its file, and shows the line: by the column it is found there.

    Far into a line that is very long it shows what is near, which ends before the column.
    """
    for one in table.diagnostics:
        source = texts[one.origin].split(b"\n")[one.line - 1]
        assert one.source_line in source, one
        is_far = one.column > len(one.source_line) + 1
        assert source.startswith(one.source_line) or is_far, one
        assert 1 <= one.column <= len(source) + 1, one


def main() -> None:
    """Hand over to the fuzzer."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
