"""The certificate of the RTMPS port: the operator's own, or a self-made one; followed while the port is open.

A context's certificate may be replaced at any time: connections that are there keep theirs, new ones get the new one.
Encoders that check certificates (OBS) take the operator's own only; ffmpeg and GStreamer do not check unless told to.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from skyriver.fabric import certificates
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import SkyriverError

CHECK_EVERY_S = 60.0

log = logging.getLogger(__name__)


class TlsPort:
    """A server context whose certificate is kept fresh.

    Args:
        folder: where self-made certificates are kept.
        hosts: names and addresses that a self-made one is for.
        operator_files: (chain, key) of the operator's own, PEM; None where there are none.
    """

    def __init__(self, folder: Path, hosts: tuple[str, ...], operator_files: tuple[Path, Path] | None) -> None:
        self._folder = folder
        self._hosts = hosts
        self._operator_files = operator_files
        self._certificate = self._find()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(self._certificate.chain_path, self._certificate.key_path)

    @property
    def trusted(self) -> bool:
        """Whether the certificate is the operator's own, which encoders can check."""
        return self._certificate.operator_owned

    async def run(self) -> None:
        """Follow the certificate until cancelled."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            self.refresh()

    def refresh(self) -> None:
        """Take over a certificate that has been replaced, and replace our own when it is due."""
        current = self._certificate
        if not (current.operator_owned or current.due(utc_now())):
            return
        try:
            found = self._find()
            if found.sha256 == current.sha256:
                return
            self.context.load_cert_chain(found.chain_path, found.key_path)
        except (
            SkyriverError,
            ssl.SSLError,
            OSError,
        ) as error:  # being replaced just now, or badly: the old one goes on
            log.warning("The certificate of the RTMPS port was not replaced: %s", error)
            return
        self._certificate = found
        log.info("a new certificate is in use for RTMPS", extra={"expires_at": found.expires_at.isoformat()})

    def _find(self) -> certificates.Certificate:
        if self._operator_files is not None:
            return certificates.load(*self._operator_files, operator_owned=True)
        return certificates.load_or_issue(self._folder, self._hosts)
