"""Claims about TLS that fails: each kind of failure has its own remedy."""

from __future__ import annotations

import pytest

from bursar.policies.distrust import distrusted


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (9, "set the clocks"),
        (10, "renew the agent's certificate"),
        (18, "BURSAR_CA_FILE"),
        (19, "BURSAR_CA_FILE"),
        (20, "BURSAR_CA_FILE"),
        (21, "BURSAR_CA_FILE"),
        (62, "use a name in BURSAR_AGENT that the agent's certificate is for"),
        (64, "use a name in BURSAR_AGENT that the agent's certificate is for"),
        (23, "see the certificate that the agent was given with --tls-cert"),
    ],
)
def test_a_certificate_that_is_not_trusted(code: int, remedy: str) -> None:
    """What OpenSSL said stands in the sentence, and what to do about it."""
    said = distrusted("so it is", verify_code=code)
    assert said.startswith("the agent's certificate is not trusted (so it is): ")
    assert remedy in said


def test_no_tls_at_all() -> None:
    """An agent without a certificate, spoken to as if it had one; and what nobody foresaw."""
    assert "does not speak TLS (WRONG_VERSION_NUMBER): write http://" in distrusted("x", reason="WRONG_VERSION_NUMBER")
    assert distrusted("x", reason="SSLV3_ALERT_HANDSHAKE_FAILURE").startswith("TLS with the agent failed (x): ")
