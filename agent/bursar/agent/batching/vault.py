"""How is content kept, of what is put off and of samples, so that only its owner reads it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlite_utils import Database

from bursar.agent.ledger import deferralbook, identity, samplebook
from bursar.agent.ledger.deferralbook import Text
from bursar.agent.settings import SettingsError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

_PROOF = "deferrals_key"
_KNOWN = b"bursar"


class VaultError(SettingsError):
    """What was kept cannot be read with this key; the text says what to do."""


class Vault:
    """Seals texts where there is a key, and opens what was sealed with it or another of its file."""

    def __init__(self, keys: MultiFernet | None = None, file: Path | None = None) -> None:
        self._keys = keys
        self._file = file

    @property
    def seals(self) -> bool:
        """Whether there is a key."""
        return self._keys is not None

    def seal(self, text: str) -> Text:
        """A text as it is kept."""
        plain = text.encode()
        return (
            Text(sealed=False, text=plain) if self._keys is None else Text(sealed=True, text=self._keys.encrypt(plain))
        )

    def open(self, kept: Text) -> str:
        """What was sealed. Raises `VaultError`."""
        if not kept.sealed:
            return kept.text.decode()
        if self._keys is None:
            raise VaultError(_no_key())
        from cryptography.fernet import InvalidToken

        try:
            return self._keys.decrypt(kept.text).decode()
        except InvalidToken as error:
            raise VaultError(_wrong(self._file)) from error

    def prove(self, db: Database) -> None:
        """See that this is the key of what the ledger keeps, and note it in one that has none. Raises `VaultError`."""
        proof, sealed = identity.kept(db, _PROOF), deferralbook.sealed_texts(db) or samplebook.sealed(db)
        if proof and sealed:
            self.open(Text(sealed=True, text=proof.encode()))
        if self._keys is not None:
            identity.keep(db, _PROOF, self._keys.encrypt(_KNOWN).decode())


def open_vault(file: Path | None) -> Vault:
    """
    The vault of a key file: Fernet keys, one a line; the first seals, all open. Without a file nothing is sealed.

    Raises `VaultError`.
    """
    if file is None:
        return Vault()
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError as error:
        raise VaultError(
            "BURSAR_DEFERRALS_KEY_FILE is set and the package that encrypts is missing: pip install 'bursar[encrypt]'"
        ) from error
    try:
        lines = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise VaultError(f"the key file {file} cannot be read ({error}): check BURSAR_DEFERRALS_KEY_FILE") from error
    try:
        keys = [Fernet(line) for line in lines]
        return Vault(MultiFernet(keys), file)
    except ValueError as error:
        raise VaultError(
            f"the key file {file} holds no Fernet key: make one with "
            "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        ) from error


def _no_key() -> str:
    return (
        "what is kept of calls was encrypted and no key is given: set BURSAR_DEFERRALS_KEY_FILE to the file of its "
        "key, or start on another ledger (BURSAR_DB)"
    )


def _wrong(file: Path | None) -> str:
    return (
        f"what is kept of calls was encrypted with another key than those in {file}: add that key to the file as a "
        "further line, or start on another ledger (BURSAR_DB)"
    )
