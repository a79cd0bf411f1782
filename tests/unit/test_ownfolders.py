# SPDX-License-Identifier: MIT
import tempfile
from pathlib import Path

import pytest

from socketgate.ownfolders import CACHE, RUNTIME, STATE, Folder, own_folder
from tests.support.forked import as_nobody, as_user
from tests.support.waiting import environment

#: A number no user has.
NO_ACCOUNT = 54321

IN_A_HOME = [(RUNTIME, 0o755), (STATE, 0o750), (CACHE, 0o750)]


@pytest.mark.parametrize("folder", [RUNTIME, STATE, CACHE])
def test_the_folder_that_systemd_made_is_taken(folder: Folder) -> None:
    assert own_folder(folder, {folder.variable: "/a:/b"}, "sshd") == Path("/a")


@pytest.mark.parametrize(("folder", "mode"), IN_A_HOME)
def test_run_by_hand_a_user_s_own_folder_is_made(folder: Folder, mode: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o777)
        wanted = Path(home) / "socketgate" / "sshd"

        def made() -> str:
            path = own_folder(folder, {folder.home_variable: home}, "sshd")
            return f"{path} {oct((path or Path('/')).stat().st_mode & 0o777)}"

        assert as_nobody(made) == f"{wanted} {oct(mode)}"


@pytest.mark.parametrize(("folder", "below"), [(STATE, ".local/state"), (CACHE, ".cache")])
def test_a_user_who_has_said_nothing_has_it_in_his_home(folder: Folder, below: str) -> None:
    with tempfile.TemporaryDirectory() as home, environment(HOME=home):
        Path(home).chmod(0o777)
        wanted = Path(home) / below / "socketgate" / "sshd"
        assert as_nobody(lambda: str(own_folder(folder, {}, "sshd"))) == str(wanted)


def test_a_user_without_a_runtime_folder_has_none_for_us() -> None:
    assert as_nobody(lambda: str(own_folder(RUNTIME, {}, "sshd"))) == "None"


def error_of(folder: Folder, environ: dict[str, str]) -> str:
    try:
        own_folder(folder, environ, "sshd")
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return "none"


def test_a_folder_that_can_t_be_made_is_named() -> None:
    said = as_nobody(lambda: error_of(STATE, {"XDG_STATE_HOME": "/proc/none"}))
    assert said.startswith("/proc/none")


def test_a_user_without_account_and_home_is_told_so() -> None:
    with environment(HOME=None):
        said = as_user(NO_ACCOUNT, lambda: error_of(STATE, {}))
    assert said == "~/.local/state/socketgate/sshd: there is no home"
