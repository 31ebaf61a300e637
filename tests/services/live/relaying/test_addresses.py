"""Which URLs are possible, what of them may be seen, and where they may lead."""

from __future__ import annotations

import pytest

from skyriver.services.live.relaying.addresses import (
    SrtAddress,
    addresses_of,
    read_destination,
    read_rtmp,
    read_source,
    read_srt,
    secrets_of,
    shown_destination,
    shown_url,
)
from skyriver.services.live.relaying.errors import BadRelayUrl, PrivateRelayAddress
from skyriver.services.live.stations.srt.library import Call


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://user:pa55@camera.test/stream1?profile=main",
        "rtmp://server.test/app/stream",
        "rtmps://server.test:1936/app/stream?auth=x",
        "http://server.test/live/index.m3u8",
        "https://[2001:db8::1]/film.mp4",
        "srt://server.test:8890?streamid=%23!::r=cam1,m=request&passphrase=a-long-secret&latency=400&mode=caller",
    ],
)
def test_what_can_be_pulled(url: str) -> None:
    assert read_source(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "concat:http://a.test/1.ts|/etc/passwd",
        "crypto+http://a.test/x",
        "http:///nowhere",
        "http://a.test/#part",
        "http://a.test/a b",
        "http://a.test/\nHost: b",
        "http://a.test:99999/",
        "http://[::1/",
        "udp://239.0.0.1:1234",
        "srt://server.test",
        "srt://server.test:8890?mode=listener",
        "srt://server.test:8890?streamid=#!::r=x",
        "srt://server.test:8890?passphrase=short",
        "srt://server.test:8890?latency=120000",
        "srt://server.test:8890?pbkeylen=17",
        "srt://server.test:8890?rcvbuf=1",
        "srt://server.test:8890/path",
        "rtmp://server.test/onlyapp",
        "data:text/plain,hello",
        "http://a.test\\@b.test/",
        "",
    ],
)
def test_what_cannot(url: str) -> None:
    with pytest.raises(BadRelayUrl) as caught:
        read_source(url)
    assert "passwd" not in str(caught.value)


def test_an_srt_listener_in_its_parts() -> None:
    url = "srt://far.test:9000?streamid=%23!::r%3Dcam1%2Cm=publish&passphrase=a%20long%2Fsecret&latency=400&pbkeylen=32"
    to = read_srt(url)
    assert (to.where, to.how) == ("far.test:9000", Call("#!::r=cam1,m=publish", "a long/secret", 32, 400))
    assert shown_url(url) == "srt://far.test:9000?streamid=***&passphrase=***&latency=***&pbkeylen=***"
    assert "a long/secret" in secrets_of(url)
    assert "secret" not in repr(to)


def test_an_srt_stream_key_is_its_stream_id() -> None:
    to = read_destination("srt://far.test:9000", "key")
    assert isinstance(to, SrtAddress)
    assert to.how.stream_id == "key"
    with pytest.raises(BadRelayUrl, match="already"):
        read_destination("srt://far.test:9000?streamid=a", "key")


def test_a_destination_in_its_parts() -> None:
    whole = read_rtmp("rtmps://far.test/app?region=eu", "k-1?token=2")
    assert (whole.host, whole.port, whole.tls) == ("far.test", 443, True)
    assert whole.target.app == "app?region=eu"
    assert whole.target.tc_url == "rtmps://far.test/app?region=eu"
    assert whole.target.stream == "k-1?token=2"


def test_the_key_may_be_the_urls_last_part() -> None:
    held = read_rtmp("rtmp://far.test:1936/app/inst/k-1?token=2", "")
    assert held.target.app == "app/inst"
    assert held.target.tc_url == "rtmp://far.test:1936/app/inst"
    assert held.target.stream == "k-1?token=2"
    assert shown_destination("rtmp://far.test:1936/app/inst/k-1?token=2", "") == "rtmp://far.test:1936/app/inst/***"


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("rtmp://far.test", "k"),
        ("rtmp://u:p@far.test/app", "k"),
        ("ftp://far.test/app", "k"),
        ("rtmp://far.test/app", "two words"),
        ("rtmp://far.test/app", ""),
    ],
)
def test_what_cannot_be_pushed_to(url: str, key: str) -> None:
    with pytest.raises(BadRelayUrl):
        read_destination(url, key)


def test_secrets_are_not_shown() -> None:
    url = "rtsp://user:pa55@camera.test/stream?token=abcdef&x=long-one"
    assert shown_url(url) == "rtsp://***@camera.test/stream?token=***&x=***"
    assert shown_url("srt://a.test:1?passphrase=half;other-half") == "srt://a.test:1?passphrase=***"
    assert shown_url("http://a.test/x?bare-token&y=1") == "http://a.test/x?***&y=***"
    assert {"pa55", "user", "abcdef", "long-one", url} <= set(secrets_of(url))
    assert "camera.test" not in secrets_of(url)


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["10.1.2.3"], ["192.168.1.9"], ["169.254.169.254"], ["::1"], ["fd00::1"], ["::ffff:127.0.0.1"],
     ["100.64.0.1"], ["0.0.0.0"], ["224.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["64:ff9b::a00:1"], ["2002:7f00:1::"]],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_refused_unless_the_operator_allows(found: list[str]) -> None:
    async def find(host: str, port: int) -> list[str]:
        return found

    with pytest.raises(PrivateRelayAddress, match="private network"):
        await addresses_of("inside.test", 80, allow_private=False, find=find)
    assert await addresses_of("inside.test", 80, allow_private=True, find=find) == found


async def test_a_public_address_is_taken() -> None:
    async def find(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "2606:2800:21f::1"]

    assert len(await addresses_of("outside.test", 80, allow_private=False, find=find)) == 2
