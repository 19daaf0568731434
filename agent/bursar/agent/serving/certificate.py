"""By which certificate does the agent show who it is?"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from bursar.agent.settings import SettingsError, Tls

_MISMATCH = "KEY_VALUES_MISMATCH"

_log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """
    The certificate and its key, as TLS wants them, and renewed without a restart.

    The context is the listener's for good; each handshake is given the newest pair, built whole before it is used.
    """

    def __init__(self, files: Tls) -> None:
        """Raises `SettingsError` for a pair that no client could trust."""
        self._files = files
        self._seen = _stamp(files)
        self._newest = _context(files)
        self.context = _context(files)
        self.context.sni_callback = self._choose

    def renew(self) -> None:
        """Take up files that have changed; a pair that does not work leaves the one before in force, with a word."""
        stamp = _stamp(self._files)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._newest = _context(self._files)
        except SettingsError as error:
            _log.warning("the certificate before stays in use: %s", error)
        else:
            _log.info("the certificate %s has changed and is in use from now on", self._files.cert)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest


def _context(files: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (files.cert, files.key):
        _see_that_it_can_be_read(path)
    try:
        # Without a word of its own OpenSSL would ask for the passphrase at a terminal.
        context.load_cert_chain(files.cert, files.key, password=_no_passphrase)
    except _EncryptedError as error:
        raise SettingsError(f"--tls-key {files.key} is encrypted. Name one without a passphrase, mode 0600.") from error
    except ssl.SSLError as error:
        raise SettingsError(_why_not(files, error)) from error
    _see_that_it_serves(files, context)
    return context


class _EncryptedError(Exception):
    """A passphrase was asked for."""


def _no_passphrase() -> str:
    raise _EncryptedError


def _see_that_it_can_be_read(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise SettingsError(
            f"the file {path} of --tls-cert or --tls-key cannot be read ({error.strerror}). Name one that is there "
            "and is the agent's to read."
        ) from error


def _why_not(files: Tls, error: ssl.SSLError) -> str:
    if error.reason == _MISMATCH:
        return f"--tls-key {files.key} is not the key of --tls-cert {files.cert}. Name the two that belong together."
    return (
        f"--tls-cert {files.cert} and --tls-key {files.key} are no certificate and key ({error.reason or error}). Name "
        "files in PEM, the certificate's with those that it rests on below it."
    )


def _see_that_it_serves(files: Tls, context: ssl.SSLContext) -> None:
    """One handshake with ourselves, trusting this very certificate: what may be wrong then is its time and its use."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    trust.load_verify_locations(files.cert)
    try:
        _shake_hands(context, trust)
    except ssl.SSLCertVerificationError as error:
        raise SettingsError(
            f"--tls-cert {files.cert} is of no use ({error.verify_message}): no client would trust it. Have another "
            "made; where its time is the matter, see that this machine's clock is right."
        ) from error


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(there, back, server_side=True), client.wrap_bio(back, there)]
    while ends:
        for end in ends[::-1]:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def _stamp(files: Tls) -> Stamp:
    """What changes when a file is written anew or another put in its place."""
    found = list[tuple[int, int, int]]()
    for path in (files.cert, files.key):
        try:
            status = path.stat()
        except OSError:  # in the midst of being replaced, or gone: told where it is read
            found.append((0, 0, 0))
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)
