"""This machine's clock against the cloud's: grants expire by it, and latencies are read off it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from skyriver.apps.cli.checks import Finding, fail, ok, warn
from skyriver.client import Cloud
from skyriver.client.transport import trust

NOTICED_S = 2.0  # HTTP dates have whole seconds: less cannot be seen
ANSWER_TIMEOUT_S = 5.0
HARMFUL_S = 5.0  # the leeway a relay gives to a grant's times


async def against(cloud: Cloud) -> Finding:
    """How far the two clocks are apart, from the `Date` of one answer (RFC 9110 6.6.1)."""
    check = "clock"
    try:
        async with httpx.AsyncClient(base_url=cloud.url, verify=trust(cloud), timeout=ANSWER_TIMEOUT_S) as http:
            asked_s = time.time()
            answer = await http.get("/healthz")
            answered_s = time.time()
    except httpx.HTTPError as error:
        return warn(check, f"the cloud did not answer: {type(error).__name__}", "Compare once it is up.")
    try:
        theirs_s = parsedate_to_datetime(answer.headers["date"]).timestamp() + 0.5
    except (KeyError, ValueError):
        return warn(check, "the cloud does not tell its time", "Is there a proxy that removes the Date header?")
    apart_s = (asked_s + answered_s) / 2 - theirs_s
    if abs(apart_s) > HARMFUL_S:
        return fail(check, f"{apart_s:+.0f} s from the cloud's", "Set it: timedatectl set-ntp true.")
    if abs(apart_s) > NOTICED_S:
        return warn(check, f"{apart_s:+.0f} s from the cloud's", "Keep it by NTP: timedatectl set-ntp true.")
    return ok(check, "within a second or two of the cloud's")
