# SPDX-License-Identifier: MIT
"""A box for each module of tests under a real systemd, with the project installed.

Some modules' boxes are other systems with the packages installed: INSTALLED, SUITES. With
`tests/run systemd -- --system sid` all boxes are, of another release of Debian.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.box import Box
from tests.support.box_package import PROJECT
from tests.support.packages import KINDS, PackageManager, packages
from tests.support.roots import SYSTEMS, TOOLS, make_root

#: Modules whose tests have to hold for what the packages install.
OF_THE_PACKAGES = {"test_sshd"}


class Installed(NamedTuple):
    """A package in a release of Debian."""

    suite: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.suite}"


#: Releases of Debian, and versions of systemd, that every run boots.
SUITES = ("bookworm", "trixie")

#: Each kind of package, each version of systemd: in every run.
INSTALLED = (
    Installed("bookworm", "deb"),
    Installed("trixie", "deb"),
    Installed("bookworm", "rpm"),
    Installed("trixie", "arch"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--system", choices=SYSTEMS, help="have every box be this release of Debian, with packages"
    )


def chosen_suite(config: pytest.Config) -> str | None:
    """What --system says; None where nobody knows this option, as when all tiers are collected."""
    suite = config.getoption("system", None)
    assert suite is None or isinstance(suite, str)
    return suite


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each module once for each `way` to get its box, or for each `suite` of boxes it makes."""
    suite = metafunc.config.getoption("system", None)
    if "suite" in metafunc.fixturenames:
        metafunc.parametrize("suite", [suite] if suite else SUITES, scope="module")
    if "way" in metafunc.fixturenames:
        is_of_all = metafunc.module.__name__.rpartition(".")[2] in OF_THE_PACKAGES
        ways: list[Installed | None] = [None, *INSTALLED] if is_of_all else [None]
        if suite is not None:
            ways = [Installed(suite, kind) for kind in (KINDS if is_of_all else ["deb"])]
        ids = [str(way or "checkout") for way in ways]
        metafunc.parametrize("way", ways, scope="module", ids=ids)


@pytest.fixture(scope="module", params=["nspawn", "unshare"])
def empty_box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """A booted box, nothing of ours in it, made in either way."""
    with Box("empty", bind_ro={PROJECT: "/src"}, nspawn=request.param == "nspawn") as box:
        yield box


@pytest.fixture(scope="module")
def box(way: Installed | None) -> Iterator[Box]:
    """A booted box with the project installed: from the sources, or by a package."""
    if way is None:
        with Box("gate") as box:
            box.install_project()
            yield box
    else:
        root = make_root(way.suite, TOOLS)
        with Box("gate", root=root, bind_ro={packages(): "/packages"}) as box:
            PackageManager(box, way.kind, "/packages").install()
            yield box
