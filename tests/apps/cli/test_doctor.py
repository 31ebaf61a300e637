"""What `doctor` finds, and what it says about it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyriver.apps.cli import exits
from skyriver.apps.cli.checks import Verdict, clock, machine, software
from skyriver.client import Cloud

from .conftest import Run


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holding:
        port: int = holding.getsockname()[1]
        yield port


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_a_taken_port_is_told_with_its_holder_and_the_flag(taken: int) -> None:
    finding = machine.port("console", "127.0.0.1", taken, "--port", ours=False)
    assert finding.verdict is Verdict.FAIL
    assert f"pid {os.getpid()}" in finding.found
    assert "--port" in finding.advice


def test_a_port_our_own_cloud_holds_is_fine(taken: int) -> None:
    assert machine.port("console", "127.0.0.1", taken, "--port", ours=True).verdict is Verdict.OK


def test_a_taken_udp_port_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holding:
        holding.bind(("127.0.0.1", 0))
        finding = machine.port("relay", "127.0.0.1", holding.getsockname()[1], "--udp-port", ours=False, udp=True)
    assert finding.verdict is Verdict.FAIL


def test_a_taken_port_that_up_can_do_without_is_no_fault(taken: int) -> None:
    finding = machine.port("bus", "127.0.0.1", taken, "--bus-port", ours=False, movable=True)
    assert (finding.verdict, "next free one" in finding.found) == (Verdict.OK, True)


def test_a_checkout_knows_its_libraries_without_being_installed() -> None:
    findings = [software.libraries(), *software.pins()]
    assert {"libraries", "moq-rs", "moq-ffi"} == {finding.check for finding in findings}
    assert {finding.verdict for finding in findings} == {Verdict.OK}


def test_an_address_of_another_machine() -> None:
    finding = machine.port("console", "192.0.2.1", 7000, "--port", ours=False)
    assert (finding.verdict, "--host" in finding.advice) == (Verdict.FAIL, True)


def test_this_machine_is_well_enough_to_test_on(tmp_path: Path) -> None:
    findings = [software.python(), software.codecs(), machine.udp_loopback(), machine.disk(tmp_path / "new" / "data")]
    assert [finding.verdict for finding in findings] == [Verdict.OK] * 4
    assert list(tmp_path.iterdir()) == []  # looking changes nothing


def test_a_file_where_the_data_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert machine.disk(tmp_path / "data").verdict is Verdict.FAIL


async def test_a_cloud_that_does_not_answer_cannot_tell_the_time() -> None:
    assert (await clock.against(Cloud(f"http://127.0.0.1:{free_port()}"))).verdict is Verdict.WARN


def test_doctor_fails_where_up_would_fail(run: Run, tmp_path: Path, taken: int) -> None:
    others = ("--rtmp-port", free_port(), "--udp-port", 0, "--bus-port", 0, "--data", tmp_path)
    well = run("doctor", "--port", free_port(), *others, "--json")
    ill = run("doctor", "--port", taken, *others)
    assert {finding["check"] for finding in well.json["findings"]} >= {"Python", "codecs", "data folder", "memory"}
    assert ill.code == exits.FAILED
    assert "-> Stop it, or start with `skyriver up --port" in ill.out
