"""What the operator decides of URLs that tenants name."""

from __future__ import annotations

import os
from collections.abc import Mapping

from skyriver.kernel.errors import InvalidInput

ALLOW_PRIVATE_VARIABLE = "SKYRIVER_RELAYING_ALLOW_PRIVATE"
_MEANINGS = {"1": True, "0": False, "": False}


def private_allowed(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether channels may be pulled from and pushed to private addresses, as cameras in one's own network have.

    Raises:
        InvalidInput: the variable is neither 1 nor 0.
    """
    text = environment.get(ALLOW_PRIVATE_VARIABLE, "")
    if text not in _MEANINGS:
        raise InvalidInput(f"{ALLOW_PRIVATE_VARIABLE}={text!r} is neither 1 nor 0.")
    return _MEANINGS[text]
