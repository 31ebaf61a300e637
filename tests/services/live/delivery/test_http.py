"""HTTP/1.1: what is served, what is refused, and that nothing breaks it."""

from __future__ import annotations

import random

import pytest

from skyriver.services.live.delivery.http import (
    MAX_FIELDS,
    BadRequest,
    Request,
    media_body,
    parse_head,
    playlist_body,
    respond,
)

HOST = b"\r\nHost: edge"


def test_a_request_is_its_path_query_and_conditions() -> None:
    head = b'GET /a/b.m4s?x=1&y HTTP/1.1\r\nHost: e\r\nRANGE: bytes=0-\r\nif-none-match: "1"\r\nConnection: Close'
    assert parse_head(head) == Request("GET", "/a/b.m4s", "x=1&y", False, "bytes=0-", '"1"')


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1" + HOST, True),
        (b"GET / HTTP/1.1" + HOST + b"\r\nConnection: keep-alive, close", False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive", True),
    ],
)
def test_a_connection_stays_open_as_its_version_says(head: bytes, keep_alive: bool) -> None:
    assert parse_head(head).keep_alive == keep_alive


def test_the_absolute_form_is_taken() -> None:
    assert parse_head(b"GET http://edge:80/a/b?c HTTP/1.1" + HOST).path == "/a/b"
    assert parse_head(b"GET http://edge HTTP/1.1" + HOST).path == "/"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1" + HOST, 400),
        (b"GET /\xc3\xa9 HTTP/1.1" + HOST, 400),
        (b"GET /\0 HTTP/1.1" + HOST, 400),
        (b"GET a HTTP/1.1" + HOST, 400),
        (b"POST / HTTP/1.1" + HOST, 405),
        (b"GET / HTTP/2.0" + HOST, 505),
        (b"GET / FTP/1.1" + HOST, 400),
        (b"GET / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 5", 400),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: chunked", 400),
        (b"GET / HTTP/1.1" + HOST + b"\r\nbad name: x", 400),
        (b"GET / HTTP/1.1" + HOST + b"\r\n folded", 400),
        (b"GET / HTTP/1.1" + HOST + b"\r\na: b\nc: d", 400),
        (b"GET / HTTP/1.1" + HOST + b"\r\na: b" * MAX_FIELDS, 431),
    ],
)
def test_what_is_not_served_is_refused_with_its_status(head: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_head(head)
    assert refused.value.status == status


CONTENT = bytes(range(256)) * 4
BODY = media_body([CONTENT[:100], CONTENT[100:700], CONTENT[700:]], "e", "video/mp4")


def ranged(field: str) -> tuple[int, bytes, str]:
    response = respond(Request("GET", "/", "", True, range=field), BODY)
    fields = response.head.decode().split("\r\n")
    content_range = next((line for line in fields if line.startswith("Content-Range")), "")
    return response.status, b"".join(response.chunks), content_range


@pytest.mark.parametrize(
    ("field", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=99-100", 99, 100),
        ("bytes=50-", 50, 1023),
        ("bytes=-24", 1000, 1023),
        ("bytes=1000-9999", 1000, 1023),
        ("bytes=-5000", 0, 1023),
        ("bytes=0-1023", 0, 1023),
    ],
)
def test_a_range_is_what_was_asked_for(field: str, first: int, last: int) -> None:
    status, content, content_range = ranged(field)
    assert (status, content) == (206, CONTENT[first : last + 1])
    assert content_range == f"Content-Range: bytes {first}-{last}/1024"


@pytest.mark.parametrize("field", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end_cannot_be_had(field: str) -> None:
    assert ranged(field) == (416, b"", "Content-Range: bytes */1024")


@pytest.mark.parametrize("field", ["bytes=", "bytes=-", "bytes=2-1", "bytes=0-1,5-6", "bits=0-1", "bytes=a-b", "x"])
def test_a_range_that_makes_no_sense_is_ignored(field: str) -> None:
    assert ranged(field)[:2] == (200, CONTENT)


@pytest.mark.parametrize(("field", "status"), [('"e"', 304), ('W/"e", "x"', 304), ("*", 304), ('"x"', 200)])
def test_what_a_player_has_is_not_sent_again(field: str, status: int) -> None:
    assert respond(Request("GET", "/", "", True, if_none_match=field), BODY).status == status


def test_media_may_be_cached_and_playlists_may_not() -> None:
    assert b"Cache-Control: public, max-age=60, immutable\r\n" in BODY.head
    assert b"Cache-Control: no-cache\r\n" in playlist_body(b"", "1", "x").head
    for body in (BODY, playlist_body(b"", "1", "x")):
        assert b"Access-Control-Allow-Origin: *\r\n" in body.head


def test_no_head_breaks_the_parser() -> None:
    chaos = random.Random(4)
    good = b"GET /hls/x/ch_1/180p/1.m4s?_HLS_msn=1 HTTP/1.1\r\nHost: edge\r\nRange: bytes=0-5\r\nAccept: */*"
    parsed = 0
    for _ in range(20_000):
        head = bytearray(good)
        for _ in range(chaos.randint(1, 4)):
            at = chaos.randrange(len(head))
            match chaos.randrange(3):
                case 0:
                    head[at] = chaos.randrange(256)
                case 1:
                    del head[at : at + chaos.randint(1, 8)]
                case _:
                    head[at:at] = chaos.choice([b"\r\n", b" ", b":", b"\0", b"\n", b"%", bytes([chaos.randrange(256)])])
        try:
            request = parse_head(bytes(head))
        except BadRequest:
            continue
        parsed += 1
        respond(request, BODY)
        assert "\n" not in request.path + request.query
    assert parsed > 1_000


def test_no_range_breaks_a_response() -> None:
    chaos = random.Random(5)
    for _ in range(5_000):
        field = "bytes=" + "".join(chaos.choice("0123456789-,. ") for _ in range(chaos.randint(0, 12)))
        status, content, _ = ranged(field)
        assert status in (200, 206, 416)
        assert status != 206 or content in CONTENT
