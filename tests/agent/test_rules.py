"""Claims about rules in force: understood whole before they hold, and never half swapped."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from bursar.agent.rules import Reload, RulesError, RulesInForce, read_rules
from bursar.agent.settings import Settings
from bursar.policies.pricefile import shipped_book

POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "50 USD"
every = "day"
[budget.at]
"80%" = "alert team"
[[channel]]
name = "team"
kind = "slack"
url_env = "TEAM_URL"
"""
PRICES = """\
multiply = 0.9
"""
SECRET = "https://hooks.example.org/T0/secret"


def settings(
    folder: Path, *, policy: str | None = POLICY, prices: str | None = None, secrets: Mapping[str, str] | None = None
) -> Settings:
    """Settings with these texts in files."""
    files = {"bursar.toml": policy, "prices.toml": prices}
    for name, text in files.items():
        if text is not None:
            (folder / name).write_text(text)
    return Settings(
        state_dir=folder,
        db=folder / "db",
        policy=None if policy is None else folder / "bursar.toml",
        prices=None if prices is None else folder / "prices.toml",
        secrets={"TEAM_URL": SECRET} if secrets is None else secrets,
    )


def touch_later(path: Path, seconds: int) -> None:
    """Date a file so much after 2026-11-22."""
    at = 1_795_348_800 + seconds
    os.utime(path, (at, at))


def test_no_files(tmp_path: Path) -> None:
    """Without files there is no policy, and the prices are the shipped ones."""
    rules = read_rules(settings(tmp_path, policy=None))
    assert rules.policy is None
    assert rules.prices == shipped_book()
    assert (rules.snapshot.policy, rules.snapshot.prices, rules.snapshot.file) == (None, None, "")


def test_files(tmp_path: Path) -> None:
    """Guards are sent the files' own texts; channels find their addresses in the environment."""
    rules = read_rules(settings(tmp_path, prices=PRICES))
    assert rules.policy is not None
    assert rules.policy.budgets[0].limit.amount == 50 * 10**9
    assert rules.prices.multiply * 10 == 9
    assert (rules.snapshot.policy, rules.snapshot.prices) == (POLICY, PRICES)
    assert rules.snapshot.file == str(tmp_path / "bursar.toml")
    assert rules.addresses == {"team": SECRET}
    assert "secret" not in repr(rules)


def test_what_the_models_api_says_is_part_of_the_snapshot(tmp_path: Path) -> None:
    """Under another id, so that every process hears of it; the same again changes nothing, and files do not lose it."""
    rules = RulesInForce(settings(tmp_path))
    before = rules.current.snapshot
    rules.hear_of_models("[]")
    told = rules.current.snapshot
    assert (before.models, told.models, told.policy) == (None, "[]", before.policy)
    assert told.id != before.id
    rules.hear_of_models("[]")
    assert rules.current.snapshot == told
    assert rules.reload(asked=True) is Reload.UNCHANGED
    (tmp_path / "bursar.toml").write_text(POLICY.replace("50 USD", "60 USD"))
    assert rules.reload(asked=True) is Reload.SWAPPED
    assert rules.current.snapshot.models == "[]"


def test_snapshot_ids_differ(tmp_path: Path) -> None:
    """The id follows the texts, each in its own place, and nothing else."""
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
    both, again, one, none = (
        read_rules(settings(folders[0], prices=PRICES)),
        read_rules(settings(folders[1], prices=PRICES)),
        read_rules(settings(folders[2])),
        read_rules(settings(folders[3], policy=None)),
    )
    assert both.snapshot.id == again.snapshot.id
    assert len({both.snapshot.id, one.snapshot.id, none.snapshot.id}) == 3


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ({}, 'channel "team": the environment variable TEAM_URL is not set'),
        ({"TEAM_URL": ""}, "TEAM_URL is not set"),
        ({"TEAM_URL": "hooks.example.org/secret"}, "what TEAM_URL holds is no URL"),
        ({"TEAM_URL": "ftp://hooks.example.org/secret"}, "what TEAM_URL holds is no URL"),
        ({"TEAM_URL": "https://[secret"}, "what TEAM_URL holds is no URL"),
    ],
)
def test_channel_without_address(tmp_path: Path, secrets: Mapping[str, str], told: str) -> None:
    """A channel that cannot post is an error at once; it names the variable and never repeats what is in it."""
    with pytest.raises(RulesError, match=told) as error:
        read_rules(settings(tmp_path, secrets=secrets))
    assert "secret" not in str(error.value)


