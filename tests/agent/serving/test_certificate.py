"""Claims about the agent's certificate: what no client could trust is an error at the start, and it can be renewed."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import DAY, Authority, authority

from bursar.agent.serving.certificate import Certificate
from bursar.agent.settings import SettingsError, Tls


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


def shown(certificate: Certificate, ca: Authority) -> str:
    """Whose certificate a client is shown, which trusts the authority."""
    trust = ssl.create_default_context(cafile=ca.file)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificate.context.wrap_bio(there, back, server_side=True)
    client = trust.wrap_bio(back, there, server_hostname="localhost")
    for _ in range(3):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found: Any = client.getpeercert()
    return str(dict(pair for (pair,) in found["subject"])["commonName"])


def test_a_good_pair_is_shown(ca: Authority) -> None:
    """To whoever trusts the authority that signed it."""
    assert shown(Certificate(ca.issue("agent")), ca) == "agent"


def test_a_pair_that_does_not_belong_together(ca: Authority) -> None:
    """Both are named."""
    one, other = ca.issue("one"), ca.issue("other")
    mixed = replace(one, key=other.key)
    with pytest.raises(SettingsError) as caught:
        Certificate(mixed)
    assert str(caught.value) == (
        f"--tls-key {other.key} is not the key of --tls-cert {one.cert}. Name the two that belong together."
    )


@pytest.mark.parametrize(
    ("name", "begins", "ends", "told"),
    [("old", -2 * DAY, -DAY, "certificate has expired"), ("early", DAY, 2 * DAY, "certificate is not yet valid")],
)
def test_a_certificate_of_another_time(ca: Authority, name: str, begins: timedelta, ends: timedelta, told: str) -> None:
    """Every client would turn away, so no agent starts with it."""
    files = ca.issue(name, begins=begins, ends=ends)
    with pytest.raises(SettingsError, match=rf"--tls-cert {files.cert} is of no use \({told}\): .*Have another made"):
        Certificate(files)


def test_files_that_are_no_pair(ca: Authority, tmp_path: Path) -> None:
    """One that is not there, one that holds something else, and a key that nobody can type the passphrase of."""
    files, nothing = ca.issue("whole"), tmp_path / "nothing"
    for missing in (replace(files, cert=nothing), replace(files, key=nothing)):
        with pytest.raises(SettingsError, match=rf"the file {nothing} .* cannot be read \(No such file"):
            Certificate(missing)
    nothing.write_text("no certificate\n")
    with pytest.raises(SettingsError, match=r"are no certificate and key \(.*\)\. Name files in PEM"):
        Certificate(replace(files, cert=nothing))
    with pytest.raises(SettingsError, match=r"is encrypted\. Name one without a passphrase"):
        Certificate(ca.issue("sealed", passphrase="abracadabra"))


def put(files: Tls, by: Tls) -> None:
    """As a renewal does: each file replaced by another at once."""
    for old, new in ((files.cert, by.cert), (files.key, by.key)):
        os.replace(new, old)


def test_a_renewed_pair_is_taken_up(ca: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """By connections from then on, without a restart; one that is of no use leaves the pair before in force."""
    files = ca.issue("first")
    certificate = Certificate(files)
    certificate.renew()
    assert (shown(certificate, ca), caplog.records) == ("first", [])
    put(files, ca.issue("second"))
    assert shown(certificate, ca) == "first"
    certificate.renew()
    assert shown(certificate, ca) == "second"
    put(files, ca.issue("bygone", begins=-2 * DAY, ends=-DAY))
    certificate.renew()
    certificate.renew()
    assert shown(certificate, ca) == "second"
    (warned,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned.startswith(f"the certificate before stays in use: --tls-cert {files.cert} is of no use")
    files.key.unlink()
    certificate.renew()
    assert "cannot be read" in caplog.records[-1].getMessage()
    put(files, ca.issue("third"))
    certificate.renew()
    assert shown(certificate, ca) == "third"
