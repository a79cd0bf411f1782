# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.config import RulesConfig
from socketgate.inotify import INotify, flags
from socketgate.lastgood import LastGood
from socketgate.rules.source import Sources, Text
from tests.support.waiting import play

CONFIG = RulesConfig(allow=Path("/etc/hosts.allow"), deny=Path("/etc/hosts.deny"))


def sources(number: int) -> Sources:
    return Sources(
        allow=Text(b""),
        deny=Text(b"d%d: ALL\n" % number),
        allow_origin=str(CONFIG.allow),
        deny_origin=str(CONFIG.deny),
    )


def keep(path: Path | None, *numbers: int) -> LastGood:
    last_good = LastGood(path)

    async def scene() -> None:
        for number in numbers:
            last_good.keep(sources(number))
        await last_good.close()

    play(scene())
    return last_good


def kept_deny(last_good: LastGood) -> bytes | None:
    found = last_good.load(CONFIG)
    return found.deny.data if found is not None and isinstance(found.deny, Text) else None


def test_what_was_kept_is_there_for_the_next_start(tmp_path: Path) -> None:
    keep(tmp_path / "kept", 1)
    assert kept_deny(LastGood(tmp_path / "kept")) == b"d1: ALL\n"


def test_the_last_that_was_kept_counts(tmp_path: Path) -> None:
    assert kept_deny(keep(tmp_path / "kept", *range(1000))) == b"d999: ALL\n"


def test_of_many_that_come_at_once_only_the_last_is_written(tmp_path: Path) -> None:
    """Each is written to the disk before the next: a queue of them would never end."""
    inotify = INotify(nonblocking=True)
    try:
        inotify.add_watch(str(tmp_path), flags.MOVED_TO)
        keep(tmp_path / "kept", *range(1000))
        written = [event.name for event in inotify.read(timeout=0)]
    finally:
        inotify.close()
    assert written == ["kept"]


def test_without_a_path_none_is_kept() -> None:
    assert kept_deny(keep(None, 1)) is None


def test_a_copy_that_can_t_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path / "missing" / "kept", 1)
    (record,) = caplog.records
    assert "can't keep a copy of the rules" in record.getMessage()
