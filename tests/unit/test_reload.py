# SPDX-License-Identifier: MIT
import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from socketgate.compiler import Compiler
from socketgate.config import OnError, RulesConfig
from socketgate.errors import RuleError
from socketgate.largerules import LARGE_BYTES
from socketgate.reload import LAST_GOOD, RulesInForce
from socketgate.rules.decide import decide
from socketgate.rules.request import Access
from socketgate.rules.source import Text
from socketgate.rules.verdict import Verdict
from socketgate.unfinished import NEWLINE_SECONDS
from tests.support.build import request
from tests.support.largefiles import KEY, Files
from tests.support.waiting import Calls, Happenings, let_the_loop_turn, play

BROKEN = "sshd 192.0.2.7\n"


class Stage:
    """The two files, their rules in force, and what was told of them."""

    def __init__(
        self, folder: Path, on_error: OnError = OnError.KEEP, *, keeps: bool = False
    ) -> None:
        self.allow, self.deny = folder / "hosts.allow", folder / "hosts.deny"
        self.changes, self.settled = Calls(), Calls()
        self.rules = RulesInForce(
            RulesConfig(allow=self.allow, deny=self.deny, on_error=on_error),
            folder if keeps else None,
            on_change=self.changes,
            on_settled=self.settled,
        )

    def access(self, client: str = "192.0.2.7") -> Access:
        """What is in force says of a client."""
        verdict = decide(self.rules.table, request(client))
        assert isinstance(verdict, Verdict)
        return verdict.access


def staged(
    folder: Path,
    scene: Callable[[Stage], Awaitable[None]],
    on_error: OnError = OnError.KEEP,
    *,
    keeps: bool = False,
) -> None:
    async def with_rules() -> None:
        stage = Stage(folder, on_error, keeps=keeps)
        try:
            await scene(stage)
        finally:
            await stage.rules.close()

    play(with_rules())


def kept_and_broken(folder: Path) -> None:
    """A first start has kept good rules, then the file was broken."""

    async def scene(_stage: Stage) -> None:
        await let_the_loop_turn()

    (folder / "hosts.deny").write_text("ALL: 192.0.2.7\n")
    staged(folder, scene, keeps=True)
    (folder / "hosts.deny").write_text(BROKEN)


