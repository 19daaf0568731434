"""A certificate authority for tests: certificates that are in order, out of date, or of somebody else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bursar.agent.settings import Tls

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Signs certificates, into its folder."""

    folder: Path
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    @property
    def file(self) -> Path:
        """What others have to trust."""
        return self.folder / "ca.pem"

    def issue(
        self,
        name: str,
        *,
        host: str = "127.0.0.1",
        begins: timedelta = -DAY,
        ends: timedelta = DAY,
        passphrase: str = "",
    ) -> Tls:
        """A certificate for `localhost` and an address, valid from and to so long from now, and its key."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(host))])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        made = (
            _builder(named(name), self.name, key.public_key(), now + begins, now + ends)
            .add_extension(names, critical=False)
            .add_extension(usage, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        files = Tls(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        files.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(_key_bytes(key, passphrase))
        return files


def authority(folder: Path, name: str = "an authority") -> Authority:
    """One with a name and a key of its own."""
    folder.mkdir(exist_ok=True)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        _builder(named(name), named(name), key.public_key(), now - 365 * DAY, now + 365 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_signs_certificates(), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Authority(folder, named(name), key)
    found.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return found


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey, passphrase: str) -> bytes:
    sealed = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
