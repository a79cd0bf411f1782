# SPDX-License-Identifier: MIT
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from socketgate.inotify import INotify
from socketgate.watch import Watcher, names_on_the_way, open_inotify
from tests.support.waiting import Calls, let_the_loop_turn, play

#: Events the kernel keeps for one instance; what comes beyond is an overflow (inotify(7)).
QUEUED_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")

Open = Callable[[], INotify]
Step = Callable[[], object]
Scene = Callable[[Watcher], Awaitable[None]]


@pytest.fixture(
    params=[
        pytest.param(open_inotify, id="inotify-simple"),
        pytest.param(lambda: INotify(nonblocking=True), id="our-own"),
    ]
)
def open_one(request: pytest.FixtureRequest) -> Open:
    """Both ways to inotify pass the same tests."""
    chosen: Open = request.param
    return chosen


def watched(open_one: Open, scene: Scene) -> None:
    async def with_watcher() -> None:
        watcher = Watcher(open_one)
        try:
            await scene(watcher)
        finally:
            watcher.close()

    play(with_watcher())


def write(folder: Path) -> None:
    (folder / "etc" / "rules").write_text("ALL: ALL\n")


def append(folder: Path) -> None:
    with (folder / "etc" / "rules").open("a") as file:
        file.write("sshd: 192.0.2.7\n")


def truncate(folder: Path) -> None:
    with (folder / "etc" / "rules").open("r+") as file:
        file.truncate(0)


def sed(folder: Path) -> None:
    subprocess.run(["sed", "-i", "s/old/new/", folder / "etc" / "rules"], check=True)


def move_over(folder: Path) -> None:
    (folder / "etc" / "rules.new").write_text("new\n")
    (folder / "etc" / "rules.new").replace(folder / "etc" / "rules")


def delete(folder: Path) -> None:
    (folder / "etc" / "rules").unlink()


def rename_away(folder: Path) -> None:
    (folder / "etc" / "rules").rename(folder / "etc" / "rules.away")


def change_mode(folder: Path) -> None:
    (folder / "etc" / "rules").chmod(0)


def rename_the_folder(folder: Path) -> None:
    (folder / "etc").rename(folder / "etc.away")


def delete_the_folder(folder: Path) -> None:
    shutil.rmtree(folder / "etc")


CHANGES = [
    write, append, truncate, sed, move_over, delete, rename_away, change_mode, rename_the_folder,
    delete_the_folder,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_every_change_of_a_file_calls_back(
    open_one: Open, change: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "rules").write_text("old\n")

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "etc" / "rules")])
        change(tmp_path)
        await changed.wait(1)

    watched(open_one, scene)


def link_into(folder: Path) -> None:
    """etc/rules is a link into a version's folder, that of `current`: all can be swapped."""
    for version in ("v1", "v2"):
        (folder / version).mkdir()
        (folder / version / "rules").write_text(f"{version}\n")
    (folder / "etc").mkdir()
    (folder / "current").symlink_to("v1")
    (folder / "etc" / "rules").symlink_to("../current/rules")


def swap_the_link(folder: Path) -> None:
    (folder / "etc" / "new").symlink_to("../v2/rules")
    (folder / "etc" / "new").replace(folder / "etc" / "rules")


def swap_the_folder_s_link(folder: Path) -> None:
    (folder / "new").symlink_to("v2")
    (folder / "new").replace(folder / "current")


def write_the_target(folder: Path) -> None:
    (folder / "v1" / "rules").write_text("more\n")


def swap_the_target_s_folder(folder: Path) -> None:
    (folder / "v1").rename(folder / "v1.away")
    (folder / "v2").rename(folder / "v1")


def delete_the_target(folder: Path) -> None:
    (folder / "v1" / "rules").unlink()


LINK_CHANGES = [
    swap_the_link, swap_the_folder_s_link, write_the_target, swap_the_target_s_folder,
    delete_the_target,
]  # fmt: skip


