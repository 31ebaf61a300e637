"""What can be wrong with what a WebRTC peer sends."""

from __future__ import annotations

from skyriver.kernel.errors import InvalidInput


class BadOffer(InvalidInput):
    """An SDP offer that is damaged, or asks for what we do not do. The message is for whoever set up the client."""

    code = "bad_offer"


class BadPacket(InvalidInput):
    """Bytes that are no packet of the protocol that they claim to be."""

    code = "bad_packet"