FORWARD = """\
version = 1
mode = "observe"
[[forward]]
name = "lf"
kind = "langfuse"
url = "http://lf"
headers_env = "LF_HEADERS"
"""


def test_a_forward_finds_its_headers_in_the_environment(tmp_path: Path) -> None:
    """They stand in the rules, and not in what guards are sent or what is printed."""
    rules = read_rules(settings(tmp_path, policy=FORWARD, secrets={"LF_HEADERS": "Authorization=Basic%20secret"}))
    assert rules.headers == {"lf": {"authorization": "Basic secret"}}
    assert "secret" not in repr(rules) and "secret" not in str(rules.snapshot)


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ({}, 'forward "lf": what the environment variable LF_HEADERS holds are no headers .it is empty'),
        ({"LF_HEADERS": "secret"}, "LF_HEADERS holds are no headers .the 1. part is no name=value"),
    ],
)
def test_a_forward_without_headers(tmp_path: Path, secrets: Mapping[str, str], told: str) -> None:
    """An error at once that names the variable and never repeats what is in it."""
    with pytest.raises(RulesError, match=told) as error:
        read_rules(settings(tmp_path, policy=FORWARD, secrets=secrets))
    assert "secret" not in str(error.value).replace("secrets", "")


def test_wrong_policy(tmp_path: Path) -> None:
    """A mistake is told with its line."""
    with pytest.raises(RulesError, match=r"bursar\.toml:5: .*limit"):
        read_rules(settings(tmp_path, policy=POLICY.replace('"50 USD"', '"50"')))


