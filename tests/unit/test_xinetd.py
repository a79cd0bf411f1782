# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.errors import ConfigError
from socketgate.xinetd import Service, load_services


def services(tmp_path: Path, text: str) -> list[Service]:
    file = tmp_path / "xinetd.conf"
    file.write_text(text)
    return load_services([file])


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
    ],
)
def test_a_set_is_changed_as_the_operator_says(
    tmp_path: Path, line: str, words: tuple[str, ...]
) -> None:
    assert service(tmp_path, line, defaults="only_from = A B").words("only_from") == words


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
        pytest.param("service a\nport = 1\n", ":2: expected '{'", id="no-brace"),
        pytest.param("service a\n", ":1: expected '{'", id="nothing-follows"),
        pytest.param("service a\n{\nport = 1\n", ":1: the '}'", id="no-end"),
        pytest.param("service a\n{\nport 1\n}\n", ":3: 'port 1': expected", id="no-operator"),
        pytest.param("service a\n{\nport += 1\n}\n", ":3: port takes '=' only", id="not-a-set"),
        pytest.param("include /nowhere\n", ":1: /nowhere: No such file", id="no-file"),
        pytest.param("includedir /nowhere\n", ":1: /nowhere: No such file", id="no-folder"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        services(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/xinetd.conf{said}")


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="includes itself"):
        services(tmp_path, f"include {tmp_path}/xinetd.conf\n")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longer than"):
        services(tmp_path, "#" * (1024 * 1024 + 1))
