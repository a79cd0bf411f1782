# SPDX-License-Identifier: MIT
import pytest

from socketgate.rules.address import Subject, canonical_quad, dot_quad, six, unmapped

LO = frozenset({b"lo"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"10.1.2.3", 0x0A010203),
        (b"012.1.2.3", 0x0A010203),
        (b"0xa.1.2.3", 0x0A010203),
        (b"08.1.2.3", None),
        (b"10.1.2", None),
        (b"10.1.2.3.", None),
        (b"10..2.3.4", None),
        (b"10.1.2.256", None),
        (b"1.2.3.4.5", None),
        (b"255.255.255.255", None),
        (b"1.2.3.\x004", None),
    ],
)
def test_a_dotted_quad_is_read_as_by_inet_addr(text: bytes, value: int | None) -> None:
    assert dot_quad(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"10.1.2.3", 0x0A010203),
        (b"255.255.255.255", 0xFFFFFFFF),
        (b"010.1.2.3", None),
        (b"10", None),
    ],
)
def test_only_one_spelling_is_canonical(text: bytes, value: int | None) -> None:
    assert canonical_quad(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"::1", 1),
        (b"0:0::1", 1),
        (b"fe80::1%lo", 0xFE80 << 112 | 1),
        (b"fe80::1%1", 0xFE80 << 112 | 1),
        (b"ff02::1%lo", 0xFF02 << 112 | 1),
        (b"2001:db8::1%1", 0x20010DB8 << 96 | 1),
        (b"2001:db8::1%lo", None),
        (b"fe80::1%nosuch", None),
        (b"fe80::1%", None),
        (b"fe80::1%4294967296", None),
        (b"fe80::1%" + b"0" * 5000, 0xFE80 << 112 | 1),
        (b"10.1.2.3", None),
        (b"", None),
    ],
)
def test_a_zone_must_exist_and_is_dropped(text: bytes, value: int | None) -> None:
    assert six(text, LO) == value


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (b"::ffff:10.1.2.3", b"10.1.2.3"),
        (b"::FFFF:10.1.2.3", b"10.1.2.3"),
        (b"::ffff:300.1.2.3", b"::ffff:300.1.2.3"),
        (b"::ffff:255.255.255.255", b"::ffff:255.255.255.255"),
        (b"0:0:0:0:0:ffff:10.1.2.3", b"0:0:0:0:0:ffff:10.1.2.3"),
    ],
)
def test_an_ipv4_mapped_address_is_one_of_ipv4(text: bytes, plain: bytes) -> None:
    assert unmapped(text) == plain


def test_a_subject_is_cut_and_folded() -> None:
    assert Subject(b"A" * 200).plain == b"a" * 127


def test_a_subject_reads_itself_once_as_an_address() -> None:
    subject = Subject(b"::ffff:10.1.2.3")
    readings = (subject.quad, subject.quad, subject.canonical, subject.six, subject.six)
    assert readings == (0x0A010203, 0x0A010203, 0x0A010203, None, None)
