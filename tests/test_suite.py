"""Claims about the suite itself: tests that share something costly run in one process, which makes it once."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.xdist_group("together")


def test_groups_are_kept_together(request: pytest.FixtureRequest) -> None:
    """xdist sends them by what it puts behind a test's id; under a pytest that it does not know it silently cannot."""
    test, _, _ = os.environ["PYTEST_CURRENT_TEST"].partition(" ")
    assert test.endswith("@together") == request.config.getoption("loadgroup", False)
