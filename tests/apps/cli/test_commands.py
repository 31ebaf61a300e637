"""Commands against the real API, as different people run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyriver.apps.cli import exits
from skyriver.apps.cli.options import complete_channel

from .conftest import Run, Serving


def test_status_tells_that_the_cloud_is_up(run: Run, serving: Serving) -> None:
    ran = run("status", "--data", serving.data)
    assert (ran.code, serving.url in ran.out) == (0, True)
    assert run("status", "--data", serving.data, "--json").json["status"] == "ok"


def test_the_environment_finds_the_cloud_too(run: Run, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYRIVER_URL", serving.url)
    monkeypatch.setenv("SKYRIVER_TOKEN", serving.cloud.red.keys["owner"])
    assert run("user", "list", "--json").json[0]["email"] == "owner@red.test"


def test_a_wrong_key_is_refused_with_a_hint(run: Run, serving: Serving) -> None:
    ran = run("user", "list", "--data", serving.data_of("sky_key_" + "x" * 43))
    assert ran.code == exits.REFUSED
    assert "hint:" in ran.err


def test_who_may_not_is_refused(run: Run, serving: Serving) -> None:
    viewer = serving.data_of(serving.cloud.red.keys["viewer"])
    assert run("api-key", "create", "x", "--data", viewer).code == exits.REFUSED


def test_users_come_and_go(run: Run, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYRIVER_NEW_PASSWORD", "a long enough password")
    made = run("user", "create", "new@red.test", "--role", "viewer", "--data", serving.data, "--json").json
    changed = run("user", "role", made["id"], "admin", "--data", serving.data, "--json").json
    assert (made["role"], changed["role"]) == ("viewer", "admin")
    assert "new@red.test" in run("user", "list", "--data", serving.data).out
    assert run("user", "delete", made["id"], "--yes", "--data", serving.data).code == 0
    assert run("user", "delete", made["id"], "--yes", "--data", serving.data).code == exits.NO_SUCH_THING


def test_api_keys_work_until_they_are_deleted(run: Run, serving: Serving) -> None:
    made = run("api-key", "create", "robot", "--role", "admin", "--data", serving.data, "--json").json
    robot = serving.data_of(made["secret"])
    assert "robot" in run("api-key", "list", "--data", robot).out
    assert run("api-key", "delete", made["id"], "--json", "--data", serving.data).json == {"deleted": made["id"]}
    assert run("api-key", "list", "--data", robot).code == exits.REFUSED


def test_a_question_answered_with_no_changes_nothing(run: Run, serving: Serving) -> None:
    made = run("api-key", "create", "kept", "--data", serving.data, "--json").json
    assert run("api-key", "delete", made["id"], "--data", serving.data, input="n\n").code != 0
    assert "kept" in run("api-key", "list", "--data", serving.data).out


def test_a_channels_life(run: Run, serving: Serving) -> None:
    made = run("channel", "create", "Main stage", "--public", "--data", serving.data, "--json").json
    slug = made["channel"]["slug"]
    assert made["stream_key"].startswith("sky_pub_")
    assert slug in run("channel", "list", "--data", serving.data).out
    assert run("channel", "show", slug, "--data", serving.data, "--json").json["public"] is True
    assert "offline" in run("channel", "show", slug, "--data", serving.data).out
    assert run("channel", "delete", slug, "--yes", "--data", serving.data).code == 0
    gone = run("channel", "show", slug, "--data", serving.data)
    assert (gone.code, "Traceback" in gone.err) == (exits.NO_SUCH_THING, False)


def test_stream_keys_are_rotated_and_revoked(run: Run, serving: Serving) -> None:
    slug = run("channel", "create", "Keys", "--data", serving.data, "--json").json["channel"]["slug"]
    first = run("channel", "key", "list", slug, "--data", serving.data, "--json").json
    rotated = run("channel", "key", "rotate", slug, "--data", serving.data, "--json").json
    assert len(first) == 1
    assert rotated["secret"].startswith("sky_pub_")
    run("channel", "key", "create", slug, "--name", "second", "--data", serving.data)
    ambiguous = run("channel", "key", "rotate", slug, "--data", serving.data)
    assert (ambiguous.code, "second" in ambiguous.err) == (exits.USAGE, True)
    assert run("channel", "key", "revoke", slug, rotated["id"], "--data", serving.data).code == 0
    assert len(run("channel", "key", "list", slug, "--data", serving.data, "--json").json) == 1


def test_another_tenants_channel_does_not_exist(run: Run, serving: Serving) -> None:
    red, blue = (serving.data_of(tenant.keys["owner"]) for tenant in (serving.cloud.red, serving.cloud.blue))
    slug = run("channel", "create", "Red only", "--data", red, "--json").json["channel"]["slug"]
    for words in (["show"], ["delete", "--yes"], ["key", "list"]):
        assert run("channel", *words, slug, "--data", blue).code == exits.NO_SUCH_THING


def test_completion_offers_channel_names(run: Run, serving: Serving) -> None:
    run("channel", "create", "Completed", "--slug", "completed", "--data", serving.data)
    from skyriver.client import find_cloud  # the completion asks as the shell's user does

    assert find_cloud(serving.data).url == serving.url
    context = type("Context", (), {"params": {"data": serving.data}})()
    assert complete_channel(context, "comp") == ["completed"]
    assert complete_channel(context, "zzz") == []


def test_completion_is_silent_without_a_cloud(tmp_path: Path) -> None:
    context = type("Context", (), {"params": {"data": tmp_path}})()
    assert complete_channel(context, "") == []


def test_sites_and_join_tokens(run: Run, serving: Serving) -> None:
    words = ("site", "create", "tokyo-1", "--role", "edge", "--region", "ap")
    assert run(*words, "--data", serving.data).code == 0
    assert "tokyo-1" in run("site", "list", "--data", serving.data).out
    made = run("node", "token", "tokyo-1", "--data", serving.data, "--json").json
    assert made["token"].startswith("sky_join_")
    unknown = run("node", "token", "atlantis", "--data", serving.data)
    assert (unknown.code, "tokyo-1" in unknown.err) == (exits.NO_SUCH_THING, True)


def test_nodes_are_for_operators_only(run: Run, serving: Serving) -> None:
    red = serving.data_of(serving.cloud.red.keys["owner"])
    assert run("node", "list", "--data", red).code in (exits.REFUSED, exits.NO_SUCH_THING)


def test_an_operator_makes_tenants_and_nobody_else_does(run: Run, serving: Serving) -> None:
    words = ("tenant", "create", "green", "--owner", "green@green.test")
    red = serving.data_of(serving.cloud.red.keys["owner"])
    assert run(*words, "--data", red).code == exits.REFUSED
    made = run(*words, "--data", serving.data, "--json").json
    assert (made["tenant"]["slug"], made["owner"]["email"]) == ("green", "green@green.test")
    assert len(made["owner_password"]) > 10
    assert run(*words, "--data", serving.data).code == exits.NO_SUCH_THING
    assert "green" in run("tenant", "list", "--data", serving.data).out


def test_webhooks_are_made_told_and_removed(run: Run, serving: Serving) -> None:
    made = run("webhooks", "create", "Mine", "https://hooks.example.com/x", "--event", "alarm.raised",
               "--data", serving.data, "--json").json  # fmt: skip
    assert made["secret"].startswith("whsec_")
    assert "hooks.example.com" in run("webhooks", "list", "--data", serving.data).out
    assert "alarm.raised" in run("webhooks", "events", "--data", serving.data).out
    assert "disabled" in run("webhooks", "disable", made["id"], "--data", serving.data).out
    assert "Enable it first" in run("webhooks", "test", made["id"], "--data", serving.data).err
    assert run("webhooks", "deliveries", made["id"], "--data", serving.data, "--json").json == []
    assert run("webhooks", "delete", made["id"], "--yes", "--data", serving.data).code == 0
    assert run("webhooks", "delete", made["id"], "--yes", "--data", serving.data).code == exits.NO_SUCH_THING


def test_alarms_are_listed_and_taken_on(run: Run, serving: Serving) -> None:
    assert run("alarms", "list", "--state", "all", "--data", serving.data, "--json").json == []
    assert run("alarms", "ack", "alm_0000000000000000", "--data", serving.data).code == exits.NO_SUCH_THING
