"""Everything that live channels bring to the platform, in one value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.platform.alarms import AlarmDesk
from skyriver.platform.manifest import Component, Service
from skyriver.platform.objects import open_store
from skyriver.platform.web import Runtime
from skyriver.platform.workloads import ObservedState, WorkloadIntent
from skyriver.services.live import api
from skyriver.services.live.api.media_files import UPLOAD_PATH
from skyriver.services.live.cloud import Cloud, cloud_of
from skyriver.services.live.demo import FeederKeys
from skyriver.services.live.eyes.beacons import BeaconAllowance
from skyriver.services.live.eyes.rollup import QoeRollup
from skyriver.services.live.eyes.telling import EVENTS
from skyriver.services.live.eyes.watching import ChannelEyes
from skyriver.services.live.intents import FEEDER, STATION, TRANSCODER, plan_live, read_plans
from skyriver.services.live.intents.delivery import DELIVERY
from skyriver.services.live.intents.recorder import RECORDER, read_recordings, recorder_intents
from skyriver.services.live.intents.relaying import PULL, PUSH, read_relays, relay_intents
from skyriver.services.live.intents.whep import WHEP
from skyriver.services.live.media_files.model import FILE_BYTES_MAX
from skyriver.services.live.media_files.uploads import Uploads
from skyriver.services.live.meters import METERS
from skyriver.services.live.observe import Live
from skyriver.services.live.recordings.keeper import Keeper
from skyriver.services.live.recordings.settings import objects_url
from skyriver.services.live.relaying.operations import RelaySeal
from skyriver.services.live.relaying.settings import private_allowed
from skyriver.services.live.settings import LiveSettings
from skyriver.services.live.srt_passphrases import PassphraseSeal
from skyriver.services.live.vod.source import VodSource

RELAY_SEAL_FILE = "relay-seal.key"


class LiveProcess:
    """The service within one API process: what `open` learns of the process, `intents` needs."""

    def __init__(self, find_cloud: Callable[[Runtime], Cloud]) -> None:
        self._find_cloud = find_cloud
        self._feeder_keys: FeederKeys | None = None
        self._settings = LiveSettings()
        self._store_url = ""
        self._relay_seal: RelaySeal | None = None
        self._private_allowed = False
        self._passphrases: PassphraseSeal | None = None

    @asynccontextmanager
    async def open(self, runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
        """Provide `Live` to the routes, and have it run."""
        self._settings = LiveSettings.from_environment()
        self._feeder_keys = FeederKeys(runtime.settings.data_dir)
        live = Live(runtime.store, runtime.hub, self._find_cloud(runtime), self._settings, runtime.now)
        live.cloud.add_total("channels_live", lambda _observed: live.channels_live())
        runtime.provide(live)
        self._relay_seal = await asyncio.to_thread(RelaySeal, runtime.settings.data_dir / "secrets" / RELAY_SEAL_FILE)
        self._private_allowed = private_allowed()
        runtime.provide(self._relay_seal)
        self._passphrases = await asyncio.to_thread(PassphraseSeal.open_in, runtime.settings.data_dir)
        runtime.provide(self._passphrases)
        qoe = QoeRollup(runtime.store, now=runtime.now)
        runtime.provide(qoe)
        runtime.provide(BeaconAllowance())
        self._store_url = objects_url(runtime.settings.data_dir)
        objects = open_store(self._store_url)
        keeper = Keeper(runtime.store, runtime.hub, live, objects, runtime.now)
        runtime.provide(keeper)
        runtime.provide(VodSource(objects))
        runtime.provide(Uploads(runtime.store, objects))
        yield (live, keeper, ChannelEyes(runtime.store, runtime.get(AlarmDesk), live, runtime.hub), qoe)

    async def intents(self, session: AsyncSession, observed: ObservedState) -> list[WorkloadIntent]:
        """What should run for live channels now."""
        feeder_key = self._feeder_keys.read if self._feeder_keys else lambda _channel_id: None
        passphrase = self._passphrases.read if self._passphrases else lambda _key: None
        plans = await read_plans(session, feeder_key, passphrase)
        now, doors = utc_now(), self._settings.doors
        limits = self._settings.address_limits
        intents = plan_live(plans, observed, now=now, doors=doors, store_url=self._store_url, address_limits=limits)
        if self._relay_seal is not None:
            pulls, pushes = await read_relays(session, self._relay_seal)
            intents += relay_intents(
                pulls,
                pushes,
                plans,
                observed,
                now=now,
                doors=doors,
                allow_private=self._private_allowed,
                store_url=self._store_url,
            )
        return intents + recorder_intents(await read_recordings(session), observed, store_url=self._store_url)


def live_service(find_cloud: Callable[[Runtime], Cloud] = cloud_of) -> Service:
    """The service for one API process. `find_cloud` finds the machines in what the platform's parts provide."""
    process = LiveProcess(find_cloud)
    return Service(
        name="live",
        routers=api.ROUTERS,
        workload_kinds=(STATION, TRANSCODER, RECORDER, DELIVERY, WHEP, FEEDER, PULL, PUSH),
        meters=METERS,
        intents=process.intents,
        open=process.open,
        console_pages=("channels",),
        webhook_events=EVENTS,
        uploads={UPLOAD_PATH: FILE_BYTES_MAX},
    )


SERVICE = live_service()
