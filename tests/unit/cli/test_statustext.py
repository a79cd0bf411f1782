# SPDX-License-Identifier: MIT
import pytest

from socketgate.answers import StatusAnswer
from socketgate.cli.output import Paint
from socketgate.cli.statustext import silent_text, status_text
from socketgate.gateunits import GateUnit, UnitState
from tests.support.controlled import status

NOW = 1_700_003_700.0


def text(error: str | None = None) -> str:
    return status_text("sshd", status(error=error), NOW, Paint(is_on=False))


@pytest.mark.parametrize(
    "part",
    [
        "● sshd - socketgate 1.2.3",
        "process 4711",
        "17 rules, generation 5, since ",
        "1h 1min ago",
        "/etc/hosts.allow",
        "Bans: 6",
        "sshd on *:22",
        "/run/socketgate/backend/sshd.sock: connected, 1 client on the way",
        "11 so far, handed-over 8, refused 3",
        "2 under way, 1 of them waiting for a backend",
        "/etc/hosts.deny:4 (2)",
        "a ban of 198.51.100.0/24 (1)",
        "min ago, /etc/hosts.deny:4",
        "192.0.2.7 ",
    ],
)
def test_one_screen_has_it_all(part: str) -> None:
    assert part in text()


def test_what_did_not_happen_is_left_out() -> None:
    assert "error" not in text()


def test_rules_that_could_not_be_put_in_force_are_told() -> None:
    shown = text("hosts.deny:1: no colon")
    assert "by earlier rules: the files have an error\n" in shown
    assert "Error: hosts.deny:1: no colon" in shown


def test_a_backend_in_trouble_is_told() -> None:
    answer = status()
    answer["gates"][0]["backends"][0]["trouble"] = "it isn't there"
    assert "sshd.sock: it isn't there" in status_text("sshd", answer, NOW, Paint(is_on=False))


def test_foreign_text_cannot_play_with_the_terminal() -> None:
    answer = status()
    answer["gates"][0]["last_refused"][0]["address"] = "\033[2J"
    assert "\033" not in status_text("sshd", answer, NOW, Paint(is_on=False))


def in_trouble(trouble: str) -> StatusAnswer:
    answer = status()
    answer["gates"][0]["backends"][0] |= {"channels": 0, "trouble": trouble}
    return answer


def test_a_trouble_that_names_the_path_is_not_given_it_again() -> None:
    path = "/run/socketgate/backend/sshd.sock"
    shown = status_text("sshd", in_trouble(f"{path} isn't there"), NOW, Paint(is_on=False))
    assert shown.count(path) == 1


def test_a_gate_whose_clients_find_no_backend_is_not_shown_as_well() -> None:
    shown = status_text("sshd", in_trouble("it isn't there"), NOW, Paint(is_on=True))
    assert "\033[0;1;31m●" in shown
    assert "clients of sshd find no backend" in shown


@pytest.mark.parametrize(
    ("seconds_ago", "held", "said"),
    [
        (60, 0, ("closed (1min ago, not tried since)", "last clients of sshd found no backend")),
        (60, 1, ("closed", "clients of sshd find no backend")),
        (-60, 0, ("closed", "clients of sshd find no backend")),
    ],
    ids=["may be over", "somebody waits", "the clock went back"],
)
def test_a_trouble_is_one_of_now_unless_it_may_be_over(
    seconds_ago: int, held: int, said: tuple[str, str]
) -> None:
    answer = in_trouble("closed")
    answer["gates"][0]["held"] = held
    answer["gates"][0]["backends"][0]["trouble_at"] = NOW - seconds_ago
    shown = status_text("sshd", answer, NOW, Paint(is_on=False))
    assert [f"sshd.sock: {said[0]}\n" in shown, f"{said[1]}\n" in shown] == [True, True]


def test_a_daemon_of_two_sockets_is_said_to_find_no_backend_once() -> None:
    answer = in_trouble("it isn't there")
    answer["gates"] *= 2
    shown = status_text("sshd", answer, NOW, Paint(is_on=False))
    assert "clients of sshd find no backend\n" in shown


def test_with_another_backend_that_works_the_gate_is_well() -> None:
    answer = in_trouble("it isn't there")
    answer["gates"][0]["backends"] += status()["gates"][0]["backends"]
    assert "find no backend" not in status_text("sshd", answer, NOW, Paint(is_on=False))


def unit(state: UnitState) -> GateUnit:
    return GateUnit(
        name="sshd",
        service="socketgate@sshd.service",
        sockets=("socketgate@sshd.socket",),
        daemons=("sshd",),
        listens=("[::]:22 (Stream)",),
        state=state,
        culprit="socketgate@sshd.service",
        result="exit-code",
        said="no such\033[2J file",
        since=NOW - 60,
        is_enabled=True,
    )


@pytest.mark.parametrize(
    "part",
    [
        "● sshd - socketgate@sshd.service\n",
        "State: failed since ",
        "; 1min ago; socketgate@sshd.service: exit-code\n",
        "Error: no such\\x1b[2J file\n",
        "Listens: [::]:22 (Stream)\n",
    ],
)
def test_a_gate_that_has_failed_says_why(part: str) -> None:
    assert part in silent_text("sshd", unit(UnitState.FAILED), NOW, Paint(is_on=False))


def test_what_a_gate_said_before_it_was_stopped_is_no_error() -> None:
    assert "Error" not in silent_text("sshd", unit(UnitState.STOPPED), NOW, Paint(is_on=False))


def test_of_a_gate_without_units_is_said_that_it_does_not_answer() -> None:
    shown = silent_text("sshd", None, NOW, Paint(is_on=False))
    assert shown == "● sshd - gate\nState: doesn't answer\n"


def with_commands(trouble: str | None, *, path: str | None = "/c.sock") -> str:
    answer = status()
    answer["commands"] = {"path": path, "connected": False, "trouble": trouble}
    return status_text("sshd", answer, NOW, Paint(is_on=False))


def test_who_runs_the_commands_of_rules_is_shown() -> None:
    assert "Commands: /c.sock: there\n" in with_commands(None)
    assert "Commands: a child of the gate: there\n" in with_commands(None, path=None)


def test_rules_without_commands_need_nobody_to_run_them() -> None:
    assert "Commands" not in text()


def test_that_nobody_runs_the_commands_of_rules_is_shown_with_what_it_does() -> None:
    shown = with_commands("/c.sock isn't there")
    assert "Commands: can't be run: /c.sock isn't there\n" in shown
    assert "clients whose rule has a command are refused\n" in shown
