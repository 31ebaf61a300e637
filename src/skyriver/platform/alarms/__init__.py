"""Alarms: what somebody has to look at, from when until when, and who has taken it on."""

from skyriver.platform.alarms.alarms import acknowledge, clear_alarm, raise_alarm
from skyriver.platform.alarms.desk import AlarmDesk, AlarmSource
from skyriver.platform.alarms.model import Condition, Hysteresis, Severity, Subject

__all__ = [
    "AlarmDesk",
    "AlarmSource",
    "Condition",
    "Hysteresis",
    "Severity",
    "Subject",
    "acknowledge",
    "clear_alarm",
    "raise_alarm",
]
