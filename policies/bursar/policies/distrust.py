"""What is to be done where TLS with the agent does not come about?"""

from __future__ import annotations

_NOT_YET, _EXPIRED = 9, 10
_SELF_SIGNED, _SELF_SIGNED_ABOVE, _ISSUER_UNKNOWN, _ISSUER_MISSING = 18, 19, 20, 21
_OTHER_HOST, _OTHER_ADDRESS = 62, 64
"""OpenSSL's X509_V_ERR codes."""

_RENEW = "renew the agent's certificate; it takes a new file at --tls-cert up by itself"
_NAME_CA = (
    "name the file of the CA that signed the agent's certificate in BURSAR_CA_FILE (for a self-signed one, the "
    "certificate itself)"
)
_NAME_HOST = "use a name in BURSAR_AGENT that the agent's certificate is for, or have one made for this name"

_REMEDIES = {
    _NOT_YET: "set the clocks of this machine and of the agent's right, or have a certificate made that is valid now",
    _EXPIRED: _RENEW,
    _SELF_SIGNED: _NAME_CA,
    _SELF_SIGNED_ABOVE: _NAME_CA,
    _ISSUER_UNKNOWN: _NAME_CA,
    _ISSUER_MISSING: _NAME_CA,
    _OTHER_HOST: _NAME_HOST,
    _OTHER_ADDRESS: _NAME_HOST,
}
_NO_TLS = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_EOF_WHILE_READING", "RECORD_LAYER_FAILURE"))


def distrusted(said: str, *, verify_code: int = 0, reason: str | None = None) -> str:
    """
    A sentence with what OpenSSL said of a failed handshake and what to do.

    `verify_code` is of a certificate that was looked at and not trusted, `reason` OpenSSL's word for any other error.
    """
    if verify_code:
        remedy = _REMEDIES.get(verify_code, "see the certificate that the agent was given with --tls-cert")
        return f"the agent's certificate is not trusted ({said}): {remedy}"
    if reason in _NO_TLS:
        return f"what answers there does not speak TLS ({reason}): write http:// or start the agent with --tls-cert"
    return f"TLS with the agent failed ({said}): see what listens there, and its certificate"
