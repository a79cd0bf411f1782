# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from socketgate.xinetdtext import Sections, load_sections


def loaded(tmp_path: Path, text: str) -> Sections:
    file = tmp_path / "xinetd.conf"
    file.write_text(text)
    return load_sections([file])


def names(found: Sections) -> list[str | None]:
    return [one.service for one in found.sections]


def test_a_section_has_its_lines_with_their_places(tmp_path: Path) -> None:
    text = "# a comment\nservice a\n{\n\tport=23\n\n  env += A=1 B=2\n}\n"
    (section,) = loaded(tmp_path, text).sections
    assert (section.service, str(section.place)) == ("a", f"{tmp_path}/xinetd.conf:2")
    assert [(one.place.line, one.name, one.operator, one.words) for one in section.changes] == [
        (4, "port", "=", ("23",)),
        (6, "env", "+=", ("A=1", "B=2")),
    ]


def test_defaults_are_a_section_without_a_name(tmp_path: Path) -> None:
    (section,) = loaded(tmp_path, "defaults\n{\n}\n").sections
    assert section.service is None


def test_a_folder_gives_its_files_in_order_but_for_names_with_a_dot(tmp_path: Path) -> None:
    folder = tmp_path / "xinetd.d"
    folder.mkdir()
    for name in ("b", "a", "c.rpmsave", "d~"):
        (folder / name).write_text(f"service {name}\n{{\n}}\n")
    assert names(loaded(tmp_path, f"includedir {folder}\n")) == ["a", "b"]


def test_an_included_file_is_read_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("service a\n{\n}\n")
    found = loaded(tmp_path, f"include {tmp_path}/more\nservice b\n{{\n}}\n")
    assert names(found) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("servce a\n", ":1: 'servce a': expected", id="no-section"),
        pytest.param("servce a\n{\nport = 1\n}\n", ":1: 'servce a'", id="no-section-whole"),
        pytest.param("include /nowhere\n", ":1: /nowhere: No such file", id="no-file"),
        pytest.param("includedir /nowhere\n", ":1: /nowhere: No such file", id="no-folder"),
    ],
)
def test_a_mistake_between_services_is_named_and_the_rest_is_read(
    tmp_path: Path, text: str, said: str
) -> None:
    found = loaded(tmp_path, f"{text}service last\n{{\n}}\n")
    (fault,) = found.faults
    assert fault.startswith(f"{tmp_path}/xinetd.conf{said}")
    assert [(one.service, one.faults) for one in found.sections] == [("last", [])]


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
    found = loaded(tmp_path, f"{text}service last\n{{\n}}\n")
    first, last = found.sections
    assert first.faults[0].startswith(f"{tmp_path}/xinetd.conf{said}")
    assert (found.faults, last.service, last.faults) == ((), "last", [])


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    (fault,) = loaded(tmp_path, f"include {tmp_path}/xinetd.conf\n").faults
    assert fault.endswith("includes itself")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (fault,) = loaded(tmp_path, "#" * (1024 * 1024 + 1)).faults
    assert "longer than" in fault


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert load_sections([tmp_path / "none"]).faults[0].endswith("No such file or directory")
