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


def test_a_folder_gives_its_files_in_order_but_for_names_with_a_dot(tmp_path: Path) -> None:
    folder = tmp_path / "xinetd.d"
    folder.mkdir()
    for name in ("b", "a", "c.rpmsave", "d~"):
        (folder / name).write_text(f"service {name}\n{{\n}}\n")
    found = services(tmp_path, f"includedir {folder}\n")
    assert [one.name for one in found] == ["a", "b"]


def test_an_included_file_is_read_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("service a\n{\n}\n")
    found = services(tmp_path, f"include {tmp_path}/more\nservice b\n{{\n}}\n")
    assert [one.name for one in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("servce a\n", ":1: 'servce a': expected", id="no-section"),
        pytest.param("servce a\n{\nport = 1\n}\n", ":1: 'servce a'", id="no-section-whole"),
        pytest.param("include /nowhere\n", ":1: /nowhere: No such file", id="no-file"),
        pytest.param("includedir /nowhere\n", ":1: /nowhere: No such file", id="no-folder"),
        pytest.param("defaults\n{\nport\n}\n", ":3: 'port': expected", id="in-defaults"),
        pytest.param("defaults\n{\ngroups = 1\n}\n", ":3: groups is yes or no", id="no-boolean"),
    ],
)
def test_a_mistake_between_services_is_named_and_the_rest_is_read(
    tmp_path: Path, text: str, said: str
) -> None:
    found = configuration(tmp_path, f"{text}service last\n{{\n}}\n")
    (fault,) = found.faults
    assert fault.startswith(f"{tmp_path}/xinetd.conf{said}")
    assert [(one.name, one.faults) for one in found.services] == [("last", ())]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("service a\nport = 1\n", ":2: expected '{'", id="no-brace"),
        pytest.param("service a\n", ":2: expected '{'", id="nothing-follows"),
        pytest.param("service a {\nport = 1\n}\n", ":1: the '{' must be", id="brace-behind"),
        pytest.param("service a\n{\nport = 1\n", ":1: the '}'", id="no-end"),
        pytest.param("service a\n{\nport 1\n}\n", ":3: 'port 1': expected", id="no-operator"),
    ],
)
def test_a_mistake_in_a_service_is_its_fault_alone(tmp_path: Path, text: str, said: str) -> None:
    found = configuration(tmp_path, f"{text}service last\n{{\n}}\n")
    first, last = found.services
    assert first.faults[0].startswith(f"{tmp_path}/xinetd.conf{said}")
    assert (found.faults, last.name, last.faults) == ((), "last", ())


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    (fault,) = configuration(tmp_path, f"include {tmp_path}/xinetd.conf\n").faults
    assert fault.endswith("includes itself")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (fault,) = configuration(tmp_path, "#" * (1024 * 1024 + 1)).faults
    assert "longer than" in fault


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert load_configuration([tmp_path / "none"]).faults[0].endswith("No such file or directory")
