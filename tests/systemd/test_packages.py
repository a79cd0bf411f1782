# SPDX-License-Identifier: MIT
"""The packages: what installing, upgrading and removing them does, and what linters say of them.

test_sshd.py has the gate's work as each of them installs it.
"""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import commands
from tests.support.box import Box
from tests.support.load import Visit
from tests.support.packages import (
    KINDS,
    PROJECT,
    RPM,
    PackageManager,
    packages,
    packages_of,
)
from tests.support.roots import SYSTEMS, make_root

pytestmark = pytest.mark.systemd

NEWER = "99.0"
SERVED = "/run/served"
WAIT_SECONDS = 60.0

#: Says hello to the client by its name, and writes down whom it served before it answers.
ANSWER = f'read -r name; echo "$name" >>{SERVED}; echo "hello $name"'

#: Everything on a box's own file system, and what kind it is.
FILES = "find / -xdev -not -path '/packages*' -not -path '/newer*' -not -path '/src*'"

#: Where other programs write while a test lasts, and package managers into their own memory.
OTHERS_FILES = (
    *("/run/systemd", "/run/log", "/tmp/", "/var/tmp/"),  # noqa: S108  # in a box
    *("/var/log/alternatives.log", "/var/log/dpkg.log", "/var/log/pacman.log", "/var/log/journal"),
    *("/var/lib/systemd/", "/var/lib/rpm", "/var/lib/pacman", "/var/lib/dpkg"),
    *("/var/cache/ldconfig/", "/var/cache/debconf/"),
)

#: What the admin, and for it `socketgate unit`, wrote about a daemon called echo.
WRITTEN = (
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/socketgate",
    "/etc/systemd/system/socketgate@echo.socket.d",
    "/etc/systemd/system/echo-gated@",
    "/etc/systemd/system/echo-gated.socket",
)


@pytest.fixture(scope="module")
def home_suite(request: pytest.FixtureRequest) -> str:
    """The release with the Python that the packages here are built with, or the one asked for."""
    if asked := request.config.getoption("system", None):
        return str(asked)
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    suite = values["VERSION_CODENAME"].strip('"')
    return suite if suite in SYSTEMS else "bookworm"


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, home_suite: str) -> Iterator[PackageManager]:
    """A box of its own, and nothing of ours in it yet."""
    binds: dict[str | Path, str] = {
        packages(): "/packages",
        packages_of(NEWER): "/newer",
        PROJECT: "/src",
    }
    with Box("pack", root=make_root(home_suite), bind_ro=binds) as box:
        yield PackageManager(box, request.param, "/packages")


def files_of(box: Box) -> set[str]:
    """All paths in a box, but for what is others' to write."""
    paths = box.shell(FILES).splitlines()
    return {path for path in paths if not path.startswith(OTHERS_FILES)}


def put_behind_the_gate(box: Box, name: str, port: int, *options: str) -> None:
    box.run("socketgate", "unit", name, "--listen", str(port), *options, "--install",
            "--", "/bin/sh", "-c", ANSWER)  # fmt: skip
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "enable", "--now", f"socketgate@{name}.socket")


def visit(box: Box, port: int, count: int = 1, at_once: int = 1) -> list[Visit]:
    """Clients of a port, each to its end."""
    words = ("/src/tests/support/load.py", "127.0.0.1", str(port), str(count), str(at_once))
    said = box.run("/usr/bin/python3", "-B", *words, timeout_seconds=WAIT_SECONDS)
    visits: list[Visit] = json.loads(said.stdout)
    return visits


def was_answered(visit: Visit) -> bool:
    return visit["answer"] == f"hello {visit['name']}\n"


def is_served(box: Box, port: int) -> bool:
    return all(map(was_answered, visit(box, port)))


def test_installing_enables_and_starts_nothing(manager: PackageManager) -> None:
    manager.install()
    box = manager.box
    states = box.shell("systemctl list-unit-files --no-legend 'socketgate*' | awk '{print $1, $2}'")
    units = [line.split() for line in states.splitlines()]
    assert {state for _, state in units} <= {"disabled", "static"}
    assert "socketgate@.socket" in {unit for unit, _ in units}
    assert box.shell("systemctl list-units --all --no-legend 'socketgate*'") == ""


