"""Certificates of relays: short-lived and self-signed, or the operator's own.

A browser trusts a self-signed certificate only through WebTransport's `serverCertificateHashes`, which demands an
X.509v3 certificate with an ECDSA P-256 key that is valid for at most 14 days (W3C WebTransport, section 6.6). Ours live
13 days, so that a clock an hour off harms nobody, and are replaced at half that, long before anybody holds a ticket to
them.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import InvalidInput, WorldBroke

LIFETIME = timedelta(days=13)
ROTATE_BEFORE_END = LIFETIME / 2
BACKDATED = timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate chain and its key on disk (PEM). `sha256` is the hex fingerprint of the leaf's DER form."""

    chain_path: Path
    key_path: Path
    sha256: str
    expires_at: datetime
    operator_owned: bool = False

    def due(self, now: datetime) -> bool:
        """Whether it is time to replace it. The operator's own is replaced by the operator."""
        return not self.operator_owned and now >= self.expires_at - ROTATE_BEFORE_END


def load(chain_path: Path, key_path: Path, *, operator_owned: bool) -> Certificate:
    """A certificate from disk.

    Raises:
        InvalidInput: it cannot be read, has expired, or does not belong to the key.
    """
    try:
        leaf = x509.load_pem_x509_certificate(chain_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(f"Reading the certificate {chain_path} failed: {error}.", hint="Give PEM files.") from error
    if key.public_key() != leaf.public_key():
        raise InvalidInput(f"{key_path} is not the key of {chain_path}.", hint="Give the pair that belongs together.")
    if leaf.not_valid_after_utc <= utc_now():
        raise InvalidInput(
            f"The certificate {chain_path} expired on {leaf.not_valid_after_utc:%Y-%m-%d}.", hint="Renew it."
        )
    digest = leaf.fingerprint(hashes.SHA256()).hex()
    return Certificate(chain_path, key_path, digest, leaf.not_valid_after_utc, operator_owned)


def issue(folder: Path, hosts: tuple[str, ...], *, now: datetime | None = None) -> Certificate:
    """A fresh self-signed certificate for `hosts` (names or addresses) in `folder`, key readable by the owner only."""
    issued = now or utc_now()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "skyriver relay")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issued - BACKDATED)
        .not_valid_after(issued - BACKDATED + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    chain_path, key_path = folder / f"{digest[:16]}.crt", folder / f"{digest[:16]}.key"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(key_path, private)
        chain_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise WorldBroke(
            f"Storing a relay certificate in {folder} failed: {error}.", hint="Free or unlock it."
        ) from error
    return Certificate(chain_path, key_path, digest, certificate.not_valid_after_utc)


def load_or_issue(folder: Path, hosts: tuple[str, ...]) -> Certificate:
    """The newest certificate in `folder` that is not due, else a fresh one; expired ones are deleted.

    A relay that restarts keeps its fingerprint, so that tickets that viewers hold stay good.
    """
    best: Certificate | None = None
    for chain_path in folder.glob("*.crt") if folder.is_dir() else ():
        try:
            found = load(chain_path, chain_path.with_suffix(".key"), operator_owned=False)
        except InvalidInput:
            chain_path.unlink(missing_ok=True)
            chain_path.with_suffix(".key").unlink(missing_ok=True)
            continue
        if best is None or found.expires_at > best.expires_at:
            best = found
    return best if best is not None and not best.due(utc_now()) else issue(folder, hosts)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
