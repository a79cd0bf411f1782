# SPDX-License-Identifier: MIT
"""What a backend makes of a gate's messages, over real channels."""

import errno
import fcntl
import os
import resource
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from socketgate.backend import (
    ChannelEnded,
    ChannelReceiver,
    Client,
    Listener,
    MalformedMessage,
    NotABackendSocket,
    Offer,
    Receiver,
    open_path,
    parse_block,
    passed_socket,
)
from tests.support.gatestub import GateStub, block, channel, client_pair, read_all

PROJECT = Path(__file__).parents[2]
NOBODY = 65534
#: In messages; it takes some hundreds.
MORE_THAN_A_CHANNEL_TAKES = 100_000

#: A gate in a process of its own: becomes the user argv[2], connects to argv[1], hands over the
#: client that is its standard input, and ends.
OTHER_GATE = """
import os, socket, sys
from tests.support.gatestub import GateStub
os.setresuid(*[int(sys.argv[2])] * 3)
gate = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
gate.connect(sys.argv[1].replace("@", "\\0"))
GateStub(gate).hand_over(1, socket.socket(fileno=0))
"""


@contextmanager
def receiving(*, batch: int = 1) -> Iterator[tuple[GateStub, ChannelReceiver]]:
    with channel() as (gate, sock):
        yield gate, ChannelReceiver(sock, batch=batch)


@contextmanager
def listening(path: Path, *, batch: int = 1) -> Iterator[tuple[Listener, GateStub]]:
    with Listener(path, batch=batch) as listener:
        listener.settimeout(0)
        with GateStub.connect(path) as gate:
            yield listener, gate


def is_readable(listener: Listener) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


def open_count() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def run_other_gate(address: str, far: socket.socket, user: int) -> None:
    command = [sys.executable, "-c", OTHER_GATE, address, str(user)]
    subprocess.run(command, stdin=far.fileno(), cwd=PROJECT, check=True)
    far.close()


def test_every_line_of_a_block_is_told() -> None:
    handoff = parse_block(
        b"SOCKETGATE=1\nID=7\nDAEMON=sshd\nREMOTE_ADDR=192.0.2.1\nREMOTE_PORT=9\nLOCAL_ADDR=::1\n"
        b"LOCAL_PORT=22\nREMOTE_HOST=a.example\nREMOTE_USER=bob\nRULE=hosts.allow:3\nSETENV=A=b=c"
    )
    told = (handoff.id, handoff.daemon, handoff.remote_addr, handoff.remote_port)
    assert told == (7, "sshd", "192.0.2.1", 9)
    assert (handoff.local_addr, handoff.local_port) == ("::1", 22)
    assert (handoff.remote_host, handoff.remote_user) == ("a.example", "bob")
    assert (handoff.rule, handoff.setenv) == ("hosts.allow:3", ["A=b=c"])


def test_keys_of_later_versions_can_be_asked_for() -> None:
    assert parse_block(b"SOCKETGATE=1\nID=1\nLATER=x").get("LATER") == "x"


