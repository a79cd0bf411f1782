# SPDX-License-Identifier: MIT
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketgate.compiling import answer_to
from socketgate.largerules import Order, find_prepared
from socketgate.rules.table import digest_of
from socketgate.tablefile import NotUsable, indexes, map_table
from tests.support.largefiles import KEY, Files
from tests.support.waiting import PATIENCE_SECONDS

#: A time of change that is still to come.
LATER = 2**33

#: A child of another gate.
CHILD = "from socketgate.compiling import main; main()"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize("kind", ["json", "arrays"])
@pytest.mark.parametrize("harm", ["cut", "changed", "writable", "foreign", "link"])
def test_a_compiled_file_that_may_not_be_ours_is_not_believed(
    files: Files, kind: str, harm: str
) -> None:
    files.compile()
    path = next(files.cache.glob(f"*.{kind}"))
    data = path.read_bytes()
    match harm:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "changed":
            middle = len(data) // 2
            path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        case "writable":
            path.chmod(0o666)
        case "foreign":
            os.chown(path, 65534, 65534)
        case _:
            path.rename(path.with_name("elsewhere"))
            path.symlink_to("elsewhere")
    assert find_prepared(files.order()) is None


def test_a_compiled_file_of_another_version_is_not_believed(files: Files) -> None:
    files.compile()
    (index,) = indexes(files.cache, [KEY])
    index.write_bytes(index.read_bytes().replace(b'"version": ', b'"version": 1', 1))
    with pytest.raises(NotUsable, match="version"):
        map_table(index)


@pytest.mark.parametrize("value", ["1e999", "[1]", '"x"', "null", "[" * 100_000])
@pytest.mark.parametrize("key", ["files", "policies", "sources"])
def test_a_compiled_file_of_another_shape_is_not_believed(
    files: Files, key: str, value: str
) -> None:
    """Though its checksum is right."""
    files.compile()
    (index,) = indexes(files.cache, [KEY])
    head, _, body = index.read_bytes().partition(b"\n")
    about, contents = json.loads(head), json.loads(body)
    del contents[key]
    text = f'{json.dumps(contents)[:-1]}, "{key}": {value}}}'.encode()
    about["sha256"] = hashlib.sha256(text).hexdigest()
    index.write_bytes(json.dumps(about).encode() + b"\n" + text)
    with pytest.raises(NotUsable):
        map_table(index)


def test_gates_with_the_same_rules_share_the_arrays(files: Files) -> None:
    files.compile()
    order = files.order()
    again = Order(order.config, ((b"vsftpd", 21), KEY), order.folder, None)
    answer_to(again.as_text())
    assert len(list(files.cache.glob("*.json"))) == 2
    assert len(list(files.cache.glob("*.arrays"))) == 2


def test_arrays_that_were_damaged_are_written_again(files: Files) -> None:
    """As by a machine that lost power: who compiles doesn't read through what it has written."""
    files.compile()
    arrays = next(files.cache.glob("*.arrays"))
    data = arrays.read_bytes()
    arrays.write_bytes(bytes(len(data)))
    files.compile()
    assert arrays.read_bytes() == data


def test_old_tables_are_removed(files: Files) -> None:
    for number in range(4):
        files.append(f"ALL: 203.0.113.{number}\n")
        files.compile()
    assert len(list(files.cache.glob("*.json"))) == 2
    assert len(list(files.cache.glob("*.arrays"))) == 2


def test_the_clock_may_go_back(files: Files) -> None:
    """The tables of before look newer than the one just written, and are of other rules."""
    for number in range(4):
        files.deny.write_text(f"ALL: 203.0.113.{number}\n")
        files.compile()
        for index in indexes(files.cache, [KEY]):
            os.utime(index, (LATER, LATER))
    files.deny.write_text("ALL: 203.0.113.4\n")
    files.compile()
    assert len(indexes(files.cache, [KEY])) == 2
    found = find_prepared(files.order())
    assert found is not None
    assert found[0].digest == digest_of(files.sources()).hex()


def test_nobody_waits_for_a_pipe_in_the_place_of_a_table(files: Files) -> None:
    files.compile()
    arrays = next(files.cache.glob("*.arrays"))
    arrays.unlink()
    for path in (arrays, files.cache / "other-1.json"):
        os.mkfifo(path)
    words = [sys.executable, "-c", CHILD, files.order().as_text()]
    answer = subprocess.run(words, check=True, stdout=subprocess.PIPE, timeout=PATIENCE_SECONDS)
    map_table(Path(json.loads(answer.stdout)["index"]))


@contextlib.contextmanager
def another_child(files: Files) -> Iterator["subprocess.Popen[str]"]:
    words = [sys.executable, "-c", CHILD, files.order().as_text()]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()  # if the test failed while it waits for a lock of ours


def waits_for_a_lock(child: "subprocess.Popen[str]") -> bool:
    """Once it does; no when it has ended instead. proc_locks(5): a waiter's line has an arrow."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while child.poll() is None:
        lines = map(str.split, Path("/proc/locks").read_text().splitlines())
        if any(line[1] == "->" and line[5] == str(child.pid) for line in lines):
            return True
        assert time.monotonic() < deadline, "it neither waits nor ends"
    return False


def test_who_writes_waits_until_another_has_written(files: Files) -> None:
    """Else each would remove the arrays of the other that no table names yet."""
    folder = os.open(files.cache, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with another_child(files) as child:
        is_waiting, written = waits_for_a_lock(child), list(files.cache.iterdir())
        os.close(folder)
        answer = child.communicate()[0]
    assert (is_waiting, written) == (True, [])
    map_table(Path(json.loads(answer)["index"]))


@pytest.mark.parametrize("kind", ["json", "arrays"])
def test_what_a_killed_child_has_left_is_removed(files: Files, kind: str) -> None:
    files.compile()
    table = next(files.cache.glob(f"*.{kind}"))
    for draft in (table.with_name(f"{table.name}.new"), files.cache / f"older.{kind}.new"):
        draft.write_bytes(b"half")
        os.chown(draft, 65534, 65534)
    files.append("ALL: 203.0.113.1\n")
    files.compile()
    assert list(files.cache.glob("*.new")) == []


@pytest.mark.parametrize("harm", ["foreign", "damaged", "folder"])
def test_an_index_that_can_t_be_read_keeps_nobody_from_writing(files: Files, harm: str) -> None:
    index = files.cache / "other-1.json"
    match harm:
        case "foreign":
            index.write_text("{}")
            os.chown(index, 65534, 65534)
        case "damaged":
            index.write_bytes(b"\xff")
        case _:
            index.mkdir()
    assert files.compile().compiled
