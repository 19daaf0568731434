"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from tests.browser.kept import Kept, kept_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Generator[Kept]:
    """`bursar demo --keep`, with its refusals, downgrades and batches; who uses it is in the xdist group `browser`."""
    with kept_demo(tmp_path_factory.mktemp("demo")) as kept:
        yield kept
