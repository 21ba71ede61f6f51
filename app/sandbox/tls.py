"""A temporary certificate authority, and a certificate for `localhost` and 127.0.0.1 that it has signed."""

import ipaddress
import os
from datetime import timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.core import clock

_VALID = timedelta(days=90)
_RENEW_WHEN_LEFT = timedelta(days=7)
_BACKDATED = timedelta(minutes=5)  # for a client whose clock is slightly slow


class Certificates(msgspec.Struct, frozen=True):
    """Files in PEM: clients trust `ca_path`, the server uses `cert_path` and `key_path` (mode 600)."""

    ca_path: Path
    cert_path: Path
    key_path: Path


def ensure(directory: Path) -> Certificates:
    """The certificates in `directory`; created if they are missing or expire within seven days.

    A new server certificate comes with a new authority, whose key is not kept: it can sign nothing else.
    Clients that read the old `ca.pem` must read it again.
    """
    files = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    if not _is_usable(files):
        directory.mkdir(parents=True, exist_ok=True)
        _issue(files)
    return files


def _is_usable(files: Certificates) -> bool:
    try:
        authority = x509.load_pem_x509_certificate(files.ca_path.read_bytes())
        server = x509.load_pem_x509_certificate(files.cert_path.read_bytes())
        key = serialization.load_pem_private_key(files.key_path.read_bytes(), password=None)
        server.verify_directly_issued_by(authority)
    except Exception:
        return False  # missing, damaged or of different sets: create a new set
    expires_at = min(authority.not_valid_after_utc, server.not_valid_after_utc)
    return key.public_key() == server.public_key() and expires_at - clock.now() > _RENEW_WHEN_LEFT


def _issue(files: Certificates) -> None:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, server_name = _name("Swap Pay sandbox authority"), _name("localhost")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    server = (
        _builder(server_name, authority_name, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        # OpenSSL's strict check, Python's default from 3.13 on, requires the authority's key identifier.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(files.key_path, secret, mode=0o600)
    _write(files.cert_path, server.public_bytes(serialization.Encoding.PEM), mode=0o644)
    _write(files.ca_path, authority.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - _BACKDATED)
        .not_valid_after(clock.now() + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
