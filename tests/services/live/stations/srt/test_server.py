"""A real port, callers through libsrt, and the ffmpeg command where it knows SRT."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.stations import (
    AudioConfig,
    EndReason,
    KeyRing,
    Publication,
    Refusal,
    VideoConfig,
    VideoFrame,
    key_sha256,
)
from skyriver.services.live.stations.reception import Reception, Serve
from skyriver.services.live.stations.rtmp import RtmpServer
from skyriver.services.live.stations.srt import Limits, SrtFailed, SrtMissing, SrtServer, load
from skyriver.services.live.stations.srt import library as srt_library
from tests.services.live.stations.mpegts.muxed import FPS, SECONDS, transport_stream
from tests.services.live.stations.rtmp.doors import Recorder, ffmpeg_push
from tests.services.live.stations.srt.caller import Caller, Rejected


def missing() -> bool:
    try:
        load()
    except SrtMissing:
        return True
    return False


def ffmpeg_knows_srt() -> bool:
    if shutil.which("ffmpeg") is None:
        return False
    told = subprocess.run(["ffmpeg", "-hide_banner", "-protocols"], capture_output=True, text=True, check=False)
    return " srt\n" in told.stdout


pytestmark = pytest.mark.skipif(missing(), reason="libsrt is not installed")
SEED = int(os.environ.get("SKYRIVER_FUZZ_SEED", "20240607"))
SECRET = "correct-horse-battery"


@asynccontextmanager
async def door(
    serve: Serve, *, limits: Limits | None = None, turned_away: list[Refusal] | None = None, takeover: bool = False
) -> AsyncIterator[SrtServer]:
    """`good` opens ch_1 without encryption, `sealed` opens ch_2 with it, `spare` is a second key of ch_1."""
    keys = KeyRing()
    one, two = Publication("ch_1", takeover=takeover), Publication("ch_2")
    keys.replace(
        [(one, [key_sha256("good"), key_sha256("spare")]), (two, [key_sha256("sealed")])],
        {key_sha256("sealed"): SECRET},
    )
    told = turned_away if turned_away is not None else []
    reception = Reception(keys, serve, turned_away=lambda publication, refusal: told.append(refusal))
    server = SrtServer(reception, keys, port=0, limits=limits)
    await server.open()
    running = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await reception.stop()


@pytest.mark.parametrize(
    "stream_id",
    ["good", "live/good", "#!::r=good,m=publish", "#!::r=live/good", "#!::u=good,m=publish", "%23!::r=good"],
)
async def test_a_stream_id_carries_the_key(stream_id: str) -> None:
    recorder = Recorder()
    async with door(recorder) as server:
        async with Caller(server.port, stream_id) as caller:
            assert await caller.send(transport_stream())
            publishing = await recorder.first_event.get()
        _, events = await recorder.done.get()
    assert publishing.publication.channel_id == "ch_1"
    assert publishing.ended is not None
    assert publishing.ended.reason is EndReason.DISCONNECTED
    kinds = {type(event) for event in events}
    assert {VideoConfig, AudioConfig, VideoFrame} <= kinds


@pytest.mark.parametrize(
    ("stream_id", "passphrase", "code"),
    [
        ("wrong", "", srt_library.UNAUTHORIZED),
        ("", "", srt_library.BAD_REQUEST),
        ("x" * 400, "", srt_library.BAD_REQUEST),
        ("#!::r=good,m=request", "", srt_library.BAD_MODE),
        ("sealed", "", 11),  # SRT_REJ_UNSECURE
        ("sealed", "another passphrase", 10),  # SRT_REJ_BADSECRET
        ("good", SECRET, 11),
    ],
)
async def test_who_is_not_let_in_learns_why_by_a_code(stream_id: str, passphrase: str, code: int) -> None:
    recorder = Recorder()
    async with door(recorder) as server:
        with pytest.raises(Rejected) as rejected:
            async with Caller(server.port, stream_id, passphrase):
                pass
    assert rejected.value.code == code
    assert not recorder.publications


async def test_a_key_with_a_passphrase_takes_encrypted_connections() -> None:
    recorder = Recorder()
    async with door(recorder) as server, Caller(server.port, "sealed", SECRET) as caller:
        await caller.send(transport_stream())
        publishing = await recorder.first_event.get()
        assert publishing.publication.channel_id == "ch_2"


async def test_a_second_publisher_is_turned_away_and_the_channel_told() -> None:
    recorder, told = Recorder(), list[Refusal]()
    async with door(recorder, turned_away=told) as server, Caller(server.port, "good") as first:
        await recorder.begun.get()
        with pytest.raises(Rejected) as rejected:
            async with Caller(server.port, "spare"):
                pass
        assert await first.send(transport_stream())
        await recorder.first_event.get()
    assert rejected.value.code == srt_library.CONFLICT
    assert "Another encoder" in told[0].description


async def test_srt_and_rtmp_are_one_contest() -> None:
    recorder = Recorder()
    async with door(recorder, takeover=True) as server:
        rtmp = RtmpServer(server.reception, port=0)
        await rtmp.open()
        running = asyncio.create_task(rtmp.run())
        async with Caller(server.port, "good") as caller:
            await caller.send(transport_stream())
            await recorder.first_event.get()
            if shutil.which("ffmpeg"):
                status, words = await ffmpeg_push(f"rtmp://127.0.0.1:{rtmp.port}/live/spare", seconds=1)
                assert status == 0, words
                publishing, _ = await recorder.done.get()
                assert publishing.ended is not None
                assert publishing.ended.reason is EndReason.REPLACED
        running.cancel()
        await asyncio.wait((running,))


async def test_what_the_link_does_is_measured() -> None:
    recorder = Recorder()
    async with door(recorder, limits=Limits(latency_ms=200)) as server, Caller(server.port, "good") as caller:
        await caller.send(transport_stream())
        publishing = await recorder.first_event.get()
        link = publishing.link()
    assert link["latency_ms"] == 200
    assert 0 <= link["rtt_ms"] < 100, "libsrt begins with a guess of 100 ms"
    assert (link["loss_percent"], link["dropped_packets"], link["continuity_errors"]) == (0, 0, 0)


async def test_no_stream_at_all_and_bad_streams_end_with_a_reason() -> None:
    recorder = Recorder()
    async with door(recorder, limits=Limits(media_within_s=0.0)) as server, Caller(server.port, "good"):
        publishing, _ = await recorder.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.REFUSED
        assert "MPEG transport stream" in publishing.ended.message
    async with door(recorder) as server, Caller(server.port, "good") as caller:
        await caller.send(transport_stream(audio="ac3"))
        publishing, _ = await recorder.done.get()
        assert publishing.ended is not None
        assert "audio is AC-3" in publishing.ended.message


async def test_a_revoked_key_cuts_its_publisher() -> None:
    recorder = Recorder()
    async with door(recorder) as server, Caller(server.port, "good") as caller:
        await caller.send(transport_stream())
        await recorder.first_event.get()
        server.reception.recheck(lambda publishing: Refusal("gone"))
        publishing, _ = await recorder.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.REVOKED
        assert server.connections == 0


async def test_a_reader_that_does_not_read_is_bounded() -> None:
    release = asyncio.Event()
    held: list[int] = []

    async def slow(publishing: object) -> None:
        await release.wait()

    async with door(slow) as server, Caller(server.port, "good") as caller:
        for _ in range(10):
            await caller.send(transport_stream())
        held.append(server.held_bytes)
        release.set()
    assert held[0] <= Limits().queue.size_bytes + Limits().max_unread_bytes


async def test_garbage_datagrams_and_garbage_streams_harm_nobody() -> None:
    print(f"seed {SEED} (SKYRIVER_FUZZ_SEED)")
    rng, recorder = random.Random(SEED), Recorder()
    async with door(recorder) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hostile:
            for _ in range(3000):
                head = rng.choice((b"", b"\x80\0\0\0", b"\x80\0" + rng.randbytes(2), b"\x80\1\0\0"))
                hostile.sendto(head + rng.randbytes(rng.randrange(1200)), ("127.0.0.1", server.port))
        for _ in range(5):
            data = bytearray(transport_stream())
            for _ in range(rng.randrange(2000)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            async with Caller(server.port, "good") as caller:
                await caller.send(bytes(data) + rng.randbytes(5000))
                await recorder.begun.get()
            await recorder.done.get()
        assert server.connections == 0
        async with Caller(server.port, "good") as caller:
            await caller.send(transport_stream())
            publishing = await recorder.first_event.get()
        assert publishing.peer.startswith("127.0.0.1:")


async def test_a_taken_port_is_named() -> None:
    async with door(Recorder()) as server:
        second = SrtServer(server.reception, KeyRing(), port=server.port)
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with taken:
            taken.bind(("127.0.0.1", 0))
            other = SrtServer(server.reception, KeyRing(), port=taken.getsockname()[1])
            with pytest.raises(SrtFailed, match="SRT publishers") as by_another_program:
                await other.open()
        with pytest.raises(SrtFailed) as by_ourselves:
            await second.open()
    assert by_another_program.value.code == by_ourselves.value.code == "port_taken"


def test_a_machine_without_libsrt_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srt_library, "_NAMES", ("libsrt-that-nobody-has.so",))
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(SkyriverError) as told:
        load.__wrapped__()
    assert told.value.code == "srt_missing"
    assert "apt install libsrt1.5-gnutls" in told.value.hint


@pytest.mark.ffmpeg
@pytest.mark.skipif(not ffmpeg_knows_srt(), reason="no ffmpeg command with SRT")
async def test_the_ffmpeg_command() -> None:
    recorder = Recorder()
    async with door(recorder) as server:
        codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac")
        url = f"srt://127.0.0.1:{server.port}?streamid=sealed&passphrase={SECRET}"
        status, words = await ffmpeg_push(url, *codecs, seconds=SECONDS, real_time=True, form="mpegts")
        assert status == 0, words
        _, events = await recorder.done.get()
    frames = [event for event in events if isinstance(event, VideoFrame)]
    assert len(frames) > FPS * (SECONDS - 1), "what is still on its way when ffmpeg leaves is lost: no more than that"
