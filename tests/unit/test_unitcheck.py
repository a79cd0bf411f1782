# SPDX-License-Identifier: MIT
import pytest

from socketgate.errors import ConfigError
from socketgate.unitcheck import (
    MAX_NAME_LENGTH,
    MAX_SOCKET_PATH_BYTES,
    Listen,
    Reach,
    needs_ipv6_only,
    parse_listen,
    parse_listens,
    parse_name,
    parse_program,
    parse_socket_path,
    parse_user,
)


@pytest.mark.parametrize("text", ["sshd", "in.ftpd", "_x-1", "9p", "x" * MAX_NAME_LENGTH])
def test_a_plain_word_is_a_name(text: str) -> None:
    assert parse_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a:b", id="colon-ends-the-daemon-list"),
        pytest.param("a b", id="blank"),
        pytest.param("sshd@home", id="at-sign-is-a-server-address"),
        pytest.param(".sshd", id="leading-dot-is-a-domain"),
        pytest.param("sshd.", id="trailing-dot-is-a-network"),
        pytest.param("-sshd", id="looks-like-an-option"),
        pytest.param("a/b", id="slash"),
        pytest.param("a\\x2db", id="escaped"),
        pytest.param("münchen", id="not-ascii"),
        pytest.param("sshd\n", id="newline"),
        pytest.param("%i", id="specifier"),
    ],
)
def test_a_name_with_other_characters_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        parse_name(text)


def test_a_name_too_long_for_the_backends_path_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"at most {MAX_NAME_LENGTH}"):
        parse_name("x" * (MAX_NAME_LENGTH + 1))


@pytest.mark.parametrize("text", ["ALL", "except", "Known", "unknown", "stored", "connection"])
def test_a_word_with_another_meaning_is_no_name(text: str) -> None:
    with pytest.raises(ConfigError, match="means something else"):
        parse_name(text)


@pytest.mark.parametrize("text", ["daemon", "_ftp", "1000", "a.b-c"])
def test_a_users_name_or_number_is_a_user(text: str) -> None:
    assert parse_user(text) == text


@pytest.mark.parametrize("text", ["", "a b", "%u", "-x", "a\nb", "x" * 32])
def test_anything_else_is_no_user(text: str) -> None:
    with pytest.raises(ConfigError, match="user"):
        parse_user(text)


@pytest.mark.parametrize("text", ["nobody", "65534"])
def test_a_program_needs_a_user_of_its_own(text: str) -> None:
    with pytest.raises(ConfigError, match="make a user"):
        parse_user(text)


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("22", Listen("22", Reach.EVERY, "", 22)),
        ("192.0.2.1:22", Listen("192.0.2.1:22", Reach.IPV4, "192.0.2.1", 22)),
        ("[2001:DB8::1]:22", Listen("[2001:DB8::1]:22", Reach.IPV6, "2001:db8::1", 22)),
        ("/run/x.sock", Listen("/run/x.sock", Reach.OTHER)),
        ("vsock:3:22", Listen("vsock:3:22", Reach.OTHER)),
        ("vsock::22", Listen("vsock::22", Reach.OTHER)),
    ],
)
def test_an_address_of_systemd_socket_is_understood(text: str, listen: Listen) -> None:
    assert parse_listen(text) == listen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "65536",
        "ssh",
        "-1",
        "²",
        "22\n",
        "192.0.2.1",
        "192.0.2.300:22",
        "192.0.2.1:",
        "192.0.2.1:ssh",
        "host.example.org:22",
        "2001:db8::1:22",
        "[2001:db8::1]",
        "[2001:db8::g]:22",
        "[fe80::1%]:22",
        "[fe80::1%eth0]:22",
        "@abstract",
        "/run/x\ny",
        "/run/folder/",
        "/" + "x" * MAX_SOCKET_PATH_BYTES,
        "vsock:x:22",
        "vsock:1",
        "vsock:4294967296:22",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_listen(text)


def test_an_ipv6_address_without_brackets_is_shown_with_them() -> None:
    with pytest.raises(ConfigError, match=r"\[2001:db8::1\]:22"):
        parse_listen("2001:db8::1:22")


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(["22", "22"], id="same"),
        pytest.param(["22", "192.0.2.1:22"], id="every-address-and-one-of-them"),
        pytest.param(["[::1]:22", "22"], id="one-of-them-and-every-address"),
        pytest.param(["0.0.0.0:22", "192.0.2.1:22"], id="all-of-ipv4-and-one-of-them"),
        pytest.param(["[2001:db8::1]:22", "[::]:22"], id="one-of-ipv6-and-all-of-them"),
        pytest.param(["[::1]:22", "[0::1]:22"], id="one-address-written-in-two-ways"),
        pytest.param(["/run/x", "/run/x"], id="same-path"),
    ],
)
def test_addresses_that_cannot_be_open_at_once_are_refused(texts: list[str]) -> None:
    with pytest.raises(ConfigError, match="overlap"):
        parse_listens(texts)


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(["22", "2222"], id="two-ports"),
        pytest.param(["192.0.2.1:22", "192.0.2.2:22"], id="two-addresses"),
        pytest.param(["0.0.0.0:22", "[::]:22"], id="both-families"),
        pytest.param(["22", "/run/x", "vsock::22"], id="kinds-that-do-not-meet"),
    ],
)
def test_addresses_that_can_be_open_at_once_are_kept_in_order(texts: list[str]) -> None:
    assert [listen.text for listen in parse_listens(texts)] == texts


def test_no_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="--listen"):
        parse_listens([])


@pytest.mark.parametrize(
    ("texts", "needed"),
    [
        (["[::]:22", "0.0.0.0:22"], True),
        (["192.0.2.1:22", "[::]:22"], True),
        (["[::]:22", "0.0.0.0:23"], False),
        (["[::1]:22", "0.0.0.0:22"], False),
        (["22"], False),
    ],
)
def test_ipv6_leaves_ipv4_alone_where_it_has_an_address_of_its_own(
    texts: list[str], needed: bool
) -> None:
    assert needs_ipv6_only(parse_listens(texts)) is needed


def test_a_bare_port_would_lose_ipv4_beside_such_a_pair() -> None:
    with pytest.raises(ConfigError, match="bare ports"):
        parse_listens(["[::]:22", "0.0.0.0:22", "2222"])


def test_a_path_of_the_longest_length_is_taken() -> None:
    path = "/" + "x" * (MAX_SOCKET_PATH_BYTES - 1)
    assert parse_socket_path(path) == path


@pytest.mark.parametrize("text", ["", "run/x.sock", "/run/x\t", "/run/x/", "/run/x "])
def test_a_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="absolute"):
        parse_socket_path(text)


def test_a_path_that_no_unit_file_can_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be UTF-8"):
        parse_socket_path("/run/\udcff.sock")


def test_a_program_keeps_its_arguments() -> None:
    assert parse_program(["/bin/x", "a b", "", "ü\n"]) == ("/bin/x", "a b", "", "ü\n")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="none"),
        pytest.param(["sshd", "-i"], id="found-by-PATH"),
        pytest.param(["/bin/x", "\udcff"], id="not-utf-8"),
        pytest.param(["/bin/x", "a\0b"], id="nul"),
    ],
)
def test_a_program_that_no_unit_can_start_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse_program(words)
