from __future__ import annotations

from skyriver.services.live.stations import KeyRing, Publication, Refusal, key_sha256


def test_key_ring() -> None:
    keys = KeyRing()
    assert isinstance(keys("anything"), Refusal), "an empty ring lets nobody in"
    one, two = Publication("ch_1"), Publication("ch_2", takeover=True)
    keys.replace([(one, [key_sha256("a"), key_sha256("b")]), (two, [key_sha256("c")])])
    assert keys("a") == keys("b") == one
    assert keys("c") == two
    refused = keys("d")
    assert isinstance(refused, Refusal)
    assert refused.code == "NetStream.Publish.BadName"
    assert refused.description != "d"
    keys.replace([(one, [key_sha256("a")])])
    assert keys.by_sha256(key_sha256("b")) is None, "revoked"
    assert keys.by_sha256(key_sha256("a")) == one
    assert keys.by_sha256("not a hash") is None
