"""Logs are JSON lines, and no credential reaches them by any way."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.kernel.logs import JsonFormatter, scrub, set_up_logs

GRANT = jwt.encode({"root": "live/ch_0gk3v9xw2m7q4t1z", "get": ["live"], "exp": 2_000_000_000}, "k" * 32)
STREAM_KEY = "sky_pub_" + "A1b2-_zZ" * 5 + "xyz"


def formatted(message: str, *arguments: object, **extra: object) -> str:
    """The line that this record becomes."""
    record = logging.getLogger("a.b").makeRecord(
        "a.b", logging.WARNING, __file__, 1, message, arguments, None, extra=extra or None
    )
    return JsonFormatter("relay/edge-a").format(record)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"GET https://127.0.0.1:4443/live/ch?jwt={GRANT} refused", GRANT),
        (f"grant {GRANT}", GRANT),
        (f'{{"grant":"{GRANT}"}}', GRANT),
        (f"rtmp://127.0.0.1:1935/live/{STREAM_KEY}", STREAM_KEY),
        ("https://x/y?token=hunter2&z=1", "hunter2"),
        ("https://x/y?z=1&Password=hunter2", "hunter2"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("connecting to postgresql://sky:hunter2@db:5432/sky failed", "hunter2"),
        ("nats://api:hunter2@10.0.0.1:4222 went away", "hunter2"),
        ("authorization: bearer sky_ses_0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_secrets_are_scrubbed(text: str, secret: str) -> None:
    assert secret not in scrub(text)


def test_the_rest_of_a_line_survives() -> None:
    assert scrub(f"https://a/b?jwt={GRANT}&z=1 took 3 ms") == "https://a/b?jwt=[scrubbed]&z=1 took 3 ms"
    assert scrub("channel ch_0gk3v9xw2m7q4t1z is live") == "channel ch_0gk3v9xw2m7q4t1z is live"


@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_a_grant_never_survives_whatever_surrounds_it(before: str, after: str) -> None:
    payload = GRANT.split(".")[1]
    assert payload not in scrub(f"{before} {GRANT} {after}")


def test_a_record_is_one_line_of_json_with_its_extra_fields() -> None:
    line = formatted("session %s\nclosed", "s1", viewers=3, url=f"https://e/?jwt={GRANT}")
    entry = json.loads(line)
    assert "\n" not in line
    assert entry["message"] == "session s1\nclosed"
    assert (entry["level"], entry["process"], entry["from"]) == ("warning", "relay/edge-a", "a.b")
    assert entry["viewers"] == 3
    assert GRANT not in line


def test_an_exceptions_text_is_scrubbed_too() -> None:
    try:
        raise ValueError(f"cannot open rtmp://host/live/{STREAM_KEY}")
    except ValueError:
        record = logging.getLogger("a").makeRecord("a", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    line = JsonFormatter("station").format(record)
    assert "ValueError" in line
    assert STREAM_KEY not in line


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards as pytest set it up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = handlers, level


def test_set_up_logs_sends_every_logger_to_stderr(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs("agent/n1", "warning")
    logging.getLogger("some.library").info("too quiet to see")
    logging.getLogger("some.library").warning("loud")
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    entry = json.loads(line)
    assert (entry["message"], entry["process"]) == ("loud", "agent/n1")
    assert entry["at"].endswith("Z")