def test_everything_there_is_gets_installed(manager: PackageManager) -> None:
    manager.install()
    box = manager.box
    there = files_of(box)
    names = {Path(path).name for path in there if "/socketgate" in path}
    for unit in (PROJECT / "units").glob("*.*"):
        # Those for metrics are in an RPM package of their own.
        if unit.suffix in (".service", ".socket", ".catalog") and "metrics" not in unit.name:
            assert unit.name in names
    for page in (PROJECT / "packaging").glob("man/*.[1-9]"):
        assert {page.name, f"{page.name}.gz"} & names
    assert "_socketgate" in {Path(path).name for path in there}
    assert "/usr/share/bash-completion/completions/socketgate" in there
    for file in (PROJECT / "packaging").glob("fail2ban/*.d/*"):
        assert f"/etc/fail2ban/{file.parent.name}/{file.name}" in there
    # Fedora's and EL's kernels have no AppArmor.
    assert ("/etc/apparmor.d/socketgate" in there) is (manager.kind != "rpm")
    assert box.shell("id -nu socketgate") == "socketgate"
    assert box.shell("stat -c '%U %a' /run/socketgate/backend") == "root 755"
    assert "socketgate" in box.shell("journalctl --list-catalog")
    assert "/usr/share/doc/socketgate" in there


def test_the_manager_finds_nothing_amiss_after_use(manager: PackageManager) -> None:
    manager.install()
    put_behind_the_gate(manager.box, "echo", 1001)
    assert is_served(manager.box, 1001)
    assert manager.amiss() == ""


@pytest.mark.parametrize("resident", [False, True], ids=["a-unit-each", "resident"])
def test_clients_during_an_upgrade_are_all_served_once(
    manager: PackageManager, *, resident: bool
) -> None:
    manager.install()
    box = manager.box
    put_behind_the_gate(box, "echo", 1001, *(["--resident"] if resident else []))
    visits = visit(box, 1001, 10, 5)
    deadline = time.monotonic() + WAIT_SECONDS
    with manager.start_upgrade("/newer") as upgrade:
        while upgrade.poll() is None:
            assert time.monotonic() < deadline
            visits += visit(box, 1001, 30, 10)
        assert upgrade.returncode == 0
    visits += visit(box, 1001, 10, 5)
    assert box.shell("socketgate --version") == f"socketgate {NEWER}"
    assert [visit for visit in visits if not was_answered(visit)] == []
    assert len(box.shell(f"cat {SERVED}").splitlines()) == len(visits)


def test_an_upgrade_restarts_whatever_runs_the_code(manager: PackageManager) -> None:
    manager.install()
    box = manager.box
    put_behind_the_gate(box, "echo", 1001, "--resident")
    assert is_served(box, 1001)
    services = ("socketgate@echo.service", "echo-gated.service")
    before = [box.unit(service, "MainPID")["MainPID"] for service in services]
    manager.upgrade("/newer")
    after = [box.unit(service, "MainPID")["MainPID"] for service in services]
    assert "0" not in before + after
    assert set(before).isdisjoint(after)


def test_what_the_admin_edited_survives_an_upgrade(manager: PackageManager) -> None:
    manager.install()
    box = manager.box
    box.append("/etc/socketgate/socketgate.toml", '[rules]\ndeny = "/etc/others.deny"\n')
    put_behind_the_gate(box, "echo", 1001)
    edited = box.shell("cat /etc/socketgate/socketgate.toml /etc/socketgate/socketgate.d/*")
    manager.upgrade("/newer")
    after = box.shell("cat /etc/socketgate/socketgate.toml /etc/socketgate/socketgate.d/*")
    assert after == edited


def test_rule_files_are_nobodys_but_the_admins(manager: PackageManager) -> None:
    box = manager.box
    box.write("/etc/hosts.deny", "echo: 192.0.2.7\n")
    manager.install()
    manager.upgrade("/newer")
    manager.remove()
    there = box.shell("cat /etc/hosts.deny; ls /etc/hosts.allow 2>&1 || :")
    assert there.startswith("echo: 192.0.2.7\nls: cannot access")


