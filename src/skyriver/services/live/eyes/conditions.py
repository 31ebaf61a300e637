"""What is wrong with a channel now, in pure code: what is seen of it, and what its detectors report -> conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from skyriver.platform.alarms import Condition, Severity, Subject
from skyriver.services.live.media.detectors import DetectorSettings
from skyriver.services.live.model import ChannelState
from skyriver.services.live.seen import Seen

INPUT_LOST, NO_PICTURE = "input_lost", "no_picture"
INPUT_LOST_AFTER_S = 5.0  # encoders that lost their connection are back sooner than that
NO_PICTURE_AFTER_S = 10.0
CALM_S = 5.0


@dataclass(frozen=True)
class WatchedChannel:
    """A channel, and what counts as wrong on it."""

    id: str
    tenant_id: str
    name: str
    detectors: DetectorSettings


@dataclass(frozen=True)
class Kind:
    """How one state of the detectors becomes an alarm. `after`: the setting that says after how long."""

    alarm: str
    severity: Severity
    after: str | float
    message: str
    hint: str


DETECTED: dict[str, Kind] = {
    "black": Kind(
        "black", Severity.CRITICAL, "black_alarm_s", "The picture is black.", "Look at the camera, mixer or capture."
    ),
    "frozen": Kind(
        "frozen",
        Severity.CRITICAL,
        "frozen_alarm_s",
        "The picture stands still.",
        "Look at the source: a still slide is one, too. Set the time longer where stills belong to the show.",
    ),
    "silent": Kind(
        "silence", Severity.CRITICAL, "silence_alarm_s", "There is no sound.", "Look at microphones, faders and mutes."
    ),
    "too_loud": Kind(
        "too_loud", Severity.WARNING, "loudness_alarm_s", "The sound is too loud.", "EBU R 128 asks for -23 LUFS."
    ),
    "too_quiet": Kind(
        "too_quiet", Severity.WARNING, "loudness_alarm_s", "The sound is too quiet.", "EBU R 128 asks for -23 LUFS."
    ),
    "bitrate_low": Kind(
        "bitrate_low",
        Severity.WARNING,
        "bitrate_alarm_s",
        "Far less arrives than usual.",
        "Look at the publisher's uplink and at its encoder's bitrate.",
    ),
    "fps_low": Kind(
        "fps_low",
        Severity.CRITICAL,
        "fps_alarm_s",
        "The frame rate has collapsed.",
        "Look at the publisher's CPU load and its uplink.",
    ),
    "no_keyframe": Kind(
        "no_keyframe",
        Severity.WARNING,
        2.0,
        "No keyframe comes: viewers who join wait for a picture.",
        "Set the encoder's keyframe interval to 2 s.",
    ),
}
_PICTURE = frozenset({"black", "frozen"})


def channel_conditions(channel: WatchedChannel, seen: Seen, report: Mapping[str, Any]) -> Iterator[Condition]:
    """Every condition of one channel that holds now.

    Args:
        report: the detectors' part of its transcoder's metrics.
    """
    if seen.state is ChannelState.OFFLINE:
        return
    subject = Subject("channel", channel.id, channel.name)
    if not seen.inputs:
        text = "Nobody publishes" + (": viewers see the slate." if seen.on_slate else ".")
        hint = "Look at the encoder and its connection. The channel goes offline when its hold is over."
        yield _condition(channel, INPUT_LOST, Severity.CRITICAL, subject, text, hint, INPUT_LOST_AFTER_S)
        return  # what the detectors see now is the slate, or the last picture
    if seen.state is ChannelState.STARTING:
        text = "A publisher sends, and no picture is delivered."
        hint = "Look at the channel's transcoder: its node may be full, or what is sent cannot be decoded."
        yield _condition(channel, NO_PICTURE, Severity.CRITICAL, subject, text, hint, NO_PICTURE_AFTER_S)
    for state, kind in DETECTED.items():
        if states_of(report).get(state) is True and not (seen.on_slate and state in _PICTURE):
            text = " ".join(filter(None, (kind.message, _figures(state, report))))
            after_s = getattr(channel.detectors, kind.after) if isinstance(kind.after, str) else kind.after
            yield _condition(channel, kind.alarm, kind.severity, subject, text, kind.hint, after_s)


def is_unknown(condition: Condition, seen: Seen, report: Mapping[str, Any]) -> bool:
    """Whether nothing can be said about a detector's condition: its transcoder is silent, e.g. being restarted."""
    if seen.state is ChannelState.OFFLINE:
        return False
    state = next((name for name, kind in DETECTED.items() if kind.alarm == condition.kind), None)
    return state is not None and state not in states_of(report) and bool(seen.inputs)


def states_of(report: Mapping[str, Any]) -> Mapping[str, Any]:
    states = report.get("states")
    return states if isinstance(states, Mapping) else {}


def _figures(state: str, report: Mapping[str, Any]) -> str:
    sound, arrivals = report.get("sound"), report.get("arrivals")
    if state in ("too_loud", "too_quiet") and isinstance(sound, Mapping):
        return f"{sound.get('short_term_lufs')} LUFS."
    if state == "bitrate_low" and isinstance(arrivals, Mapping):
        return f"{_kbps(arrivals.get('bitrate_bps'))} instead of {_kbps(arrivals.get('usual_bitrate_bps'))} kbit/s."
    if state == "fps_low" and isinstance(arrivals, Mapping):
        return f"{arrivals.get('fps')} instead of {arrivals.get('usual_fps')} pictures a second."
    return ""


def _kbps(value: Any) -> int:
    return round(value / 1000) if isinstance(value, int | float) else 0


def _condition(
    channel: WatchedChannel, kind: str, severity: Severity, subject: Subject, text: str, hint: str, after_s: float
) -> Condition:
    return Condition(
        channel.tenant_id,
        kind,
        severity,
        subject,
        f"{channel.name}: {text}",
        hint,
        raise_after_s=after_s,
        clear_after_s=CALM_S,
    )
