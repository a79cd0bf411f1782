# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.pathwalk import MAX_LINKS, TooManyLinks, join, walk


def steps(path: Path | str) -> list[str]:
    return [step.path for step in walk(str(path))]


def below(folder: Path, path: Path | str) -> list[str]:
    """The steps in this folder, without those that lead to it."""
    return [
        step.removeprefix(f"{folder}/") for step in steps(path) if step.startswith(f"{folder}/")
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_a_plain_path_is_walked_name_by_name() -> None:
    assert steps("/proc/sys/kernel") == ["/proc", "/proc/sys", "/proc/sys/kernel"]


def test_only_the_last_step_is_the_last() -> None:
    assert [step.is_last for step in walk("/proc/sys/kernel")] == [False, False, True]


@pytest.mark.parametrize(
    "path", ["/proc//sys", "/proc/./sys/", "//proc/sys", "/proc/sys/../sys", "/../proc/sys"]
)
def test_dots_and_slashes_lead_to_the_same_place(path: str) -> None:
    assert steps(path)[-1] == "/proc/sys"


def test_a_file_s_status_comes_with_its_step(folder: Path) -> None:
    (folder / "file").write_text("four")
    *_, last = walk(str(folder / "file"))
    assert last.status is not None
    assert last.status.st_size == 4


def test_what_is_not_there_ends_the_way(folder: Path) -> None:
    *_, last = walk(str(folder / "none" / "of" / "it"))
    assert (last.path, last.status, last.is_last) == (f"{folder}/none", None, False)


def test_a_file_in_the_middle_ends_the_way(folder: Path) -> None:
    (folder / "file").touch()
    assert below(folder, folder / "file" / "more") == ["file"]


def test_a_relative_link_leads_on_from_its_own_folder(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "link").symlink_to("../b/file")
    (folder / "b").mkdir()
    (folder / "b" / "file").touch()
    assert below(folder, folder / "a" / "link") == ["a", "a/link", "b", "b/file"]


def test_an_absolute_link_leads_on_from_the_root(folder: Path) -> None:
    (folder / "link").symlink_to("/proc/sys")
    assert steps(folder / "link")[-3:] == [f"{folder}/link", "/proc", "/proc/sys"]


def test_a_link_to_a_folder_is_followed_by_the_rest_of_the_path(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real" / "file").touch()
    (folder / "link").symlink_to("real")
    assert below(folder, folder / "link" / "file") == ["link", "real", "real/file"]


def test_dots_after_a_link_are_those_of_its_target(folder: Path) -> None:
    (folder / "deep" / "real").mkdir(parents=True)
    (folder / "link").symlink_to("deep/real")
    assert below(folder, folder / "link" / ".." / "x")[-1] == "deep/x"


def test_a_link_to_nothing_ends_at_what_is_missing(folder: Path) -> None:
    (folder / "link").symlink_to("none")
    *_, last = walk(str(folder / "link"))
    assert (last.path, last.status, last.is_last) == (f"{folder}/none", None, True)


def test_links_in_a_circle_are_too_many(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(TooManyLinks):
        steps(folder / "a")


def chain(folder: Path, length: int) -> Path:
    (folder / "0").touch()
    for number in range(1, length + 1):
        (folder / str(number)).symlink_to(str(number - 1))
    return folder / str(length)


def test_as_many_links_as_the_kernel_follows_are_followed(folder: Path) -> None:
    path = chain(folder, MAX_LINKS)
    path.read_text()
    assert steps(path)[-1] == f"{folder}/0"


def test_a_link_more_than_the_kernel_follows_is_too_many(folder: Path) -> None:
    path = chain(folder, MAX_LINKS + 1)
    with pytest.raises(OSError, match="symbolic links"):
        path.read_text()
    with pytest.raises(TooManyLinks):
        steps(path)


def test_a_name_in_the_root_has_one_slash() -> None:
    assert (join("/", "etc"), join("/etc", "hosts")) == ("/etc", "/etc/hosts")
