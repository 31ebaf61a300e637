"""`python -m skyriver.apps.agent --url URL --data DIR`: the agent of one node.

Says `{"event": "ready", "node_id": ...}` on stdout once it runs, or `{"event": "fatal", ...}` and exits with 1.
The join token comes from SKYRIVER_JOIN_TOKEN, where `ps` does not show it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from skyriver.apps.agent.agent import parse_ports, run, say_on_stdout
from skyriver.apps.agent.settings import AgentSettings
from skyriver.kernel.errors import SkyriverError
from skyriver.kernel.logs import set_up_logs


def read_settings(arguments: list[str]) -> tuple[AgentSettings, str]:
    """Settings and log level from the command line."""
    parser = argparse.ArgumentParser(prog="python -m skyriver.apps.agent", description="The agent of a node.")
    parser.add_argument("--url", required=True, help="Address of the cloud's API.")
    parser.add_argument("--data", required=True, type=Path, help="Folder for the node's key, plan and files.")
    parser.add_argument("--site", help="Slug of the site the join token is expected to belong to.")
    parser.add_argument("--name", help="Name of the node within its site [default: the host's].")
    parser.add_argument("--address", default="127.0.0.1", help="Where viewers and other nodes reach this machine.")
    parser.add_argument("--ports", help="UDP ports for relays, e.g. 4443-4462 [default: any].")
    parser.add_argument("--metrics-host", default="127.0.0.1", help="Address of the Prometheus endpoint.")
    parser.add_argument("--metrics-port", type=int, help="Its port; 0 picks a free one [default: none is served].")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    given = parser.parse_args(arguments)
    first, last = parse_ports(given.ports) if given.ports else (0, 0)
    settings = AgentSettings(
        url=given.url,
        data=given.data,
        token=os.environ.get("SKYRIVER_JOIN_TOKEN"),
        site=given.site,
        name=given.name,
        address=given.address,
        first_port=first,
        last_port=last,
        metrics_host=given.metrics_host,
        metrics_port=given.metrics_port,
    )
    return settings, given.log_level


def main() -> int:
    try:
        settings, level = read_settings(sys.argv[1:])
        set_up_logs(f"agent/{settings.name or 'node'}", level)
        os.umask(0o077)
        run(settings, say_on_stdout)
    except SkyriverError as error:
        say_on_stdout("fatal", message=error.message, hint=error.hint, code=error.code)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