def test_wrong_prices(tmp_path: Path) -> None:
    """So is one in the price file."""
    with pytest.raises(RulesError, match=r"prices\.toml: .*unknown|prices\.toml: .*factor"):
        read_rules(settings(tmp_path, prices="factor = 2\n"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there, or no text, is named."""
    there = settings(tmp_path)
    (tmp_path / "bursar.toml").write_bytes(b"\xff")
    with pytest.raises(RulesError, match=r"bursar\.toml: the policy file is no UTF-8 text"):
        read_rules(there)
    (tmp_path / "bursar.toml").unlink()
    with pytest.raises(RulesError, match=r"bursar\.toml: the policy file cannot be read \(No such file or directory\)"):
        read_rules(there)


def test_reload_swaps(tmp_path: Path) -> None:
    """A changed file is put in force; an unchanged one is not even read."""
    rules = RulesInForce(settings(tmp_path))
    before = rules.current
    assert rules.reload() is Reload.UNCHANGED
    (tmp_path / "bursar.toml").write_text(POLICY.replace("50 USD", "60 USD"))
    touch_later(tmp_path / "bursar.toml", 10)
    assert rules.reload() is Reload.SWAPPED
    assert rules.current.policy is not None
    assert rules.current.policy.budgets[0].limit.amount == 60 * 10**9
    assert rules.current.snapshot.id != before.snapshot.id


def test_same_text_again(tmp_path: Path) -> None:
    """A file that is written again with the same text changes nothing."""
    rules = RulesInForce(settings(tmp_path))
    before = rules.current
    touch_later(tmp_path / "bursar.toml", 10)
    assert rules.reload() is Reload.UNCHANGED
    assert rules.current is before


def test_bad_reload_keeps_the_old(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A bad file leaves the old rules in force, and its mistakes are logged once for each change."""
    rules = RulesInForce(settings(tmp_path))
    before = rules.current
    (tmp_path / "bursar.toml").write_text(POLICY.replace('"80%"', '"eighty"'))
    touch_later(tmp_path / "bursar.toml", 10)
    with caplog.at_level(logging.WARNING):
        assert rules.reload() is Reload.KEPT
        assert rules.reload() is Reload.UNCHANGED
    assert rules.current is before
    assert caplog.text.count("stay in force") == 1
    assert "bursar.toml:8" in caplog.text
    assert rules.reload(asked=True) is Reload.KEPT


def test_vanished_file_keeps_the_old(tmp_path: Path) -> None:
    """A file that an editor replaces is gone for a moment: the old rules hold, and the new one is found."""
    rules = RulesInForce(settings(tmp_path))
    before = rules.current
    (tmp_path / "bursar.toml").unlink()
    assert rules.reload() is Reload.KEPT
    assert rules.current is before
    (tmp_path / "bursar.toml").write_text(POLICY.replace("50 USD", "60 USD"))
    assert rules.reload() is Reload.SWAPPED


def test_price_file_is_watched_too(tmp_path: Path) -> None:
    """A change of the price file alone is seen."""
    rules = RulesInForce(settings(tmp_path, prices=PRICES))
    (tmp_path / "prices.toml").write_text("multiply = 0.8\n")
    touch_later(tmp_path / "prices.toml", 10)
    assert rules.reload() is Reload.SWAPPED
    assert rules.current.prices.multiply * 10 == 8


KEYS = {"TEAM_URL": SECRET, "ANTHROPIC_API_KEY": "sk-ant-secret"}


def test_credentials_are_told_by_name(tmp_path: Path) -> None:
    """Under the ledger's salt, with another id of the rules, and the key in no text of them; gone with the salt."""
    in_force = RulesInForce(settings(tmp_path, secrets=KEYS))
    before = in_force.current
    in_force.put_off("00" * 16)
    told = in_force.current
    assert (told.snapshot.salt, len(told.snapshot.credentials), len(told.credentials)) == ("00" * 16, 1, 1)
    assert told.snapshot.id != before.snapshot.id
    assert "sk-ant-secret" not in repr(told)
    in_force.put_off("11" * 16)
    assert in_force.current.snapshot.id not in (told.snapshot.id, before.snapshot.id)
    in_force.put_off("")
    assert in_force.current == before


def test_credentials_outlive_a_reload(tmp_path: Path) -> None:
    """A file that changes names new ones at once."""
    in_force = RulesInForce(settings(tmp_path, secrets={**KEYS, "BATCH_KEY": "sk-ant-other"}))
    in_force.put_off("00" * 16)
    (tmp_path / "bursar.toml").write_text(POLICY + '[[route]]\nname = "digest"\ncredential_env = "BATCH_KEY"\n')
    touch_later(tmp_path / "bursar.toml", 60)
    assert in_force.reload() is Reload.SWAPPED
    assert len(in_force.current.snapshot.credentials) == 2


def test_nothing_is_put_off_without_a_key(tmp_path: Path) -> None:
    """Then there is nothing to tell, not even a salt."""
    in_force = RulesInForce(settings(tmp_path))
    in_force.put_off("00" * 16)
    assert in_force.current.snapshot.salt == ""


def test_fingerprints_and_marks_are_told_in_the_snapshot(tmp_path: Path) -> None:
    """Each under an id of its own, so that guards hear of them; and taken back as if they had never been."""
    in_force = RulesInForce(settings(tmp_path))
    before = in_force.current
    in_force.fingerprint("00" * 32)
    asked = in_force.current.snapshot
    in_force.mark("[]")
    marked = in_force.current.snapshot
    assert (asked.fingerprint_key, asked.markings, marked.markings) == ("00" * 32, None, "[]")
    assert len({before.snapshot.id, asked.id, marked.id}) == 3
    in_force.mark(None)
    assert in_force.current.snapshot == asked
    in_force.fingerprint("")
    assert in_force.current == before
