"""A bit reader for parameter sets: a few dozen bytes, every read bounded by their end."""

from __future__ import annotations

from skyriver.services.live.stations.errors import DamagedMedia


class BitReader:
    """Most significant bit first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def bits(self, count: int) -> int:
        """An unsigned number of `count` bits. Raises DamagedMedia beyond the end."""
        if count > self._left:
            raise DamagedMedia("A parameter set ends in the middle of a field.")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """One bit."""
        return self.bits(1) == 1

    def unsigned(self) -> int:
        """ue(v), ITU-T H.264 9.1; at most 32 leading zeros, as no field of a parameter set has more."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise DamagedMedia("A parameter set has a number of more than 32 bits.")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        """se(v), ITU-T H.264 9.1.1."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)
