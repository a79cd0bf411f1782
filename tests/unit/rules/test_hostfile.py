# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.host import Unopenable
from socketgate.rules.hostfile import MAX_WORD_BYTES, build_library, paths_in, words_of
from socketgate.rules.source import Absent, Directory, Source, Text, Unreadable
from socketgate.rules.word import Reading


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a b\tc\vd\fe\r\nf", [b"a", b"b", b"c", b"d", b"e", b"f"]),
        (b"a,b # c", [b"a,b", b"#", b"c"]),
        (b"a\0b c", [b"a", b"c"]),
        (b"x" * MAX_WORD_BYTES + b" " + b"y" * (MAX_WORD_BYTES + 1), [b"x" * MAX_WORD_BYTES]),
        (b"a\\\nb", [b"a\\", b"b"]),
    ],
)
def test_words_are_separated_by_white_space_alone(data: bytes, words: list[bytes]) -> None:
    assert list(words_of(data)) == words


def test_a_library_has_all_files_but_absent_ones() -> None:
    files: dict[bytes, Source] = {
        b"/list": Text(b"/nested"),
        b"/folder": Directory(),
        b"/secret": Unreadable("Permission denied"),
        b"/gone": Absent(),
    }
    library = build_library(files, Reading())
    assert library.keys() == {b"/list", b"/folder", b"/secret"}
    assert (library[b"/folder"], library[b"/secret"]) == ((), Unopenable("Permission denied"))


@pytest.mark.parametrize(
    ("data", "paths"), [(b"/a 10. alpha /b", [b"/a", b"/b"]), (b"a/b", []), (b"", [])]
)
def test_a_host_file_names_others(data: bytes, paths: list[bytes]) -> None:
    assert list(paths_in(build_library({b"/x": Text(data)}, Reading())[b"/x"])) == paths


def test_a_file_that_cant_be_read_names_none() -> None:
    assert list(paths_in(Unopenable("Permission denied"))) == []