def test_removing_closes_the_port_and_enables_nothing_any_more(manager: PackageManager) -> None:
    manager.install()
    box = manager.box
    put_behind_the_gate(box, "echo", 1001, "--resident")
    assert is_served(box, 1001)
    manager.remove()
    assert not is_served(box, 1001)
    assert box.shell("ss -Hltn sport = 1001") == ""
    assert box.shell("systemctl list-units --no-legend 'socketgate*' '*-gated*'") == ""
    assert box.shell("find /etc/systemd/system -path '*.wants/socketgate*'") == ""
    assert box.shell("systemctl list-units --failed --no-legend") == ""


def test_removing_leaves_what_the_admin_wrote_and_nothing_else(manager: PackageManager) -> None:
    box = manager.box
    before = files_of(box)
    manager.install()
    put_behind_the_gate(box, "echo", 1001)
    box.write("/etc/hosts.deny", "echo: 192.0.2.7\n")
    box.write("/etc/hosts.allow", "echo: ALL: aclexec /bin/true\n")
    box.run("socketgate", "ban", "192.0.2.8")
    assert is_served(box, 1001)
    states = set(box.shell("find /var/lib/socketgate* /var/log/socketgate*").splitlines())
    assert {"/var/lib/socketgate/+bans/bans", "/var/log/socketgate-command"} <= states
    manager.remove()
    left = files_of(box) - before
    assert {path for path in left if not path.startswith(WRITTEN)} == set()
    assert "/etc/socketgate/socketgate.d/echo.toml" in left
    assert "/etc/systemd/system/echo-gated@.service" in left


def test_what_removing_left_serves_again_once_it_is_installed_again(
    manager: PackageManager,
) -> None:
    manager.install()
    put_behind_the_gate(manager.box, "echo", 1001)
    manager.remove()
    manager.install()
    manager.box.run("systemctl", "enable", "--now", "socketgate@echo.socket")
    assert is_served(manager.box, 1001)


def test_an_older_package_takes_the_place_of_a_newer_one(manager: PackageManager) -> None:
    manager.install()
    box = manager.box
    put_behind_the_gate(box, "echo", 1001)
    older = box.shell("socketgate --version")
    manager.upgrade("/newer")
    assert is_served(box, 1001)
    manager.downgrade()
    assert (box.shell("socketgate --version"), is_served(box, 1001)) == (older, True)


def test_debian_keeps_bans_until_the_package_is_purged(home_suite: str) -> None:
    with Box("bans", root=make_root(home_suite), bind_ro={packages(): "/packages"}) as box:
        PackageManager(box, "deb", "/packages").install()
        box.run("socketgate", "ban", "192.0.2.8")
        box.run("dpkg", "--remove", "socketgate")
        kept = box.shell("cat /var/lib/socketgate/+bans/bans")
        box.run("dpkg", "--purge", "socketgate")
        left = box.shell("ls -d /var/lib/socketgate 2>&1 || :")
    assert "192.0.2.8" in kept
    assert "No such file" in left


def test_removing_the_metrics_alone_closes_their_port_and_no_other(home_suite: str) -> None:
    with Box("part", root=make_root(home_suite), bind_ro={packages(): "/packages"}) as box:
        PackageManager(box, "rpm", "/packages").install()
        box.shell(f"{RPM} -i /packages/socketgate-metrics-*.rpm")
        put_behind_the_gate(box, "echo", 1001)
        box.run("systemctl", "enable", "--now", "socketgate-metrics.socket")
        box.shell(f"{RPM} -e socketgate-metrics")
        units = box.shell("systemctl list-units --plain --no-legend 'socketgate*.socket'")
        enabled = box.shell("find /etc/systemd/system -path '*.wants/*' -name 'socketgate*'")
    assert [line.split()[0] for line in units.splitlines() if "command" not in line] == [
        "socketgate@echo.socket"
    ]
    assert [Path(path).name for path in enabled.splitlines()] == ["socketgate@echo.socket"]


