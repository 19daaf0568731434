"""What data files come with the package? The one place where policies reads anything: its own package data."""

from __future__ import annotations

from importlib.resources import files


def read(name: str) -> str:
    """The text of a data file that stands beside this module, such as `prices.toml`."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
