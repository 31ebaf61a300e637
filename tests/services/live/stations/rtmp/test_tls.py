"""RTMPS: the same door within TLS, with a certificate that follows its files."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from datetime import timedelta
from pathlib import Path

from skyriver.fabric import certificates
from skyriver.kernel.clock import utc_now
from skyriver.services.live.stations.reception import Reception
from skyriver.services.live.stations.rtmp import RtmpServer, TlsPort
from tests.services.live.stations.rtmp.doors import Recorder, keys
from tests.services.live.stations.rtmp.wire import whole_stream


async def seen_certificate(port: int) -> str:
    """The PEM certificate that a new connection is shown."""
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))


async def test_a_replaced_certificate_is_taken_over(tmp_path: Path) -> None:
    first, second = (certificates.issue(tmp_path / name, ("localhost",)) for name in ("first", "second"))
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    shutil.copy(first.chain_path, chain)
    shutil.copy(first.key_path, key)
    tls = TlsPort(tmp_path / "made", ("localhost",), (chain, key))
    assert tls.trusted
    recorder = Recorder()
    server = RtmpServer(Reception(keys(), recorder), port=0, tls=tls.context)
    await server.open()
    running = asyncio.create_task(server.run())
    assert await seen_certificate(server.port) == first.chain_path.read_text()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=ssl._create_unverified_context())

    shutil.copy(second.chain_path, chain)
    tls.refresh()  # the key is not the chain's yet: half a replacement is none
    assert await seen_certificate(server.port) == first.chain_path.read_text()
    shutil.copy(second.key_path, key)
    tls.refresh()
    assert await seen_certificate(server.port) == second.chain_path.read_text()

    writer.write(whole_stream("good"))  # on the connection from before
    publishing, events = await recorder.done.get()
    assert publishing.ended is not None and len(events) == 15
    writer.close()
    running.cancel()
    await asyncio.wait((running,))


def test_a_self_made_certificate_is_replaced_when_it_is_due(tmp_path: Path) -> None:
    old = certificates.issue(tmp_path, ("localhost",), now=utc_now() - certificates.LIFETIME + timedelta(hours=2))
    made = TlsPort(tmp_path, ("localhost",), None)
    assert not made.trusted
    assert {path.name for path in tmp_path.glob("*.crt")} > {old.chain_path.name}, "the old one is nearly over"
    before = made.context
    made.refresh()
    assert made.context is before
    assert len(list(tmp_path.glob("*.crt"))) == 2, "the new one is not due"
