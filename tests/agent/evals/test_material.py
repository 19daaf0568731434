"""Material: one model's samples, with what the ledger has of them, by the rules that processes go by."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from cryptography.fernet import Fernet, MultiFernet
from sqlite_utils import Database
from tests.agent.ledger.deferred import NOON, opened

from bursar.agent.batching.vault import Vault, VaultError
from bursar.agent.evals.material import MaterialError, material
from bursar.agent.ledger import overridebook, samplebook
from bursar.agent.ledger.booking import book
from bursar.policies.charge import Basis, Charge
from bursar.policies.protocol import Snapshot
from bursar.policies.records import Settled
from bursar.policies.route import Capture
from bursar.policies.sample import Sample
from bursar.policies.usage import Usage

POLICY = 'version = 1\nmode = "observe"\n[[route]]\nname = "triage"\nlossy = true\n'


@pytest.fixture
def db() -> Iterator[Database]:
    with opened() as memory:
        yield memory


def keep(db: Database, name: str, model: str, vault: Vault | None = None, route: str = "triage") -> None:
    vault = vault or Vault()
    told = Sample(name, route, NOON, model, "beta", f"request {name}", f"answer {name}")
    samplebook.keep(db, told, vault.seal(told.request), vault.seal(told.answer), Capture(50, 60.0), NOON)


def test_the_samples_are_those_of_one_model(db: Database) -> None:
    """The one that answered most, whatever ids it answered by; the others are counted."""
    for name, model in {
        "a": "claude-opus-4-5-20251101",
        "b": "claude-sonnet-5-5",
        "c": "claude-opus-4-5",
        "d": "claude-opus-4-5",
        "e": "claude-sonnet-5-5",
    }.items():
        keep(db, name, model)
    found = material(db, "triage", 10, Vault(), NOON)
    assert (found.model, found.of_others) == ("claude-opus-4-5", 2)
    assert sorted(one.attempt_id for one in found.samples) == ["a", "c", "d"]
    assert {(one.betas, one.request, one.answer) for one in found.samples} == {
        ("beta", f"request {name}", f"answer {name}") for name in "acd"
    }
    fewer = material(db, "triage", 2, Vault(), NOON)
    assert fewer.samples == found.samples[:2]
    assert fewer.of_others == 2


def test_what_the_answers_used_comes_from_the_ledger(db: Database) -> None:
    """Exact figures alone: a bound says nothing of what a call costs."""
    for name in ("a", "b", "c"):
        keep(db, name, "m")
    usage = Usage(input=7, output=3)
    for name, basis in (("a", Basis.USAGE), ("b", Basis.ESTIMATE)):
        charge = Charge(name, 10, usage, basis, "m", "m", "triage", at_ns=NOON - 1)
        book(db, [Settled(charge)], holder="h", policy=None, now_ns=NOON)
    found = material(db, "triage", 10, Vault(), NOON)
    assert found.recorded == {"a": usage}
    assert {one.attempt_id: one.output_tokens for one in found.samples} == {"a": 3, "b": None, "c": None}
    assert found.calls_per_day == Fraction(2)


def test_the_rules_are_those_that_processes_were_told_last(db: Database) -> None:
    """Whether the route may lose something depends on them."""
    keep(db, "a", "m")
    assert material(db, "triage", 1, Vault(), NOON).policy is None
    overridebook.keep_rules(db, Snapshot("s", POLICY, file="f"), NOON)
    policy = material(db, "triage", 1, Vault(), NOON).policy
    assert policy is not None
    assert policy.lossy_for("triage")


def test_what_is_sealed_needs_its_key(db: Database) -> None:
    """And is read with it."""
    vault = Vault(MultiFernet([Fernet(Fernet.generate_key())]))
    keep(db, "a", "m", vault)
    assert material(db, "triage", 1, vault, NOON).samples[0].answer == "answer a"
    with pytest.raises(VaultError, match="BURSAR_DEFERRALS_KEY_FILE"):
        material(db, "triage", 1, Vault(), NOON)


def test_without_samples_it_says_what_to_write(db: Database) -> None:
    """And of which routes there are some."""
    keep(db, "a", "m", route="chat")
    with pytest.raises(MaterialError, match=r"capture = .*There are samples of chat \(1\)"):
        material(db, "triage", 1, Vault(), NOON)
