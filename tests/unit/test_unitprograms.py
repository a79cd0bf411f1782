# SPDX-License-Identifier: MIT
import pytest

from socketgate.errors import ConfigError
from socketgate.unitprograms import PLAIN, PROGRAMS, RSYNC, SSHD, VSFTPD, Program, find_program


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["/usr/sbin/sshd", "-i"], SSHD),
        (["/opt/ssh/sbin/sshd", "-f", "/etc/x", "-i"], SSHD),
        (["/usr/sbin/vsftpd", "/etc/vsftpd.conf"], VSFTPD),
        (["/usr/bin/rsync", "--daemon"], RSYNC),
    ],
)
def test_a_program_is_known_by_its_files_name(words: list[str], program: Program) -> None:
    assert find_program(words, has_user=False) is program


@pytest.mark.parametrize("words", [["/usr/sbin/sshd", "-D"], ["/usr/bin/rsync"]])
def test_a_program_that_would_listen_by_itself_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="add -"):
        find_program(words, has_user=False)


def test_an_unknown_program_needs_nothing() -> None:
    assert find_program(["/usr/libexec/fingerd"], has_user=True) is PLAIN


def test_who_runs_an_unknown_program_as_root_is_told_so() -> None:
    (note,) = find_program(["/usr/libexec/fingerd"], has_user=False).notes
    assert note.startswith("fingerd runs as root")


def test_the_admin_of_sshd_is_warned_of_the_limits_that_do_not_hold() -> None:
    assert any("MaxStartups and PerSourcePenalties" in note for note in SSHD.notes)


def test_the_admin_of_vsftpd_is_told_to_switch_listening_off() -> None:
    assert any("listen=NO" in note for note in VSFTPD.notes)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_programs_runtime_folder_stays_when_one_client_goes(name: str) -> None:
    lines = {setting.line for setting in PROGRAMS[name].service}
    if any(line.startswith("RuntimeDirectory=") for line in lines):
        assert "RuntimeDirectoryPreserve=yes" in lines
