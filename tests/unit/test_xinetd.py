# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.xinetd import Configuration, Service, load_configuration


def configuration(tmp_path: Path, text: str) -> Configuration:
    file = tmp_path / "xinetd.conf"
    file.write_text(text)
    return load_configuration([file])


def services(tmp_path: Path, text: str) -> list[Service]:
    return list(configuration(tmp_path, text).services)


def service(tmp_path: Path, *lines: str, defaults: str = "") -> Service:
    text = "".join(f"defaults\n{{\n{defaults}\n}}\n" if defaults else "")
    body = "\n".join(lines)
    (one,) = services(tmp_path, f"{text}service telnet\n{{\n{body}\n}}\n")
    return one


def test_an_attribute_has_its_words(tmp_path: Path) -> None:
    assert service(tmp_path, "  server_args\t= -a  -b").words("server_args") == ("-a", "-b")


def test_an_attribute_has_its_place(tmp_path: Path) -> None:
    one = service(tmp_path, "# a comment", "", "port = 23")
    assert str(one.attributes["port"].place) == f"{tmp_path}/xinetd.conf:5"


def test_blanks_around_the_operator_are_not_needed(tmp_path: Path) -> None:
    assert service(tmp_path, "port=23").word("port") == "23"


def test_a_value_may_have_an_equals_sign(tmp_path: Path) -> None:
    assert service(tmp_path, "env=A=B C=D").words("env") == ("A=B", "C=D")


def test_of_an_attribute_that_is_no_set_the_first_counts(tmp_path: Path) -> None:
    one = service(tmp_path, "server = /bin/a", "server = /bin/b")
    assert one.words("server") == ("/bin/a",)
    (remark,) = one.remarks
    assert remark.startswith(f"{tmp_path}/xinetd.conf:4: server = /bin/b: passed over")


def test_an_address_has_two_names(tmp_path: Path) -> None:
    assert service(tmp_path, "interface = ::1", "bind = ::2").words("bind") == ("::1",)


def test_what_defaults_can_not_have_is_passed_over(tmp_path: Path) -> None:
    found = configuration(tmp_path, "defaults\n{\nnice = 3\n}\nservice a\n{\n}\n")
    assert found.services[0].words("nice") == ()
    assert found.remarks[0].startswith(f"{tmp_path}/xinetd.conf:3: nice = 3: passed over")


def test_defaults_can_disable_services_one_after_the_other(tmp_path: Path) -> None:
    one = service(tmp_path, defaults="disabled = telnet\ndisabled = ftp")
    assert one.says("disable")


@pytest.mark.parametrize("line", ["nice += 3", "server = /bin/a # no comment", "user ="])
def test_what_xinetd_passes_over_is_passed_over(tmp_path: Path, line: str) -> None:
    one = service(tmp_path, line)
    assert (one.attributes, len(one.remarks), one.faults) == ({}, 1, ())


@pytest.mark.parametrize("line", ["disable = maybe", "env -= A=1", "port 23"])
def test_what_xinetd_disables_a_service_for_is_its_fault(tmp_path: Path, line: str) -> None:
    (fault,) = service(tmp_path, line).faults
    assert fault.startswith(f"{tmp_path}/xinetd.conf:3: ")


def test_a_service_has_what_the_defaults_say(tmp_path: Path) -> None:
    one = service(tmp_path, "port = 23", defaults="only_from = 192.0.2.1")
    assert one.words("only_from") == ("192.0.2.1",)


def test_defaults_hold_wherever_they_stand(tmp_path: Path) -> None:
    text = "service a\n{\n}\ndefaults\n{\numask = 022\n}\n"
    (one,) = services(tmp_path, text)
    assert one.word("umask") == "022"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("only_from = C", ("C",), id="instead-of-the-defaults"),
        pytest.param("only_from += C", ("A", "B", "C"), id="added-to-the-defaults"),
        pytest.param("only_from -= A", ("B",), id="taken-from-the-defaults"),
        pytest.param("only_from =", (), id="nobody"),
        pytest.param("only_from = C\nonly_from = D", ("D",), id="the-last-one-counts"),
        pytest.param("only_from = C\nonly_from += D", ("C", "D"), id="added-to-its-own"),
    ],
)
def test_a_set_is_changed_as_the_operator_says(
    tmp_path: Path, line: str, words: tuple[str, ...]
) -> None:
    defaults = "only_from = A\nonly_from = B"  # there `=` adds
    assert service(tmp_path, line, defaults=defaults).words("only_from") == words


@pytest.mark.parametrize(
    ("defaults", "is_disabled"),
    [
        pytest.param("disabled = telnet", True, id="named-as-disabled"),
        pytest.param("disabled = ftp", False, id="another-disabled"),
        pytest.param("enabled = ftp", True, id="another-enabled"),
        pytest.param("enabled = telnet ftp", False, id="named-as-enabled"),
    ],
)
def test_defaults_can_disable_a_service(tmp_path: Path, defaults: str, is_disabled: bool) -> None:
    one = service(tmp_path, "port = 23", defaults=defaults)
    assert (one.word("disable") == "yes") is is_disabled


def test_services_are_disabled_by_their_id(tmp_path: Path) -> None:
    one = service(tmp_path, "id = telnet-2", defaults="disabled = telnet-2")
    assert one.word("disable") == "yes"


def test_what_is_wrong_with_the_files_and_with_defaults_is_told(tmp_path: Path) -> None:
    found = configuration(tmp_path, "rubbish\ndefaults\n{\nport\ngroups = 1\n}\n")
    assert [fault.partition(": ")[0].rpartition(":")[2] for fault in found.faults] == [
        "1",
        "4",
        "5",
    ]
