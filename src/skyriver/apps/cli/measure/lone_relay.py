"""One relay in a process of its own, without a cloud: what the fan-out benchmark loads.

`python -m skyriver.apps.cli.measure.lone_relay` takes one command, `spec` {jwks, folder, limits?}, says `ready`
{url, certificate_sha256}, and ends with its stdin.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from skyriver.fabric.admission import Limits
from skyriver.fabric.grants import Verifier
from skyriver.fabric.moq import Endpoint, silence_native_logs
from skyriver.fabric.relay import Relay, RelayConfig
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.logs import set_up_logs


async def serve() -> None:
    """Run the relay until stdin ends."""
    channel = await ChildChannel.open_stdio()
    silence_native_logs()
    commands = channel.commands()
    spec = (await anext(commands))["spec"]
    config = RelayConfig(
        host="127.0.0.1",
        ports=(0,),
        certificate_folder=Path(spec["folder"]),
        limits=Limits(**spec["limits"]),
    )

    def ready(endpoints: tuple[Endpoint, ...]) -> None:
        newest = endpoints[0]
        channel.emit("ready", url=newest.url, certificate_sha256=list(newest.certificate_sha256))

    relay = Relay(config, Verifier(spec["jwks"]), on_listening=ready)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(relay.run())
        async for command in commands:
            if command["cmd"] == "refused":
                channel.emit("refused", refused=relay.admission.refused, sessions=len(relay.sessions))
        serving.cancel()


if __name__ == "__main__":
    set_up_logs("lone-relay", "warning")
    asyncio.run(serve())
