"""The mark that a recording has ended: an object, because players' servers read the object store and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass

from skyriver.kernel.errors import InvalidInput
from skyriver.platform.objects import ObjectNotFound, ObjectStore
from skyriver.services.live.recorder.layout import end_key


@dataclass(frozen=True)
class Ending:
    """Nothing will be added. Of a clip: the in-point and the out-point, media time."""

    from_us: int | None = None
    to_us: int | None = None


async def write_ending(store: ObjectStore, recording_id: str, ending: Ending) -> None:
    """Mark a recording as ended. Repeating it changes nothing."""
    await store.put(end_key(recording_id), json.dumps({"version": 1, **vars(ending)}).encode())


async def read_ending(store: ObjectStore, recording_id: str) -> Ending | None:
    """The mark; None while the recording runs.

    Raises:
        InvalidInput: it is none of ours.
    """
    try:
        document = json.loads(await store.get(end_key(recording_id)))
        return Ending(document["from_us"], document["to_us"])
    except ObjectNotFound:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"The end mark of the recording {recording_id} cannot be read: {error!r}.") from error
