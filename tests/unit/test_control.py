# SPDX-License-Identifier: MIT
import asyncio
import contextlib
import json
import logging
import os
import select
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from socketgate.answers import INTERFACE
from socketgate.config import ControlConfig
from socketgate.control import MAX_STRANGERS, Control, Method, Right, Rights, rights_by
from socketgate.varlink import MAX_CALL_BYTES, SERVICE, encode
from tests.support.descriptors import no_free_descriptor, unwatchable
from tests.support.forked import LARGEST_NUMBER, NOBODY
from tests.support.waiting import PATIENCE_SECONDS, let_the_loop_turn, play

NO_GROUPS = Rights(frozenset(), frozenset())

Scene = Callable[[Control], Awaitable[None]]
Message = dict[str, object]


async def echo(parameters: Mapping[str, object]) -> Mapping[str, object]:
    return {"heard": dict(parameters)}


async def answer_at_length(_parameters: Mapping[str, object]) -> Mapping[str, object]:
    """A little more than the kernel takes of an answer that nobody reads."""
    with socket.socket(socket.AF_UNIX) as sock:
        return {"text": "x" * (sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) + 20_000)}


async def break_down(_parameters: Mapping[str, object]) -> Mapping[str, object]:
    raise RuntimeError("a mistake of ours")


METHODS = {
    "Look": Method(Right.LOOK, echo),
    "Change": Method(Right.CHANGE, echo),
    "Break": Method(Right.LOOK, break_down),
    "Long": Method(Right.LOOK, answer_at_length),
}


def controlled(
    folder: Path, scene: Scene, rights: Rights = NO_GROUPS, *, reply_seconds: float = 10.0
) -> None:
    async def with_control() -> None:
        control = Control(folder / "control", rights, METHODS, reply_seconds=reply_seconds)
        control.open()
        try:
            await scene(control)
        finally:
            await control.close()

    folder.chmod(0o755)
    play(with_control())


class Client:
    """Talks to a control socket from the same loop, in whoever's name."""

    def __init__(self, control: Control, *, user: int = 0, groups: tuple[int, ...] = ()) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        try:
            with contextlib.chdir(control.path.parent):
                connect_as(self.sock, control.path.name, user, groups)
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            self.sock.close()
            raise
        self.loop = asyncio.get_running_loop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    async def say(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.loop.sock_sendall(self.sock, data)

    async def hear(self) -> Message | None:
        """The next message; None when the other end has closed."""
        data = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not data.endswith(b"\0"):
                try:
                    part = await self.loop.sock_recv(self.sock, 65_536)
                except ConnectionResetError:
                    return None
                if not part:
                    return None
                data += part
        message: Message = json.loads(data[:-1])
        return message

    async def call(self, method: str, **parameters: object) -> Message | None:
        await self.say(encode({"method": method, "parameters": parameters}))
        return await self.hear()


def connect_as(sock: socket.socket, path: str, user: int, groups: tuple[int, ...]) -> None:
    """SO_PEERCRED and SO_PEERGROUPS are those of who calls connect(2)."""
    before = (os.geteuid(), os.getegid(), os.getgroups())
    os.setgroups(groups)
    os.setegid(user)
    os.seteuid(user)
    try:
        sock.connect(path)
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])
        os.setgroups(before[2])