@pytest.mark.parametrize("change", LINK_CHANGES, ids=[change.__name__ for change in LINK_CHANGES])
def test_every_change_behind_a_symbolic_link_calls_back(
    open_one: Open, change: Callable[[Path], None], tmp_path: Path
) -> None:
    link_into(tmp_path)

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "etc" / "rules")])
        change(tmp_path)
        await changed.wait(1)

    watched(open_one, scene)


def test_after_a_link_was_swapped_its_new_target_is_watched(open_one: Open, tmp_path: Path) -> None:
    link_into(tmp_path)

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "etc" / "rules")])
        swap_the_folder_s_link(tmp_path)
        await changed.wait(1)
        watcher.watch(changed, [str(tmp_path / "etc" / "rules")])
        (tmp_path / "v2" / "rules").write_text("more\n")
        await changed.wait(2)

    watched(open_one, scene)


def test_a_file_created_where_none_was_calls_back(open_one: Open, tmp_path: Path) -> None:
    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "rules")])
        (tmp_path / "rules").touch()
        await changed.wait(1)

    watched(open_one, scene)


def test_a_file_is_waited_for_folder_by_folder(open_one: Open, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "rules"

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(path)])
        steps: list[Step] = [path.parent.parent.mkdir, path.parent.mkdir, path.touch]
        for step in steps:
            changed.seen.clear()
            step()
            await changed.wait(1)
            watcher.watch(changed, [str(path)])

    watched(open_one, scene)


def test_a_folder_renamed_away_and_back_is_followed(open_one: Open, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        steps: list[Step] = [
            lambda: (tmp_path / "etc").rename(tmp_path / "away"),
            lambda: (tmp_path / "away").rename(tmp_path / "etc"),
            (tmp_path / "etc" / "rules").touch,
        ]
        for step in steps:
            watcher.watch(changed, [str(tmp_path / "etc" / "rules")])
            changed.seen.clear()
            step()
            await changed.wait(1)

    watched(open_one, scene)


def test_a_folder_deleted_and_made_again_is_followed(open_one: Open, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "etc" / "rules")])
        (tmp_path / "etc").rmdir()
        (tmp_path / "etc").mkdir()
        await changed.wait(1)
        watcher.watch(changed, [str(tmp_path / "etc" / "rules")])
        changed.seen.clear()
        (tmp_path / "etc" / "rules").touch()
        await changed.wait(1)

    watched(open_one, scene)


def test_files_of_several_folders_are_watched_together(open_one: Open, tmp_path: Path) -> None:
    paths = [tmp_path / name / "hosts" for name in ("one", "two")]
    for path in paths:
        path.parent.mkdir()

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, map(str, paths))
        for path in paths:
            changed.seen.clear()
            path.touch()
            await changed.wait(1)

    watched(open_one, scene)


def test_other_names_in_the_same_folder_call_back_nobody(open_one: Open, tmp_path: Path) -> None:
    async def scene(watcher: Watcher) -> None:
        mine, other = Calls(), Calls()
        watcher.watch(mine, [str(tmp_path / "rules")])
        watcher.watch(other, [str(tmp_path / "rules.bak")])
        (tmp_path / "rules.bak").write_text("x\n")
        (tmp_path / "rules.bak").rename(tmp_path / "4913")
        (tmp_path / "4913").unlink()
        await other.wait(1)
        assert mine.count == 0

    watched(open_one, scene)


def test_a_look_calls_back_at_once_for_what_has_happened(open_one: Open, tmp_path: Path) -> None:
    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "rules")])
        (tmp_path / "rules").touch()
        watcher.look()
        assert changed.count == 1

    watched(open_one, scene)


def test_a_look_where_nothing_has_happened_calls_back_nobody(
    open_one: Open, tmp_path: Path
) -> None:
    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "rules")])
        watcher.look()
        assert changed.count == 0

    watched(open_one, scene)


