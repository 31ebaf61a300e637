"""Every kind of workload can be started, and every kind a service brings is known."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from skyriver.apps.api.composition import SERVICES
from skyriver.apps.workload.registry import KINDS, workload_main
from skyriver.kernel.errors import InvalidInput
from skyriver.platform.workloads.relays import RELAY

API_ONLY = {"fastapi", "sqlalchemy", "starlette"}
OF_THE_PLATFORM = {RELAY, "probe"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_main_function_of_a_kind_takes_a_channel_and_the_first_command(kind: str) -> None:
    main = workload_main(kind)
    assert inspect.iscoroutinefunction(main)
    assert len(inspect.signature(main).parameters) == 2


def test_no_workload_pays_for_what_only_the_api_needs() -> None:
    """Each runs many times on a node; SQL and the API's framework would double what a relay takes."""
    modules = sorted({target.partition(":")[0] for target in KINDS.values()})
    code = f"import sys; [__import__(name) for name in {modules}]; print(*{API_ONLY!r} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""


def test_services_and_registry_name_the_same_kinds() -> None:
    assert {kind for service in SERVICES for kind in service.workload_kinds} | OF_THE_PLATFORM == set(KINDS)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"live\.nothing"):
        workload_main("live.nothing")