def test_a_call_is_answered(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            answer = await client.call(f"{INTERFACE}.Look", x=1)
        assert answer == {"parameters": {"heard": {"x": 1}}}

    controlled(tmp_path, scene)


def test_calls_on_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            calls = [{"method": f"{INTERFACE}.Look", "parameters": {"n": n}} for n in (1, 2)]
            await client.say(b"".join(map(encode, calls)))
            async with asyncio.timeout(PATIENCE_SECONDS):
                data = b""
                while data.count(b"\0") < 2:
                    data += await client.loop.sock_recv(client.sock, 4096)
        assert data.index(b'"n":1') < data.index(b'"n":2')

    controlled(tmp_path, scene)


def test_a_oneway_call_has_no_reply(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            await client.say(encode({"method": f"{INTERFACE}.Break", "oneway": True}))
            assert await client.call(f"{INTERFACE}.Look") == {"parameters": {"heard": {}}}

    controlled(tmp_path, scene)


@pytest.mark.parametrize(
    ("method", "parameters", "error"),
    [
        pytest.param(f"{INTERFACE}.Nothing", {}, f"{SERVICE}.MethodNotFound", id="method"),
        pytest.param("org.example.A.B", {}, f"{SERVICE}.InterfaceNotFound", id="interface"),
        pytest.param(f"{SERVICE}.Nothing", {}, f"{SERVICE}.MethodNotFound", id="service-method"),
        pytest.param(
            f"{SERVICE}.GetInterfaceDescription",
            {"interface": "a.b"},
            f"{SERVICE}.InterfaceNotFound",
            id="description-of-another",
        ),
        pytest.param(
            f"{SERVICE}.GetInterfaceDescription",
            {"interface": 1},
            f"{SERVICE}.InvalidParameter",
            id="description-of-a-number",
        ),
        pytest.param(f"{INTERFACE}.Break", {}, f"{INTERFACE}.InternalError", id="mistake-of-ours"),
    ],
)
def test_what_cannot_be_done_is_an_error(
    tmp_path: Path,
    method: str,
    parameters: dict[str, object],
    error: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            answer = await client.call(method, **parameters)
        assert answer is not None
        assert answer["error"] == error

    with caplog.at_level(logging.CRITICAL):
        controlled(tmp_path, scene)


def test_the_service_says_what_it_is(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            answer = await client.call(f"{SERVICE}.GetInfo")
        assert INTERFACE in str(answer)

    controlled(tmp_path, scene)


@pytest.mark.parametrize("interface", [SERVICE, INTERFACE])
def test_the_service_describes_its_interfaces(tmp_path: Path, interface: str) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            answer = await client.call(f"{SERVICE}.GetInterfaceDescription", interface=interface)
        assert f"interface {interface}\\n" in json.dumps(answer)

    controlled(tmp_path, scene)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n\0", id="no-json"),
        pytest.param(b'{"method": 1}\0', id="no-method"),
        pytest.param(b"x" * (2 * MAX_CALL_BYTES), id="too-long"),
    ],
)
def test_who_does_not_speak_the_protocol_is_hung_up_on(tmp_path: Path, data: bytes) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            await client.say(data)
            assert await client.hear() is None

    controlled(tmp_path, scene)


@pytest.mark.parametrize(
    ("groups", "rights", "look", "change"),
    [
        pytest.param((), NO_GROUPS, False, False, id="stranger"),
        pytest.param((77,), Rights(frozenset({77}), frozenset()), True, True, id="admin"),
        pytest.param((77,), Rights(frozenset(), frozenset({77})), True, False, id="viewer"),
        pytest.param((78,), Rights(frozenset({77}), frozenset({77})), False, False, id="other"),
        pytest.param(
            (), Rights(frozenset({NOBODY}), frozenset()), True, True, id="by-the-main-group"
        ),
        pytest.param(
            (),
            Rights(frozenset(), frozenset(), is_everybody_viewer=True),
            True,
            False,
            id="everybody",
        ),
    ],
)
def test_who_may_do_what_depends_on_the_groups(
    tmp_path: Path, groups: tuple[int, ...], rights: Rights, look: bool, change: bool
) -> None:
    async def scene(control: Control) -> None:
        with Client(control, user=NOBODY, groups=groups) as client:
            answers = [await client.call(f"{INTERFACE}.{name}") for name in ("Look", "Change")]
        assert ["parameters" in (one or {}) and "error" not in (one or {}) for one in answers] == [
            look,
            change,
        ]

    controlled(tmp_path, scene, rights)


def test_a_main_group_with_a_large_number_counts(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control, user=LARGEST_NUMBER) as client:
            answer = await client.call(f"{INTERFACE}.Look")
        assert answer == {"parameters": {"heard": {}}}

    controlled(tmp_path, scene, Rights(frozenset(), frozenset({LARGEST_NUMBER})))


def test_strangers_beyond_a_few_are_hung_up_on_and_root_is_served(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        strangers = [Client(control, user=NOBODY) for _ in range(MAX_STRANGERS + 1)]
        try:
            assert await strangers[-1].hear() is None
            with Client(control) as root:
                assert await root.call(f"{INTERFACE}.Look") == {"parameters": {"heard": {}}}
        finally:
            for stranger in strangers:
                stranger.sock.close()

    controlled(tmp_path, scene)


def test_a_client_that_takes_no_answer_holds_nobody_up(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as deaf, Client(control) as other:
            call = encode({"method": f"{INTERFACE}.Look", "parameters": {"x": "y" * 8000}})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    while True:
                        await deaf.loop.sock_sendall(deaf.sock, call)
            assert await other.call(f"{INTERFACE}.Look") is not None

    controlled(tmp_path, scene)


def test_who_takes_no_answer_in_time_is_hung_up_on(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as deaf:
            await deaf.say(encode({"method": f"{INTERFACE}.Long"}))
            with select.epoll() as hung_up:
                hung_up.register(deaf.sock, select.EPOLLRDHUP)
                seen = asyncio.Event()
                deaf.loop.add_reader(hung_up, seen.set)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await seen.wait()
                deaf.loop.remove_reader(hung_up)

    controlled(tmp_path, scene, reply_seconds=0.05)


def test_closing_hangs_up_on_everybody(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            await client.call(f"{INTERFACE}.Look")
            await control.close()
            assert await client.hear() is None
            assert not control.path.exists()

    controlled(tmp_path, scene)


def test_a_connection_that_was_not_begun_with_is_closed_too(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control):
            control._on_readable()
            await control.close()

    controlled(tmp_path, scene)


def test_out_of_descriptors_the_loop_does_not_run_for_who_waits(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        with Client(control) as client:
            with no_free_descriptor():
                control._on_readable()
            assert control._listening is not None
            assert not client.loop.remove_reader(control._listening)
            assert await client.call(f"{INTERFACE}.Look") == {"parameters": {"heard": {}}}

    controlled(tmp_path, scene)


def test_a_socket_that_can_t_be_watched_is_tried_again(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        assert control._listening is not None
        with Client(control) as client:
            control._loop.remove_reader(control._listening)
            with unwatchable(control._listening):
                control._go_on()
            assert await client.call(f"{INTERFACE}.Look") == {"parameters": {"heard": {}}}

    controlled(tmp_path, scene)


def test_what_a_killed_gate_left_is_taken_away(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "control"))

    async def scene(control: Control) -> None:
        with Client(control) as client:
            assert await client.call(f"{INTERFACE}.Look") is not None

    controlled(tmp_path, scene)


def test_another_gates_socket_stays(tmp_path: Path) -> None:
    async def scene(control: Control) -> None:
        other = Control(control.path, NO_GROUPS, METHODS)
        with pytest.raises(OSError, match="in use"):
            other.open()
        await let_the_loop_turn()
        with Client(control) as client:
            assert await client.call(f"{INTERFACE}.Look") is not None

    controlled(tmp_path, scene)


def test_groups_are_configured_by_name() -> None:
    config = ControlConfig(admin_groups=("daemon", "no-such-group", "\0"), viewer_groups=("ALL",))
    assert rights_by(config) == Rights(frozenset({1}), frozenset(), is_everybody_viewer=True)
