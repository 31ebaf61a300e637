"""Which of a channel's inputs is shown: pure decisions and the memory they need. No I/O, no clock of its own.

selector   who is shown now, from arrivals and the passing of time
memory     what a standby input has sent last, so that a switch begins at once
splicing   one output clock out of inputs with clocks of their own
"""

from __future__ import annotations

from skyriver.services.live.switching.memory import InputMemory
from skyriver.services.live.switching.selector import Feed, InputSelector, Policy, Reason, Switch
from skyriver.services.live.switching.splicing import Age, offset_us

__all__ = ["Age", "Feed", "InputMemory", "InputSelector", "Policy", "Reason", "Switch", "offset_us"]
