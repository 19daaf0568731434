"""Claims about the vault: what is sealed only its key opens, and a wrong key is told at the start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.agent.batching.house import House, take

from bursar.agent.batching.vault import Vault, VaultError, open_vault
from bursar.agent.ledger.deferralbook import Text

SECRET = "the patient's name"


def key_file(folder: Path, *keys: bytes, name: str = "key") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(keys))
    return path


def test_without_a_key_texts_stay_as_they_are() -> None:
    """And say so."""
    assert Vault().seal("é") == Text(sealed=False, text="é".encode())
    assert Vault().open(Text(sealed=False, text="é".encode())) == "é"


def test_sealed_texts(tmp_path: Path) -> None:
    """Nothing of them is to be read, but with the key; one that came later in the file opens them too."""
    first, second = Fernet.generate_key(), Fernet.generate_key()
    sealed = open_vault(key_file(tmp_path, first)).seal(SECRET)
    assert sealed.sealed
    assert b"patient" not in sealed.text
    assert open_vault(key_file(tmp_path, second, first)).open(sealed) == SECRET
    with pytest.raises(VaultError, match=r"another key than those in .*further line"):
        open_vault(key_file(tmp_path, second)).open(sealed)
    with pytest.raises(VaultError, match="set BURSAR_DEFERRALS_KEY_FILE"):
        Vault().open(sealed)


@pytest.mark.parametrize(
    ("content", "said"), [(b"nonsense", "holds no Fernet key: make one"), (b"", "holds no Fernet key"), (None, "read")]
)
def test_a_file_that_is_no_key(tmp_path: Path, content: bytes | None, said: str) -> None:
    """The sentence says how to make one."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VaultError, match=said):
        open_vault(path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it."""
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(VaultError, match=r"pip install 'bursar\[encrypt\]'"):
        open_vault(key_file(tmp_path, b"x"))


def test_a_wrong_key_at_the_start(tmp_path: Path) -> None:
    """Once something is kept under a key, no agent starts without it; the ledger holds no word of it in the clear."""
    vault = open_vault(key_file(tmp_path, Fernet.generate_key()))
    house = House(tmp_path, vault=vault)
    house.run(lambda office: take(office, house.offer("a", body=f'{{"model":"m","x":"{SECRET}"}}')))
    house.vault = Vault()
    with pytest.raises(VaultError, match="set BURSAR_DEFERRALS_KEY_FILE"):
        house.restart()
    house.close()
    house.vault = open_vault(key_file(tmp_path, Fernet.generate_key(), name="other"))
    with pytest.raises(VaultError, match="another key"):
        house.open()
    house.close()
    for path in tmp_path.glob("db*"):
        assert SECRET.encode() not in path.read_bytes()
    house.vault = vault
    house.open()
    house.close()
