# SPDX-License-Identifier: MIT
"""tests/run itself: what counts as a failure although no test failed."""

import pytest

from tests.support.runner import (
    TESTS,
    TIERS,
    Outcome,
    Tier,
    find_trouble,
    run_tier,
    split_words,
)

PASSED = {"passed": 3, "failed": 0}


@pytest.mark.parametrize(
    ("code", "counts", "is_narrowed", "trouble"),
    [
        pytest.param(0, PASSED, False, "", id="all-good"),
        pytest.param(1, {"failed": 1}, False, "", id="failed-tests-speak-for-themselves"),
        pytest.param(5, {"passed": 0}, False, "has test files and no tests", id="no-tests"),
        pytest.param(5, {"passed": 0}, True, "", id="none-chosen-by-the-user"),
        pytest.param(2, PASSED, False, "pytest ended with exit code 2", id="interrupted"),
        pytest.param(0, {}, False, "pytest ended with exit code 0", id="no-counts"),
        pytest.param(-9, {}, False, "pytest ended with exit code -9", id="killed"),
        pytest.param(None, {}, False, "took longer than 800 s", id="hung"),
    ],
)
def test_trouble_is_found(
    code: int | None, counts: dict[str, int], is_narrowed: bool, trouble: str
) -> None:
    assert find_trouble(code, counts, is_narrowed=is_narrowed) == trouble


@pytest.mark.parametrize(
    ("outcome", "is_ci", "is_good"),
    [
        pytest.param(Outcome(tier="x", passed=1), True, True, id="passed"),
        pytest.param(Outcome(tier="x", passed=1, failed=1), False, False, id="failed"),
        pytest.param(Outcome(tier="x", trouble="hung"), False, False, id="trouble"),
        pytest.param(Outcome(tier="x", skipped=1), False, True, id="skipped"),
        pytest.param(Outcome(tier="x", skipped=1), True, False, id="skipped-on-ci"),
    ],
)
def test_an_outcome_is_good_or_not(outcome: Outcome, is_ci: bool, is_good: bool) -> None:
    assert outcome.is_good(is_ci=is_ci) == is_good


def test_what_follows_the_dashes_is_for_pytest() -> None:
    assert split_words(["unit", "--", "-k", "--", "x"]) == (["unit"], ["-k", "--", "x"])


def test_a_tier_whose_files_are_gone_is_a_failure() -> None:
    outcome = run_tier(Tier(name="x", about="", places=("no-such-folder",)), ())
    assert not outcome.is_good(is_ci=True)


def test_only_root_can_run_what_needs_boxes_and_namespaces() -> None:
    assert {tier.name for tier in TIERS if tier.needs_root} == {"fault", "systemd", "bench"}


def test_every_folder_with_tests_belongs_to_a_tier() -> None:
    places = {place for tier in TIERS for place in tier.places}
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("*/test_*.py")}
    assert folders <= places