def test_a_gate_without_any_of_the_libraries_serves(home_suite: str) -> None:
    binds: dict[str | Path, str] = {packages(): "/packages", PROJECT: "/src"}
    with Box("bare", root=make_root(home_suite), bind_ro=binds) as box:
        PackageManager(box, "deb", "/packages").install()
        box.shell("cd /usr/lib/python3/dist-packages && rm -r systemd sdnotify")
        for library in ("systemd", "inotify_simple", "sdnotify"):
            assert box.run("/usr/bin/python3", "-c", f"import {library}", check=False).returncode
        put_behind_the_gate(box, "echo", 1001)
        assert is_served(box, 1001)
        box.write("/etc/hosts.deny", "ALL: ALL\n")
        deadline = time.monotonic() + WAIT_SECONDS
        while is_served(box, 1001):
            assert time.monotonic() < deadline
        refused = box.journal("SOCKETGATE_OUTCOME=refused")
    assert refused[0]["MESSAGE"].startswith("refused connect from")


def test_this_systemd_knows_every_setting_of_the_units(suite: str) -> None:
    with Box("verify", root=make_root(suite), bind_ro={packages(): "/packages"}) as box:
        PackageManager(box, "deb", "/packages").install()
        put_behind_the_gate(box, "echo", 1001)
        put_behind_the_gate(box, "resident", 1002, "--resident")
        said = box.run(
            "systemd-analyze", "verify", "--man=no", "socketgate.service",
            "socketgate@echo.socket", "socketgate@echo.service", "echo-gated.socket",
            "echo-gated@1.service", "resident-gated.socket", "resident-gated.service",
            check=False,
        )  # fmt: skip
    about_us = [line for line in said.stderr.splitlines() if "gate" in line]
    # What is there for systemd 255 and later; 252 says so and goes on.
    newer = "Unknown key 'PollLimitIntervalSec'"
    assert [line for line in about_us if newer not in line] == []


def test_rpmlint_has_nothing_to_say() -> None:
    names = [str(path) for path in packages().iterdir() if path.suffix in (".rpm", ".spec")]
    config = PROJECT / "packaging/rpm/rpmlint.toml"
    said = commands.run(["rpmlint", "--config", str(config), *names], check=False)
    lines = [line for line in said.stdout.splitlines() if ": E: " in line or ": W: " in line]
    assert lines == []


def test_lintian_finds_no_errors(tmp_path: Path) -> None:
    for path in packages().glob("socketgate_*"):
        shutil.copy(path, tmp_path)
    names = [str(path) for path in tmp_path.iterdir() if path.suffix in (".deb", ".dsc")]
    said = commands.run(["lintian", "--fail-on=error", "--allow-root", *names], check=False)
    assert (said.returncode, [line for line in said.stdout.splitlines() if line[0] == "E"]) == (
        0,
        [],
    )


def test_a_release_has_the_same_bytes_each_time() -> None:
    assert (packages_of(NEWER) / f"socketgate-{NEWER}.tar.gz").is_file()  # made twice, compared


def test_pip_installs_the_source_archive(tmp_path: Path) -> None:
    [archive] = packages().glob("socketgate-*.tar.gz")
    commands.run(["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
                  "--no-build-isolation", f"--target={tmp_path}", str(archive)])  # fmt: skip
    script = tmp_path / "bin/socketgate"
    said = commands.run([str(script), "--version"], env={"PYTHONPATH": str(tmp_path)})
    assert said.stdout.startswith("socketgate ")


def ask_the_spec(*words: str) -> list[str]:
    """What rpmspec says about the recipe, told that it is on EL 9."""
    macros = PROJECT / "packaging/rpm/compat.macros"
    defines = ("--define", f"_sourcedir {PROJECT / 'units'}", "--define", "rhel 9")
    spec = str(packages() / "socketgate.spec")
    said = commands.run(["rpmspec", "--load", str(macros), *defines, "--query", *words, spec])
    return said.stdout.splitlines()


def test_on_el_9_the_spec_asks_for_a_python_that_is_new_enough() -> None:
    asked = ask_the_spec("--buildrequires")
    assert "python3.11-devel" in asked
    assert "python3-devel" not in asked


def test_on_el_9_no_package_needs_a_library_that_nobody_packages_there() -> None:
    assert [line for line in ask_the_spec("--requires") if "dist(" in line] == []