def test_the_first_rules_are_generation_one(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert (stage.rules.generation, stage.access(), stage.changes.count) == (
            1,
            Access.DENY,
            0,
        )

    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    staged(tmp_path, scene)


def test_changed_files_are_in_force_after_a_reload(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: 192.0.2.7\n")
        stage.rules.reload()
        assert (stage.rules.generation, stage.access(), stage.changes.count) == (
            2,
            Access.DENY,
            1,
        )

    staged(tmp_path, scene)


def test_the_same_files_are_the_same_rules(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: ALL\n")
        before = stage.rules.table
        stage.rules.reload()
        assert (stage.rules.generation, stage.changes.count) == (1, 0)
        assert stage.rules.table is before

    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    staged(tmp_path, scene)


def test_every_reload_settles_whatever_it_found(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for text in ("", "ALL: ALL\n", BROKEN):
            stage.deny.write_text(text)
            stage.rules.reload()
        assert stage.settled.count == 3

    staged(tmp_path, scene)


def test_a_bad_file_leaves_the_old_rules_in_force(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(BROKEN)
        stage.rules.reload()
        assert (stage.rules.generation, stage.access()) == (1, Access.DENY)

    (tmp_path / "hosts.deny").write_text("ALL: 192.0.2.7\n")
    staged(tmp_path, scene)


def test_a_bad_file_says_where_it_is_wrong(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(f"# deny\n{BROKEN}")
        stage.rules.reload()
        assert stage.rules.last_error.startswith(f"{tmp_path}/hosts.deny:2:")

    staged(tmp_path, scene)


def test_of_several_errors_the_first_is_told_and_the_others_counted(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(BROKEN * 3)
        stage.rules.reload()
        assert stage.rules.last_error.endswith("(and 2 more errors: see 'socketgate check')")

    staged(tmp_path, scene)


def test_the_same_error_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(BROKEN)
        for _ in range(3):
            stage.rules.reload()

    staged(tmp_path, scene)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage().endswith("; keeping the previous rules")) == (
        logging.ERROR,
        True,
    )


def test_a_mended_file_is_in_force_and_its_error_forgotten(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for text in (BROKEN, "ALL: 192.0.2.7\n"):
            stage.deny.write_text(text)
            stage.rules.reload()
        assert (stage.access(), stage.rules.last_error) == (Access.DENY, "")

    staged(tmp_path, scene)


def test_an_error_taken_back_is_forgotten_though_the_rules_are_the_same(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for text in (BROKEN, ""):
            stage.deny.write_text(text)
            stage.rules.reload()
        assert (stage.rules.generation, stage.rules.last_error) == (1, "")

    (tmp_path / "hosts.deny").write_text("")
    staged(tmp_path, scene)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.symlink_to(path.name), id="link-to-itself"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), id="device"),
    ],
)
def test_a_file_that_can_t_be_read_leaves_the_old_rules_in_force(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.unlink()
        make(stage.deny)
        stage.rules.reload()
        assert stage.access() is Access.DENY

    (tmp_path / "hosts.deny").write_text("ALL: 192.0.2.7\n")
    staged(tmp_path, scene)


def test_a_change_is_in_force_soon_without_anybody_asking_again(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: ALL\n")
        stage.rules.files_changed()
        await stage.changes.wait(1)

    staged(tmp_path, scene)


def test_while_files_change_the_rules_are_settling(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        states = [stage.rules.is_settling]
        stage.rules.files_changed()
        states.append(stage.rules.is_settling)
        await stage.settled.wait(1)
        states.append(stage.rules.is_settling)
        assert states == [False, True, False]

    staged(tmp_path, scene)


def test_many_changes_in_a_row_are_one_reload(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for _ in range(100):
            stage.rules.files_changed()
        await stage.settled.wait(1)
        await let_the_loop_turn()
        assert stage.settled.count == 1

    staged(tmp_path, scene)


def test_changes_without_end_put_a_reload_off_for_a_bounded_time(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        while not stage.settled.count:  # the play's own time limit bounds it
            stage.rules.files_changed()
            await let_the_loop_turn()

    staged(tmp_path, scene)


def test_a_half_written_last_line_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: 192.0.2.7")
        stage.rules.reload()
        assert stage.access() is Access.ALLOW
        stage.deny.write_text("ALL: 192.0.2.77\n")
        stage.rules.reload()
        assert [stage.access(), stage.access("192.0.2.77")] == [Access.ALLOW, Access.DENY]

    staged(tmp_path, scene)
    assert caplog.records == []


def test_a_line_that_stays_without_its_newline_is_an_error_in_the_end(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: 192.0.2.7")
        stage.rules.reload()
        await stage.settled.wait(2)
        assert f"{tmp_path}/hosts.deny:1:" in stage.rules.last_error

    staged(tmp_path, scene)


def test_a_half_written_line_is_waited_for_the_second_time_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: 192.0.2.7")
        stage.rules.reload()
        loop_time = stage.rules._loop.time
        end = loop_time() + NEWLINE_SECONDS
        stage.deny.write_text("ALL: 192.0.2.7\n")
        stage.rules.reload()
        stage.rules._loop.call_at(end, stage.settled)
        await stage.settled.wait(stage.settled.count + 1)
        stage.deny.write_text("ALL: 192.0.2.7\nALL: 192.0.2.8")
        stage.rules.reload()

    staged(tmp_path, scene)
    assert caplog.records == []


def truncate(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("empty", [truncate, Path.unlink])
def test_a_mistake_in_a_file_that_was_empty_for_a_moment_keeps_the_rules_before_that(
    empty: Callable[[Path], None], tmp_path: Path
) -> None:
    async def scene(stage: Stage) -> None:
        empty(stage.deny)
        stage.rules.reload()
        stage.deny.write_text(BROKEN)
        stage.rules.reload()
        assert (stage.access(), stage.rules.last_error != "", stage.changes.count) == (
            Access.DENY,
            True,
            2,
        )

    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    staged(tmp_path, scene)


def test_one_file_emptied_after_the_other_is_one_writing(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for file in (stage.allow, stage.deny):
            truncate(file)
            stage.rules.reload()
        stage.deny.write_text(BROKEN)
        stage.rules.reload()
        assert [stage.access(), stage.access("192.0.2.8")] == [Access.DENY, Access.ALLOW]

    (tmp_path / "hosts.allow").write_text("ALL: 192.0.2.8\n")
    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    staged(tmp_path, scene)


def test_what_was_written_after_a_file_was_empty_is_kept(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for text in ("", "ALL: 192.0.2.8\n", BROKEN):
            stage.deny.write_text(text)
            stage.rules.reload()
        assert [stage.access(), stage.access("192.0.2.8")] == [Access.ALLOW, Access.DENY]

    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    staged(tmp_path, scene)


def test_another_mistake_after_a_half_written_line_settles_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: 192.0.2.7")
        stage.rules.reload()
        stage.deny.write_text(BROKEN)
        stage.rules.reload()
        assert stage.rules.is_settled

    staged(tmp_path, scene)


def test_another_error_beside_a_missing_newline_is_not_waited_for(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(f"{BROKEN}ALL: 192.0.2.7")
        stage.rules.reload()
        assert stage.rules.last_error

    staged(tmp_path, scene)


def test_every_file_the_rules_come_from_is_to_be_watched(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert stage.rules.paths == {
            str(stage.allow),
            str(stage.deny),
            f"{tmp_path}/friends",
            f"{tmp_path}/none",
        }

    (tmp_path / "friends").write_text(f"{tmp_path}/none\n")
    (tmp_path / "hosts.allow").write_text(f"sshd: {tmp_path}/friends\n")
    staged(tmp_path, scene, OnError.LIBWRAP)


def test_files_named_by_rules_that_are_not_in_force_are_watched_too(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.allow.write_text(f"{BROKEN}sshd: {tmp_path}/friends\n")
        stage.rules.reload()
        assert f"{tmp_path}/friends" in stage.rules.paths

    staged(tmp_path, scene)


def test_a_changed_host_file_is_in_force_after_a_reload(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        (tmp_path / "foes").write_text("192.0.2.7\n")
        stage.rules.reload()
        assert stage.access() is Access.DENY

    (tmp_path / "foes").write_text("192.0.2.9\n")
    (tmp_path / "hosts.deny").write_text(f"ALL: {tmp_path}/foes\n")
    staged(tmp_path, scene)


def test_like_libwrap_a_bad_line_is_passed_over_and_the_others_hold(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text(f"{BROKEN}ALL: 192.0.2.9\n")
        stage.rules.reload()
        assert stage.access("192.0.2.9") is Access.DENY

    staged(tmp_path, scene, OnError.LIBWRAP)


def test_a_start_with_a_bad_file_and_no_kept_copy_fails(tmp_path: Path) -> None:
    async def scene(_stage: Stage) -> None:
        return

    (tmp_path / "hosts.deny").write_text(BROKEN)
    with pytest.raises(RuleError, match=f"^{tmp_path}/hosts.deny:1:"):
        staged(tmp_path, scene, keeps=True)


def test_a_start_with_a_bad_file_decides_by_the_kept_copy(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert (stage.access(), stage.rules.sources.deny) == (
            Access.DENY,
            Text(b"ALL: 192.0.2.7\n"),
        )

    kept_and_broken(tmp_path)
    staged(tmp_path, scene, keeps=True)


def test_a_start_by_the_kept_copy_says_so_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        assert stage.rules.last_error.startswith(f"{tmp_path}/hosts.deny:1:")

    kept_and_broken(tmp_path)
    staged(tmp_path, scene, keeps=True)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"deciding by the last good rules, kept in {tmp_path}" in record.getMessage()


def test_started_by_the_kept_copy_a_mended_file_is_in_force_again(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: 192.0.2.9\n")
        stage.rules.reload()
        assert (stage.access("192.0.2.9"), stage.rules.last_error) == (Access.DENY, "")

    kept_and_broken(tmp_path)
    staged(tmp_path, scene, keeps=True)


def test_a_start_by_the_kept_copy_does_not_replace_it(tmp_path: Path) -> None:
    async def scene(_stage: Stage) -> None:
        return

    kept_and_broken(tmp_path)
    before = (tmp_path / LAST_GOOD).read_bytes()
    staged(tmp_path, scene, keeps=True)
    assert (tmp_path / LAST_GOOD).read_bytes() == before


def test_a_kept_copy_that_has_errors_itself_is_not_believed(tmp_path: Path) -> None:
    async def scene(_stage: Stage) -> None:
        await let_the_loop_turn()

    (tmp_path / "hosts.deny").write_text(BROKEN)
    staged(tmp_path, scene, OnError.LIBWRAP, keeps=True)  # libwrap's way keeps it as it is
    with pytest.raises(RuleError):
        staged(tmp_path, scene, keeps=True)


def test_rules_of_which_no_copy_can_be_kept_are_in_force_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        rules = RulesInForce(
            RulesConfig(allow=tmp_path / "a", deny=tmp_path / "d"),
            tmp_path / "none",
            on_change=Calls(),
            on_settled=Calls(),
        )
        await rules.close()

    play(scene())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_an_option_that_names_an_unknown_user_keeps_the_previous_rules(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: ALL: user nosuchuser\n")
        stage.rules.reload()
        await stage.rules.settled()
        assert stage.access() is Access.ALLOW
        assert stage.rules.last_error.startswith(f'{stage.deny}:1:11: unknown user: "nosuchuser"')
        stage.deny.write_text("ALL: ALL: user nobody\n")
        stage.rules.reload()
        assert stage.rules.is_settling
        await stage.rules.settled()
        assert stage.rules.last_error == ""
        assert stage.rules.generation == 2

    staged(tmp_path, scene)


def test_a_start_with_an_unknown_group_fails(tmp_path: Path) -> None:
    (tmp_path / "hosts.allow").write_text("ALL: ALL: group nosuchgroup\n")

    async def scene(_stage: Stage) -> None:
        raise AssertionError("it started")

    with pytest.raises(RuleError, match="unknown group"):
        staged(tmp_path, scene)


def with_large_files(folder: Path, scene: Callable[[Files, RulesInForce], None]) -> None:
    """Play a scene with rules that are compiled beside the loop."""
    files = Files(folder)
    files.deny.write_text("ALL: 203.0.113.9\n" * (LARGE_BYTES // 16))

    async def with_rules() -> None:
        rules = RulesInForce(
            files.order().config,
            None,
            on_change=Calls(),
            on_settled=Calls(),
            compiler=Compiler(files.order()),
        )
        scene(files, rules)
        await rules.close()

    play(with_rules())


def replace(files: Files) -> None:
    new = files.deny.with_name("new")
    new.write_text(files.deny.read_text().replace("ALL", "sshd"))
    new.rename(files.deny)


def test_a_host_file_that_is_wrong_beside_a_large_file_is_watched(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.deny.write_text("ALL: 203.0.113.9\n" * (LARGE_BYTES // 16))
    foes = tmp_path / "foes"

    async def scene() -> None:
        config, compiler = files.order().config, Compiler(files.order())
        rules = RulesInForce(config, None, on_change=Calls(), on_settled=Calls(), compiler=compiler)
        foes.write_text("0.0.0.0/0\n")
        files.append(f"ALL: {foes}\n")
        rules.reload()
        await rules.settled()
        await rules.close()
        assert ("never matches" in rules.last_error, str(foes) in rules.paths) == (True, True)

    play(scene())


def test_a_user_who_is_not_there_is_a_mistake_when_appended_to_a_large_file(
    tmp_path: Path,
) -> None:
    files = Files(tmp_path)
    files.deny.write_text("ALL: 203.0.113.9\n" * (LARGE_BYTES // 16))

    async def scene() -> None:
        config, compiler = files.order().config, Compiler(files.order())
        rules = RulesInForce(config, None, on_change=Calls(), on_settled=Calls(), compiler=compiler)
        files.append("sshd: 203.0.113.10 : user nosuch : allow\n")
        rules.reload()
        await rules.settled()
        await rules.close()
        assert (rules.generation, "unknown user" in rules.last_error) == (1, True)

    play(scene())


def test_what_is_written_to_a_large_host_file_holds(tmp_path: Path) -> None:
    files = Files(tmp_path)
    foes = tmp_path / "foes"
    foes.write_text("203.0.113.9\n" * (LARGE_BYTES // 10))
    files.allow.write_text("")
    files.deny.write_text(f"ALL: {foes}\n")

    async def scene() -> None:
        config, compiler = files.order().config, Compiler(files.order())
        rules = RulesInForce(config, None, on_change=Calls(), on_settled=Calls(), compiler=compiler)
        with foes.open("a") as file:
            file.write("203.0.113.10\n")
        rules.reload()
        await rules.settled()
        await rules.close()
        verdict = rules.table.policy(*KEY).verdict("203.0.113.10")
        assert (rules.generation, verdict and verdict.access) == (2, Access.DENY)

    play(scene())


def test_a_small_file_in_the_place_of_a_large_one_that_is_being_compiled_counts(
    tmp_path: Path,
) -> None:
    """What the child makes is of the file that was there before."""
    files = Files(tmp_path)
    files.allow.write_text("")
    files.deny.write_text("ALL: 203.0.113.9\n" * (LARGE_BYTES // 16))

    async def scene() -> None:
        config, compiler = files.order().config, Compiler(files.order())
        rules = RulesInForce(config, None, on_change=Calls(), on_settled=Calls(), compiler=compiler)
        files.last_good.unlink()
        replace(files)
        rules.reload()
        while not files.last_good.exists():  # the child has read it
            await asyncio.sleep(0)
        files.deny.write_text("sshd: 203.0.113.10\n")
        rules.reload()
        await rules.settled()
        await rules.close()
        verdicts = (rules.table.policy(*KEY).verdict(f"203.0.113.{last}") for last in (9, 10))
        assert [one and one.access for one in verdicts] == [Access.ALLOW, Access.DENY]

    play(scene())


def test_rules_that_come_while_accounts_are_looked_up_for_others_count(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.deny.write_text("ALL: ALL: user nobody\n")
        stage.rules.reload()
        stage.deny.write_text("ALL: 192.0.2.8\n")
        stage.rules.reload()
        await stage.rules.settled()
        assert (stage.access("192.0.2.7"), stage.access("192.0.2.8")) == (Access.ALLOW, Access.DENY)

    staged(tmp_path, scene)


def test_clients_wait_for_what_is_appended_to_a_large_file(tmp_path: Path) -> None:
    def scene(files: Files, rules: RulesInForce) -> None:
        files.append("ALL: 203.0.113.10\n")
        rules.files_changed()
        assert rules.is_settling

    with_large_files(tmp_path, scene)


def test_clients_never_wait_for_a_large_file_that_was_replaced(tmp_path: Path) -> None:
    def scene(files: Files, rules: RulesInForce) -> None:
        replace(files)
        rules.files_changed()
        files.append("ALL: 203.0.113.10\n")
        rules.files_changed()
        assert not rules.is_settling

    with_large_files(tmp_path, scene)


def test_clients_wait_for_nothing_that_is_appended_while_all_is_compiled(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.deny.write_text("ALL: 203.0.113.9\n" * (LARGE_BYTES // 16))
    in_force: list[RulesInForce] = []
    waits = Happenings[bool]()

    def on_settled() -> None:
        files.append("ALL: 203.0.113.10\n")
        in_force[0].files_changed()
        waits(in_force[0].is_settling)

    async def scene() -> None:
        config, compiler = files.order().config, Compiler(files.order())
        rules = RulesInForce(
            config, None, on_change=Calls(), on_settled=on_settled, compiler=compiler
        )
        in_force.append(rules)
        replace(files)
        rules.reload()
        seen = (await waits.wait(1))[0]
        await rules.close()
        assert not seen

    play(scene())


def test_errors_appended_to_large_files_while_no_gate_ran_are_noticed(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.deny.write_text("ALL: 203.0.113.9\n" * (LARGE_BYTES // 16))

    def start() -> RulesInForce:
        config = files.order().config
        return RulesInForce(
            config,
            tmp_path,
            on_change=Calls(),
            on_settled=Calls(),
            compiler=Compiler(files.order()),
        )

    async def scene() -> None:
        await start().close()
        files.append("ALL: 0.0.0.0/0\n")
        again = start()
        await again.close()
        assert "never matches" in again.last_error

    (tmp_path / LAST_GOOD).unlink(missing_ok=True)
    files.last_good = tmp_path / LAST_GOOD
    play(scene())