def test_what_is_not_told_is_unknown() -> None:
    handoff = parse_block(b"SOCKETGATE=1\nID=1")
    assert (handoff.remote_addr, handoff.remote_port, handoff.rule) == (None, None, None)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"SOCKETGATE=2\nID=1", id="another-version"),
        pytest.param(b"ID=1\nSOCKETGATE=1", id="version-not-first"),
        pytest.param(b"SOCKETGATE=1", id="no-id"),
        pytest.param(b"SOCKETGATE=1\nID=x", id="id-no-number"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_block_that_no_gate_sends_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_block(text)


def test_a_channel_gives_the_client_and_its_facts() -> None:
    with receiving() as (gate, receiver), client_pair() as (near, far):
        gate.hand_over(1, far, "RULE=hosts.allow:1")
        (client,) = receiver.receive()
        with client:
            assert (client.getpeername(), client.handoff.rule) == (
                near.getsockname(),
                "hosts.allow:1",
            )


def test_iterating_a_channel_gives_its_clients_until_it_ends() -> None:
    with receiving() as (gate, receiver), client_pair() as (_, one), client_pair() as (_, two):
        gate.hand_over(1, one)
        gate.hand_over(2, two)
        gate.sock.close()
        numbers = []
        for client, handoff in receiver:
            client.close()
            numbers.append(handoff.id)
        assert numbers == [1, 2]


def test_a_client_is_closed_on_exec() -> None:
    with receiving() as (gate, receiver), client_pair() as (_, far):
        gate.hand_over(1, far)
        (client,) = receiver.receive()
        with client:
            assert not client.get_inheritable()


def test_an_empty_channel_gives_nobody() -> None:
    with receiving() as (_, receiver):
        assert receiver.receive() == []


def test_the_end_of_a_channel_is_told() -> None:
    with receiving() as (gate, receiver):
        gate.sock.close()
        with pytest.raises(ChannelEnded):
            receiver.receive()


def test_clients_queued_behind_a_reset_are_still_received() -> None:
    with receiving() as (gate, receiver), client_pair() as (_, far):
        receiver.refuse(9)  # unread at the gate when it closes: that resets
        gate.hand_over(1, far)
        gate.sock.close()
        (client,) = receiver.receive()
        with client:
            assert client.handoff.id == 1


def test_acknowledgement_refusal_and_batch_are_said_as_the_protocol_has_them() -> None:
    with receiving(batch=3) as (gate, receiver):
        receiver.acknowledge(5)
        receiver.refuse(6)
        assert gate.answers(3) == [b"BATCH=3\n", b"ACK=5\n", b"REFUSE=6\n"]


def test_a_message_may_carry_a_batch() -> None:
    with (
        receiving(batch=2) as (gate, receiver),
        client_pair() as (a, far_a),
        client_pair() as (b, far_b),
    ):
        gate.send(block(1, far_a) + b"\n" + block(2, far_b), far_a, far_b)
        clients = receiver.receive()
        with clients[0], clients[1]:
            assert [one.getpeername() for one in clients] == [a.getsockname(), b.getsockname()]


@pytest.mark.parametrize("count", [0, 65])
def test_a_batch_beyond_the_protocol_is_not_asked_for(count: int) -> None:
    with receiving() as (_, receiver), pytest.raises(ValueError, match="a batch is 1 to 64"):
        receiver.request_batch(count)


@pytest.mark.parametrize(
    ("text", "descriptor_count"),
    [
        pytest.param(b"SOCKETGATE=1\nID=4\n", 0, id="no-descriptor"),
        pytest.param(b"SOCKETGATE=1\nID=4\n", 2, id="two-descriptors"),
        pytest.param(b"SOCKETGATE=1\nID=4\n", 200, id="a-flood-of-descriptors"),
        pytest.param(b"SOCKETGATE=2\nID=4\n", 1, id="another-version"),
    ],
)
def test_a_broken_message_is_refused_and_leaves_no_descriptor(
    text: bytes, descriptor_count: int
) -> None:
    with receiving() as (gate, receiver), client_pair() as (_, far):
        before = open_count()
        gate.send(text, *[far] * descriptor_count)
        clients = receiver.receive()
        assert (clients, gate.answer(), open_count()) == ([], b"REFUSE=4\n", before)


def test_a_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    with receiving() as (gate, receiver), (tmp_path / "file").open("w") as file:
        before = open_count()
        socket.send_fds(gate.sock, [b"SOCKETGATE=1\nID=4\n"], [file.fileno()])
        assert (receiver.receive(), gate.answer(), open_count()) == ([], b"REFUSE=4\n", before)


def test_a_message_without_an_id_ends_the_channel() -> None:
    with receiving() as (gate, receiver), client_pair() as (_, far):
        before = open_count()
        gate.send(b"hello\n", far)
        with pytest.raises(ChannelEnded):
            receiver.receive()
        assert open_count() == before


def test_without_a_free_descriptor_nobody_is_acknowledged_or_refused() -> None:
    with receiving() as (gate, receiver), client_pair() as (_, far):
        gate.send(block(1, far), far)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free_descriptor(), hard))
        try:
            with pytest.raises(OSError, match="no descriptor left") as raised:
                receiver.receive()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        receiver.close()
        assert (raised.value.errno, gate.answer()) == (errno.EMFILE, b"")


