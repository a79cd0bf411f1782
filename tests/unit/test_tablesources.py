# SPDX-License-Identifier: MIT
import json

import pytest

from socketgate.rules.source import (
    Absent,
    Directory,
    Excerpt,
    Part,
    Source,
    Sources,
    Text,
    Unreadable,
)
from socketgate.tablesources import (
    FileState,
    decode_sources,
    decode_state,
    encode_sources,
    encode_state,
)

EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize(
    "source",
    [
        Text(EVERY_BYTE),
        Excerpt((Part(EVERY_BYTE, 7, 8), Part(b"ALL: KNOWN\n", 9, 11)), 1_000_000, "hash"),
        Absent(),
        Directory(),
    ],
)
def test_sources_come_back_from_json_as_they_were(source: Source) -> None:
    sources = Sources(
        allow=source,
        deny=source,
        allow_origin="/a",
        deny_origin="/b",
        host_files={EVERY_BYTE: source},
        interfaces=frozenset({b"lo", b"\xff"}),
        extensions=False,
    )
    assert decode_sources(json.loads(json.dumps(encode_sources(sources)))) == sources


def test_a_file_that_could_not_be_read_is_not_written() -> None:
    with pytest.raises(ValueError, match="unreadable"):
        encode_sources(Sources(allow=Unreadable("Permission denied")))


@pytest.mark.parametrize("status", [(1, 2, 3, 4), None])
def test_a_file_s_state_comes_back_from_json_as_it_was(
    status: tuple[int, int, int, int] | None,
) -> None:
    state = FileState(status, 5, "hash", 6, 7, is_open=True)
    assert decode_state(json.loads(json.dumps(encode_state(state)))) == state


@pytest.mark.parametrize("values", [[], [None, "5", "hash", 6, 7, True], [None] * 6])
def test_what_is_no_state_is_said_to_be_none(values: list[object]) -> None:
    with pytest.raises(ValueError, match="no state"):
        decode_state(values)


@pytest.mark.parametrize("body", [{}, {"allow": ["absent"]}])
def test_what_is_no_sources_is_said_to_be_none(body: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no sources"):
        decode_sources(body)


@pytest.mark.parametrize("source", [["text", 1], ["unheard of"], "text", None])
def test_what_is_no_source_is_said_to_be_none(source: object) -> None:
    with pytest.raises(ValueError, match="no source"):
        decode_sources(encode_sources(Sources()) | {"allow": source})