def test_both_who_watch_the_same_file_are_called(open_one: Open, tmp_path: Path) -> None:
    async def scene(watcher: Watcher) -> None:
        one, other = Calls(), Calls()
        for each in (one, other):
            watcher.watch(each, [str(tmp_path / "rules")])
        (tmp_path / "rules").touch()
        await one.wait(1)
        await other.wait(1)

    watched(open_one, scene)


def test_whoever_fails_when_called_costs_no_other_his_call(open_one: Open, tmp_path: Path) -> None:
    called: list[str] = []

    def fail_as(name: str) -> Callable[[], None]:
        def fail() -> None:
            called.append(name)
            raise RuntimeError(name)

        return fail

    async def scene(watcher: Watcher) -> None:
        for name in ("one", "other"):
            watcher.watch(fail_as(name), [str(tmp_path / "rules")])
        (tmp_path / "rules").touch()
        with pytest.raises(RuntimeError):
            watcher.look()

    watched(open_one, scene)
    assert sorted(called) == ["one", "other"]


def test_many_events_at_once_are_one_call(open_one: Open, tmp_path: Path) -> None:
    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "rules")])
        for number in range(100):
            (tmp_path / "rules").write_text(str(number))
        await changed.wait(1)
        await let_the_loop_turn()
        assert changed.count == 1

    watched(open_one, scene)


def test_a_file_no_longer_named_calls_back_no_more(open_one: Open, tmp_path: Path) -> None:
    async def scene(watcher: Watcher) -> None:
        changed, sentinel = Calls(), Calls()
        (tmp_path / "other").mkdir()
        watcher.watch(changed, [str(tmp_path / "other" / "hosts"), str(tmp_path / "rules")])
        watcher.watch(changed, [str(tmp_path / "rules")])
        watcher.watch(sentinel, [str(tmp_path / "sentinel")])
        (tmp_path / "other" / "hosts").touch()
        (tmp_path / "sentinel").touch()
        await sentinel.wait(1)
        assert changed.count == 0

    watched(open_one, scene)


def test_an_overflow_of_events_calls_back_everybody(open_one: Open, tmp_path: Path) -> None:
    (tmp_path / "busy").mkdir()

    async def scene(watcher: Watcher) -> None:
        busy, quiet = Calls(), Calls()
        watcher.watch(busy, [str(tmp_path / "busy" / "file")])
        watcher.watch(quiet, [str(tmp_path / "quiet")])
        files = [tmp_path / "busy" / name for name in ("a", "b")]
        for _ in range(int(QUEUED_EVENTS.read_text()) // 5 + 1):
            for file in files:  # two names in turn: events that are alike would be merged
                file.touch()
                file.unlink()
        await quiet.wait(1)

    watched(open_one, scene)


def test_watching_something_new_says_so(open_one: Open, tmp_path: Path) -> None:
    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        answers = [watcher.watch(changed, [str(tmp_path / name)]) for name in ("a", "a", "b")]
        assert answers == [True, False, True]

    watched(open_one, scene)


def test_watching_a_folder_that_was_replaced_says_so(open_one: Open, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "new").mkdir()

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        path = str(tmp_path / "etc" / "rules")
        watcher.watch(changed, [path])
        (tmp_path / "etc").rename(tmp_path / "old")
        (tmp_path / "new").rename(tmp_path / "etc")
        assert watcher.watch(changed, [path])

    watched(open_one, scene)


def test_a_circle_of_links_is_watched_until_it_is_broken(open_one: Open, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    async def scene(watcher: Watcher) -> None:
        changed = Calls()
        watcher.watch(changed, [str(tmp_path / "a")])
        (tmp_path / "b").unlink()
        await changed.wait(1)

    watched(open_one, scene)


def test_every_step_to_a_file_is_one_name_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    assert {
        (str(folder), "link"),
        (str(folder), "real"),
        (str(folder / "real"), "rules"),
        (str(folder.parent), folder.name),
    } <= names_on_the_way(str(folder / "link" / "rules"))