def test_a_refusal_that_finds_no_room_ends_the_channel() -> None:
    """Else the next acknowledgement, which is for all before it, would be for this client too."""
    with receiving() as (gate, receiver):
        refused = first_without_room(receiver)
        receiver.refuse(refused)
        assert gate.answers(refused)[-2:] == [b"ACK=%d\n" % (refused - 1), b""]
        assert not receiver.acknowledge(refused + 1)


def first_without_room(receiver: ChannelReceiver) -> int:
    for number in range(1, MORE_THAN_A_CHANNEL_TAKES):
        try:
            receiver.acknowledge(number)
        except BlockingIOError:
            return number
    raise AssertionError("a channel takes whatever is written to it")


def lowest_free_descriptor() -> int:
    fd = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 0)
    os.close(fd)
    return fd


def test_accept_takes_the_client_over_before_its_first_byte_is_read(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (near, far):
        near.send(b"early")
        gate.hand_over(1, far)
        client = accept(listener)
        with client:
            assert (gate.answer(), client.recv(9)) == (b"ACK=1\n", b"early")


def accept(listener: Listener) -> Client:
    client, _ = listener.accept()
    return client


def test_accept_gives_the_clients_own_address(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair("::1") as (near, far):
        gate.hand_over(1, far)
        client, address = listener.accept()
        client.close()
        assert address == near.getsockname()


def test_the_address_of_a_client_that_is_gone_is_the_gates(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (near, far):
        address = near.getsockname()
        text = block(1, far)
        gone = socket.socket()  # never connected: it has no peer to ask for
        gate.send(text, gone)
        gone.close()
        client, told = listener.accept()
        client.close()
        assert told == address


def test_nothing_is_known_of_a_connection_that_no_gate_brought(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (near, far):
        gate.hand_over(1, far)
        client = accept(listener)
        client.close()
        assert [listener.handoff_of(one) for one in (near, client)] == [None, None]


def test_a_listener_is_readable_only_while_a_client_can_be_accepted(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (_, far):
        with pytest.raises(BlockingIOError):
            listener.accept()  # the gate's own connection is no client
        seen = [is_readable(listener)]
        gate.hand_over(1, far)
        seen.append(is_readable(listener))
        accept(listener).close()
        assert [*seen, is_readable(listener)] == [False, True, False]


def test_clients_of_a_batch_keep_the_listener_readable_until_the_last(tmp_path: Path) -> None:
    with listening(tmp_path / "s", batch=3) as (listener, gate), ExitStack() as stack:
        fars = [stack.enter_context(client_pair())[1] for _ in range(3)]
        gate.send(b"\n".join(block(number, far) for number, far in enumerate(fars, 1)), *fars)
        seen = []
        for _ in fars:
            accept(listener).close()
            seen.append(is_readable(listener))
        assert seen == [True, True, False]


def test_clients_of_a_batch_are_acknowledged_one_by_one(tmp_path: Path) -> None:
    with listening(tmp_path / "s", batch=2) as (listener, gate), ExitStack() as stack:
        fars = [stack.enter_context(client_pair())[1] for _ in range(2)]
        gate.send(b"\n".join(block(number, far) for number, far in enumerate(fars, 1)), *fars)
        accept(listener).close()
        listener.close()
        assert gate.answers(3) == [b"BATCH=2\n", b"ACK=1\n", b""]


def test_a_timeout_is_kept(tmp_path: Path) -> None:
    with Listener(tmp_path / "s") as listener:
        listener.settimeout(0.01)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_closed_listener_accepts_nobody(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "s")
    listener.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        listener.accept()


def test_a_closed_listener_leaves_no_socket_on_its_path(tmp_path: Path) -> None:
    Listener(tmp_path / "s").close()
    assert not (tmp_path / "s").exists()


def test_a_socket_left_by_an_ended_process_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(tmp_path / "s"))
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (_, far):
        gate.hand_over(1, far)
        accept(listener).close()


def test_a_path_in_use_is_not_taken_away(tmp_path: Path) -> None:
    with Listener(tmp_path / "s"), pytest.raises(OSError, match="in use"):
        Listener(tmp_path / "s")


def test_a_path_in_use_whose_queue_is_full_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "s"
    kind = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.socket(*kind) as listening, socket.socket(*kind) as waiting:
        listening.bind(str(path))
        listening.listen(0)
        waiting.connect(str(path))
        with pytest.raises(OSError, match="in use"):
            open_path(path)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_gates_may_write_to_a_path_and_strangers_not_whatever_the_umask(
    tmp_path: Path, mask: int
) -> None:
    before = os.umask(mask)
    try:
        with Listener(tmp_path / "s"):
            assert (tmp_path / "s").stat().st_mode & 0o777 == 0o660
    finally:
        os.umask(before)


def test_two_gates_are_served_at_once(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, one), GateStub.connect(tmp_path / "s") as two:
        with client_pair() as (_, far_one), client_pair() as (_, far_two):
            one.hand_over(1, far_one)
            two.hand_over(1, far_two)
            accept(listener).close()
            accept(listener).close()
        assert (one.answer(), two.answer()) == (b"ACK=1\n", b"ACK=1\n")


def test_the_client_sees_the_end_when_the_backend_closes(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (near, far):
        gate.hand_over(1, far)
        accept(listener).close()
        assert read_all(near) == b""


def test_a_full_channel_gives_its_client_only_when_it_can_be_acknowledged(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (_, far):
        gate.hand_over(1, far)
        offer = listener._receiver.next_offer(0)
        assert isinstance(offer, Offer)
        answers = fill(offer.channel)
        listener._receiver.hold(offer)
        with pytest.raises(BlockingIOError):
            listener.accept()
        gate.answers(answers)
        accept(listener).close()
        assert gate.answer() == b"ACK=1\n"


def fill(receiver: ChannelReceiver) -> int:
    """Acknowledge until the channel is full; how many it took."""
    for count in range(10_000):
        try:
            receiver.acknowledge(0)
        except BlockingIOError:
            return count
    raise AssertionError("a channel without bound")


def test_a_client_whose_gate_gave_the_channel_up_goes_elsewhere(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate), client_pair() as (_, far):
        before = open_count()
        gate.hand_over(1, far)
        gate.sock.close()  # by a process that lives on, so it sends the client again
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert open_count() == before - 2  # the gate's end, and its copy of the client


def test_a_client_of_a_gate_that_died_is_served(tmp_path: Path) -> None:
    with Listener(tmp_path / "s") as listener, client_pair() as (near, far):
        run_other_gate(str(tmp_path / "s"), far, os.geteuid())
        listener.settimeout(0)
        client, address = listener.accept()
        client.close()
        assert address == near.getsockname()


@contextmanager
def abstract_receiver(allowed_users: tuple[str, ...]) -> Iterator[tuple[Receiver, str]]:
    """Where file permissions keep nobody away."""
    name = f"socketgate-test-{os.getpid()}"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(f"\0{name}")
    listening.listen()
    with closing(Receiver(listening, allowed_users=allowed_users)) as receiver:
        yield receiver, f"@{name}"


def test_a_gate_of_another_user_is_turned_away() -> None:
    with abstract_receiver(()) as (receiver, address), client_pair() as (_, far):
        run_other_gate(address, far, NOBODY)
        assert receiver.next_offer(0) is None


def test_a_gate_of_a_user_that_was_named_may_hand_over() -> None:
    with abstract_receiver(("nobody",)) as (receiver, address), client_pair() as (_, far):
        run_other_gate(address, far, NOBODY)
        offer = receiver.next_offer(0)
        assert offer is not None
        offer.refuse()


def test_without_a_passed_socket_the_text_says_what_to_change() -> None:
    with pytest.raises(NotABackendSocket, match=r"\.socket unit"):
        passed_socket()


def test_thousand_clients_leave_no_descriptor(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as (listener, gate):
        with pytest.raises(BlockingIOError):
            listener.accept()
        before = open_count()
        for number in range(1, 1001):
            with client_pair() as (_, far):
                gate.hand_over(number, far)
                accept(listener).close()
                gate.answer()
        assert open_count() == before
