"""Alarms: what somebody has to look at, from when until when, and who has taken it on."""
