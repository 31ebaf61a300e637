"""DTLS-SRTP (RFC 5764): the handshake that gives both sides their keys, and the keys at work.

The one module that knows pyOpenSSL and pylibsrtp. It does no I/O: datagrams in, datagrams out; the owner asks
`timeout_s` when to call `on_timeout`. We are the server (`a=setup:passive`), as a lite agent that waits, unless the
peer insists on that role (ffmpeg does).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pylibsrtp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from skyriver.kernel.clock import utc_now

DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
MTU_BYTES = 1200
_DTLS_1_2 = 0xFEFD
_RECORD_HEADER_BYTES = 13
_LIFETIME = timedelta(days=30)  # an identity lives as long as its process; browsers look at the fingerprint only
_REPLAY_WINDOW = 1024
_LABEL = b"EXTRACTOR-dtls_srtp"
# name, key and salt bytes (RFC 7714, section 12; RFC 5764, section 4.1.2), most wanted first
_PROFILES = (
    (b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    (b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
)


def _usable_profiles() -> tuple[tuple[bytes, int, int, int], ...]:
    usable = []
    for profile in _PROFILES:
        try:
            Policy(srtp_profile=profile[1])
        except pylibsrtp.Error:  # libsrtp may be built without AES-GCM
            continue
        usable.append(profile)
    return tuple(usable)


PROFILES = _usable_profiles()


@dataclass(frozen=True)
class Identity:
    """A self-signed certificate that peers know by its fingerprint in the SDP."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @classmethod
    def make(cls) -> Identity:
        """A fresh one."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "skyriver")])
        now = utc_now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + _LIFETIME)
        )
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def fingerprint(self) -> str:
        """As `a=fingerprint:sha-256` has it: upper-case hex with colons."""
        return fingerprint(self.certificate, "sha-256")

    def context(self) -> SSL.Context:
        """One context serves every peer."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_max_proto_version(_DTLS_1_2)  # its records can be cut into datagrams by their headers
        context.set_options(SSL.OP_NO_TICKET)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_args: True)  # the SDP says who
        context.use_certificate(self.certificate)
        context.use_privatekey(self.key)
        context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA")
        context.set_tlsext_use_srtp(b":".join(profile[0] for profile in PROFILES))
        return context


def fingerprint(certificate: x509.Certificate, algorithm: str) -> str:
    """A certificate's digest (RFC 8122, section 5)."""
    return certificate.fingerprint(DIGESTS[algorithm]).hex(":").upper()


class DtlsSrtp:
    """One peer's keys.

    Args:
        context: of our `Identity`.
        fingerprints: (algorithm, digest) pairs that the peer's SDP names; its certificate must match all that we know.
        active: we are the client, and begin with `start`.
    """

    def __init__(self, context: SSL.Context, fingerprints: Sequence[tuple[str, str]], *, active: bool = False) -> None:
        self._active = active
        self._ssl = SSL.Connection(context)
        if active:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()
        self._ssl.set_ciphertext_mtu(MTU_BYTES)
        self._fingerprints = [(name.lower(), digest.upper()) for name, digest in fingerprints]
        self._inbound: Session | None = None
        self._outbound: Session | None = None
        self.failed = ""
        """Why the handshake will never succeed; empty while it may."""
        self.closed = False
        """Whether the peer has said goodbye."""

    @property
    def ready(self) -> bool:
        """Whether media can flow."""
        return self._inbound is not None

    def start(self) -> list[bytes]:
        """The first flight, where it is ours to begin; once the peer can hear us."""
        self._shake_hands()
        return self._output()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take in a DTLS datagram; returns the answers."""
        if self.failed or self.closed:
            return []
        self._ssl.bio_write(datagram)
        if not self.ready:
            self._shake_hands()
        else:
            try:
                self._ssl.recv(MTU_BYTES)  # nothing but alerts is expected
            except SSL.ZeroReturnError:
                self.closed = True
            except SSL.Error:
                pass
        return self._output()

    def timeout_s(self) -> float | None:
        """When to call `on_timeout`, from now; None while nothing waits for an answer."""
        return None if self.ready or self.failed else self._ssl.DTLSv1_get_timeout()

    def on_timeout(self) -> list[bytes]:
        """Say the last flight again."""
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self.failed = f"the DTLS handshake failed: {error!r}"
        return self._output()

    def close(self) -> list[bytes]:
        """Say goodbye."""
        if not self.ready or self.closed:
            return []
        self.closed = True
        try:
            self._ssl.shutdown()
        except SSL.Error:
            return []
        return self._output()

    def unprotect_rtp(self, datagram: bytes) -> bytes | None:
        """The RTP packet in an SRTP one; None when it is not the peer's, or came before."""
        try:
            return self._inbound.unprotect(datagram) if self._inbound is not None else None
        except pylibsrtp.Error:
            return None

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        """The same for RTCP."""
        try:
            return self._inbound.unprotect_rtcp(datagram) if self._inbound is not None else None
        except pylibsrtp.Error:
            return None

    def protect_rtp(self, packet: bytes) -> bytes:
        """Before `ready` it is a fault of ours."""
        assert self._outbound is not None
        protected: bytes = self._outbound.protect(packet)
        return protected

    def protect_rtcp(self, packet: bytes) -> bytes:
        assert self._outbound is not None
        protected: bytes = self._outbound.protect_rtcp(packet)
        return protected

    def _shake_hands(self) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self.failed = f"the DTLS handshake failed: {error!r}"
            return
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        known = [(name, digest) for name, digest in self._fingerprints if name in DIGESTS]
        if (
            certificate is None
            or not known
            or not all(_same(fingerprint(certificate, name), digest) for name, digest in known)
        ):
            self.failed = "the certificate is not the one that the SDP names"
            return
        self._take_keys()

    def _take_keys(self) -> None:
        chosen = self._ssl.get_selected_srtp_profile()
        for name, profile, key, salt in PROFILES:
            if name == chosen:
                secret = self._ssl.export_keying_material(_LABEL, 2 * (key + salt))
                client = secret[:key] + secret[2 * key : 2 * key + salt]
                server = secret[key : 2 * key] + secret[2 * key + salt :]
                theirs, ours = (server, client) if self._active else (client, server)
                self._inbound = Session(_policy(profile, theirs, Policy.SSRC_ANY_INBOUND))
                self._outbound = Session(_policy(profile, ours, Policy.SSRC_ANY_OUTBOUND))
                return
        self.failed = "no SRTP profile in common"

    def _output(self) -> list[bytes]:
        """What OpenSSL has to say, whole records in datagrams of at most `MTU_BYTES` where they fit."""
        try:
            data = self._ssl.bio_read(1 << 16)
        except SSL.Error:
            return []
        datagrams: list[bytes] = []
        at, start = 0, 0
        while at + _RECORD_HEADER_BYTES <= len(data):
            end = at + _RECORD_HEADER_BYTES + int.from_bytes(data[at + 11 : at + 13], "big")
            if end - start > MTU_BYTES and at > start:
                datagrams.append(data[start:at])
                start = at
            at = end
        return [*datagrams, data[start:]]


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())


def _policy(profile: int, key: bytes, kind: int) -> Policy:
    policy = Policy(key=key, ssrc_type=kind, srtp_profile=profile)
    policy.allow_repeat_tx = True  # what was lost is sent again under its own number
    policy.window_size = _REPLAY_WINDOW
    return policy
