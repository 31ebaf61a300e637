"""A tenant can neither see nor touch another's: a walk over EVERY operation of the OpenAPI document.

Red owns one of everything. For each operation, blue's principals of every role (and a session, nobody, a revoked key,
a node, the operator) aim at red's things. Whatever they are answered, it holds nothing of red's, and afterwards every
row that mentions red is what it was. An operation that is not in `CASES` fails the test: classify it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from skyriver.apps.api.schema import whole_schema
from skyriver.fabric.bus.node_keys import encode_public_key, node_token
from skyriver.kernel.clock import utc_now
from skyriver.platform.alarms import Condition, Severity, Subject, raise_alarm
from skyriver.platform.identity import ROLES, Role
from skyriver.platform.store import Store
from skyriver.platform.web.pages import encode_cursor
from skyriver.platform.webhooks.records import WebhookDeliveryRecord, WebhookEventRecord
from skyriver.services.live.records import MediaFileRecord, PublishTicketRecord, RecordingRecord
from tests.clouds import PASSWORD, Cloud, TenantInTest

Access = str
"""`open`: without a credential; a role: at least that one; `operator`: an admin of the operator's tenant; `node`."""

HOUR = timedelta(hours=1)
NAME = "Crimson Secret"
"""In the names of all that red owns: it must never be in an answer to somebody else."""


@dataclass
class Things:
    """One of everything that red owns; the ids fill the paths' parameters."""

    parameters: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def marks(self) -> set[str]:
        """Texts that only red may read."""
        ids = {value for name, value in self.parameters.items() if name.endswith("_id")}
        return ids | self.secrets | {NAME}


@dataclass(frozen=True)
class Case:
    """How an operation is to be called, and who may.

    Attributes:
        access: who may call it at all; others are answered 403 (and nobody 401).
        names: whether its path names somebody's thing; a stranger's aim at red's is then answered 404.
        body: a body that would do something, if it were allowed.
    """

    access: Access
    names: bool = False
    body: dict[str, Any] | None = None
    query: Callable[[Things], dict[str, str]] = lambda _things: {}


def _cursor(things: Things) -> dict[str, str]:
    """The cursor that names red's own first thing: it must not open red's list."""
    return {"cursor": encode_cursor(things.parameters["user_id"]), "limit": "200"}


STRANGE_NODE = "nd_0000000000000000"
CASES: dict[tuple[str, str], Case] = {
    ("GET", "/healthz"): Case("open"),
    ("GET", "/readyz"): Case("open"),
    ("GET", "/metrics"): Case("open"),
    ("GET", "/.well-known/jwks.json"): Case("open"),
    ("POST", "/v1/sessions"): Case("open", body={"email": "owner@red.test", "password": "a guess of blue's"}),
    ("DELETE", "/v1/sessions/current"): Case("viewer"),
    ("GET", "/v1/me"): Case("viewer"),
    ("GET", "/v1/overview"): Case("viewer"),
    ("GET", "/v1/tenant"): Case("viewer"),
    ("PATCH", "/v1/tenant"): Case("admin", body={"name": "Blue two"}),
    ("GET", "/v1/tenants"): Case("operator"),
    ("POST", "/v1/tenants"): Case("operator", body={"name": "G", "slug": "green", "owner_email": "g@green.test"}),
    ("GET", "/v1/users"): Case("viewer", query=_cursor),
    ("POST", "/v1/users"): Case("admin", body={"email": "owner@red.test", "password": PASSWORD, "role": "viewer"}),
    ("GET", "/v1/users/{user_id}"): Case("viewer", names=True),
    ("PATCH", "/v1/users/{user_id}"): Case("admin", names=True, body={"password": PASSWORD, "role": "viewer"}),
    ("DELETE", "/v1/users/{user_id}"): Case("admin", names=True),
    ("GET", "/v1/api-keys"): Case("admin", query=_cursor),
    ("POST", "/v1/api-keys"): Case("admin", body={"name": "robot", "role": "viewer"}),
    ("DELETE", "/v1/api-keys/{key_id}"): Case("admin", names=True),
    ("GET", "/v1/audit"): Case("admin"),
    ("GET", "/v1/events"): Case("viewer"),
    ("GET", "/v1/sites"): Case("operator"),
    ("POST", "/v1/sites"): Case("operator", body={"slug": "s", "name": "S", "role": "edge"}),
    ("POST", "/v1/join-tokens"): Case("operator", body={"site_id": "site_0000000000000000"}),
    ("GET", "/v1/nodes"): Case("operator"),
    ("POST", "/v1/nodes/join"): Case(
        "open",
        body={
            "token": "sky_join_guess",
            "name": "n",
            "public_key": encode_public_key(Ed25519PrivateKey.generate().public_key()),
            "address": "127.0.0.1",
            "cores": 1,
            "memory_bytes": 1,
        },
    ),
    ("PATCH", "/v1/nodes/{node_id}"): Case("operator", body={"draining": True}),
    ("DELETE", "/v1/nodes/{node_id}"): Case("operator"),
    ("GET", "/v1/workloads"): Case("operator"),
    ("POST", "/v1/workloads/{workload_id}/kill"): Case("operator", body={"signal": "KILL"}),
    ("GET", "/v1/node/plan"): Case("node"),
    ("PUT", "/v1/node/machine"): Case("node", body={"address": "127.0.0.1", "cores": 1, "memory_bytes": 1}),
    ("GET", "/v1/usage"): Case("viewer"),
    ("GET", "/v1/alarms"): Case("viewer", query=_cursor),
    ("GET", "/v1/alarms/{alarm_id}"): Case("viewer", names=True),
    ("POST", "/v1/alarms/{alarm_id}/acknowledge"): Case("member", names=True),
    ("GET", "/v1/webhook-events"): Case("viewer"),
    ("GET", "/v1/webhooks"): Case("admin", query=_cursor),
    ("POST", "/v1/webhooks"): Case("admin", body={"name": "mine", "url": "https://hooks.example.com/"}),
    ("GET", "/v1/webhooks/{webhook_id}"): Case("admin", names=True),
    ("PATCH", "/v1/webhooks/{webhook_id}"): Case("admin", names=True, body={"url": "https://blue.example.com/"}),
    ("DELETE", "/v1/webhooks/{webhook_id}"): Case("admin", names=True),
    ("POST", "/v1/webhooks/{webhook_id}/rotate-secret"): Case("admin", names=True),
    ("POST", "/v1/webhooks/{webhook_id}/test"): Case("admin", names=True),
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): Case("admin", names=True),
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): Case("admin", names=True),
    ("GET", "/v1/channels"): Case("viewer", query=_cursor),
    ("POST", "/v1/channels"): Case("member", body={"name": "Mine", "slug": "stage"}),
    ("GET", "/v1/channels/{id_or_slug}"): Case("viewer", names=True),
    ("PATCH", "/v1/channels/{id_or_slug}"): Case("member", names=True, body={"public": True, "name": "Stolen"}),
    ("DELETE", "/v1/channels/{id_or_slug}"): Case("member", names=True),
    ("GET", "/v1/channels/{id_or_slug}/captions"): Case("viewer", names=True),
    ("PUT", "/v1/channels/{id_or_slug}/captions/{language}"): Case("member", names=True, body={"label": "Mine"}),
    ("DELETE", "/v1/channels/{id_or_slug}/captions/{language}"): Case("member", names=True),
    ("POST", "/v1/channels/{id_or_slug}/captions"): Case("member", names=True, body={"language": "en", "text": "Hi"}),
    ("GET", "/v1/channels/{id_or_slug}/stream-keys"): Case("member", names=True),
    ("POST", "/v1/channels/{id_or_slug}/stream-keys"): Case("member", names=True, body={"name": "mine"}),
    ("POST", "/v1/channels/{id_or_slug}/stream-keys/{key_id}/rotate"): Case("member", names=True),
    ("DELETE", "/v1/channels/{id_or_slug}/stream-keys/{key_id}"): Case("member", names=True),
    ("PUT", "/v1/channels/{id_or_slug}/stream-keys/{key_id}/srt-passphrase"): Case("member", names=True, body={}),
    ("DELETE", "/v1/channels/{id_or_slug}/stream-keys/{key_id}/srt-passphrase"): Case("member", names=True),
    ("GET", "/v1/channels/{id_or_slug}/pull"): Case("viewer", names=True),
    ("PUT", "/v1/channels/{id_or_slug}/pull"): Case("member", names=True, body={"enabled": False}),
    ("DELETE", "/v1/channels/{id_or_slug}/pull"): Case("member", names=True),
    ("GET", "/v1/channels/{id_or_slug}/destinations"): Case("viewer", names=True),
    ("POST", "/v1/channels/{id_or_slug}/destinations"): Case(
        "member", names=True, body={"name": "mine", "url": "rtmp://far.test/app", "key": "k"}
    ),
    ("PATCH", "/v1/channels/{id_or_slug}/destinations/{destination_id}"): Case(
        "member", names=True, body={"enabled": False}
    ),
    ("DELETE", "/v1/channels/{id_or_slug}/destinations/{destination_id}"): Case("member", names=True),
    ("GET", "/v1/channels/{id_or_slug}/sight"): Case("viewer", names=True),
    ("GET", "/v1/channels/{id_or_slug}/qoe"): Case("viewer", names=True),
    ("GET", "/v1/channels/{id_or_slug}/detectors"): Case("viewer", names=True),
    ("PUT", "/v1/channels/{id_or_slug}/detectors"): Case("member", names=True, body={"enabled": False}),
    ("POST", "/v1/public/beacons"): Case("open", body={"token": "a guess"}),
    ("POST", "/v1/channels/{id_or_slug}/publish-ticket"): Case("member", names=True),
    ("DELETE", "/v1/channels/{id_or_slug}/publish-ticket/{ticket_id}"): Case("member", names=True),
    ("POST", "/v1/channels/{id_or_slug}/watch"): Case("viewer", names=True),
    ("POST", "/v1/public/{tenant_slug}/{channel_slug}/watch"): Case("open", names=True),
    ("GET", "/v1/public/{tenant_slug}/{channel_slug}/hls.m3u8"): Case("open", names=True),
    ("GET", "/v1/public/{tenant_slug}/{channel_slug}/dash.mpd"): Case("open", names=True),
    ("GET", "/v1/channels/{id_or_slug}/recording"): Case("viewer", names=True),
    ("PATCH", "/v1/channels/{id_or_slug}/recording"): Case("member", names=True, body={"enabled": True}),
    ("GET", "/v1/channels/{id_or_slug}/recordings"): Case("viewer", names=True),
    ("POST", "/v1/channels/{id_or_slug}/dvr"): Case("viewer", names=True),
    ("POST", "/v1/public/{tenant_slug}/{channel_slug}/dvr"): Case("open", names=True),
    ("GET", "/v1/recordings"): Case("viewer", query=_cursor),
    ("GET", "/v1/recordings/storage"): Case("viewer"),
    ("GET", "/v1/recordings/{recording_id}"): Case("viewer", names=True),
    ("PATCH", "/v1/recordings/{recording_id}"): Case("member", names=True, body={"name": "Stolen"}),
    ("DELETE", "/v1/recordings/{recording_id}"): Case("member", names=True),
    ("POST", "/v1/recordings/{recording_id}/clips"): Case(
        "member", names=True, body={"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:09Z"}
    ),
    ("POST", "/v1/recordings/{recording_id}/play"): Case("viewer", names=True),
    ("POST", "/v1/channels/{id_or_slug}/input"): Case("member", names=True, body={"select": "backup"}),
    ("GET", "/v1/channels/{id_or_slug}/slate"): Case("viewer", names=True),
    ("PUT", "/v1/channels/{id_or_slug}/slate"): Case("member", names=True),
    ("DELETE", "/v1/channels/{id_or_slug}/slate"): Case("member", names=True),
    ("GET", "/v1/channels/{id_or_slug}/slate/film"): Case("viewer", names=True),
    ("PUT", "/v1/channels/{id_or_slug}/slate/film"): Case("member", names=True, body={"file_id": "mf_none"}),
    ("GET", "/v1/media-files"): Case("viewer", query=_cursor),
    ("POST", "/v1/media-files"): Case("member", query=lambda _things: {"name": "mine"}),
    ("GET", "/v1/media-files/{file_id}"): Case("viewer", names=True),
    ("GET", "/v1/media-files/{file_id}/poster"): Case("viewer", names=True),
    ("DELETE", "/v1/media-files/{file_id}"): Case("member", names=True),
    ("GET", "/v1/channels/{id_or_slug}/runbook"): Case("viewer", names=True),
    ("POST", "/v1/channels/{id_or_slug}/drill"): Case("admin", names=True, body={"stage": "transcoder"}),
}


@pytest.fixture
def cloud(clustered: Cloud) -> Cloud:
    """With a bus: routes that nothing stands behind would hide nothing."""
    return clustered


def operations(cloud: Cloud) -> list[tuple[str, str]]:
    """Every operation of the OpenAPI document."""
    return [(method.upper(), path) for path, methods in cloud.app.openapi()["paths"].items() for method in methods]


async def furnish(cloud: Cloud) -> Things:
    """Let red own one of everything."""
    owner = await cloud.as_(cloud.red)
    await owner.patch("/v1/tenant", json={"name": NAME})
    user = await owner.post("/v1/users", json={"email": "secret@red.test", "password": PASSWORD, "name": NAME})
    key = await owner.post("/v1/api-keys", json={"name": NAME})
    channel = await owner.post("/v1/channels", json={"name": NAME, "slug": "crimson-stage"})
    assert (user.status_code, key.status_code, channel.status_code) == (201, 201, 201)
    channel_id = channel.json()["channel"]["id"]
    stream_key = await owner.post(f"/v1/channels/{channel_id}/stream-keys", json={"name": NAME})
    assert stream_key.status_code == 201
    told = await _furnish_alarm_and_webhook(cloud, owner) | await _furnish_ticket(cloud, channel_id)
    captions = await owner.put(f"/v1/channels/{channel_id}/captions/en", json={"label": NAME})
    assert captions.status_code == 200
    told |= await _furnish_recording(cloud, channel_id) | await _furnish_relays(owner, channel_id)
    told |= await _furnish_media_file(cloud)
    return Things(
        parameters={
            "user_id": user.json()["id"],
            "key_id": key.json()["id"],
            "channel_id": channel_id,
            "stream_key_id": stream_key.json()["id"],
            "tenant_id": cloud.red.id,
            "owner_id": cloud.red.owner_id,
            **told,
        },
        secrets={"secret@red.test", key.json()["secret"], channel.json()["stream_key"], stream_key.json()["secret"]},
    )


async def _furnish_ticket(cloud: Cloud, channel_id: str) -> dict[str, str]:
    """A browser's right to publish; made by hand, since the route needs a relay."""
    async with cloud.store.transaction() as session:
        ticket = PublishTicketRecord(channel_id=channel_id, input="main", jti="red.1", expires_at=utc_now() + HOUR)
        session.add(ticket)
        await session.flush()
        return {"ticket_id": ticket.id}


async def _furnish_relays(owner: httpx.AsyncClient, channel_id: str) -> dict[str, str]:
    """A camera that is pulled from, and a platform that the show goes to."""
    pull = await owner.put(f"/v1/channels/{channel_id}/pull", json={"url": "rtsp://crimson.test/camera"})
    far = {"name": NAME, "url": "rtmp://crimson.test/app", "key": "crimson"}
    destination = await owner.post(f"/v1/channels/{channel_id}/destinations", json=far)
    assert (pull.status_code, destination.status_code) == (200, 201)
    return {"destination_id": destination.json()["id"]}


async def _furnish_recording(cloud: Cloud, channel_id: str) -> dict[str, str]:
    """A show that was recorded; made by hand, since nobody publishes."""
    async with cloud.store.transaction() as session:
        recording = RecordingRecord(
            tenant_id=cloud.red.id,
            channel_id=channel_id,
            channel_name=NAME,
            kind="show",
            name=NAME,
            state="ready",
            size_bytes=1,
        )
        session.add(recording)
        await session.flush()
        return {"recording_id": recording.id}


async def _furnish_media_file(cloud: Cloud) -> dict[str, str]:
    """An uploaded film."""
    async with cloud.store.transaction() as session:
        facts = {"container": "mov", "video": "h264"}
        file = MediaFileRecord(
            tenant_id=cloud.red.id, name=NAME, state="ready", size_bytes=1, sha256="0", facts=facts, poster=b"\xff\xd8"
        )
        session.add(file)
        await session.flush()
        return {"file_id": file.id}


async def _furnish_alarm_and_webhook(cloud: Cloud, owner: httpx.AsyncClient) -> dict[str, str]:
    """An open alarm, a webhook, and a delivery that was given up, so that nothing is sent while a test looks."""
    made = await owner.post(
        "/v1/webhooks", json={"name": NAME, "url": "https://hooks.example.com/red", "event_types": ["alarm.cleared"]}
    )
    assert made.status_code == 201
    subject = Subject("channel", "ch_0000000000000000", NAME)
    black = Condition(cloud.red.id, "black", Severity.CRITICAL, subject, "The picture is black.", "Look at it.")
    async with cloud.store.transaction() as session:
        alarm = await raise_alarm(session, "test", black, utc_now())
        assert alarm is not None
        event = WebhookEventRecord(tenant_id=cloud.red.id, type="alarm.cleared", data={"name": NAME})
        session.add(event)
        await session.flush()
        delivery = WebhookDeliveryRecord(
            event_id=event.id, webhook_id=made.json()["id"], state="dead", give_up_at=utc_now()
        )
        session.add(delivery)
        await session.flush()
        return {"alarm_id": alarm.id, "webhook_id": made.json()["id"], "delivery_id": delivery.id}


def address(template: str, things: Things) -> str:
    """The path of an operation, aimed at red's things."""
    ids = things.parameters
    stream_key = "/stream-keys/" in template
    return template.format(
        user_id=ids["user_id"],
        key_id=ids["stream_key_id"] if stream_key else ids["key_id"],
        id_or_slug=ids["channel_id"],
        tenant_slug="red",
        channel_slug="crimson-stage",
        node_id=STRANGE_NODE,
        alarm_id=ids["alarm_id"],
        webhook_id=ids["webhook_id"],
        delivery_id=ids["delivery_id"],
        ticket_id=ids["ticket_id"],
        destination_id=ids["destination_id"],
        recording_id=ids["recording_id"],
        file_id=ids["file_id"],
        language="en",
        workload_id="wl_0000000000000000",
    )


async def call(
    client: httpx.AsyncClient, cloud: Cloud, operation: tuple[str, str], things: Things, path: str | None = None
) -> httpx.Response:
    """Call an operation as a case says. Event streams end at once: they would not by themselves."""
    case = CASES[operation]
    method, template = operation
    if template == "/v1/events":
        cloud.runtime.hub.publish("channel", {"name": NAME}, tenant_id=cloud.red.id)
        cloud.runtime.hub.close()
    return await client.request(
        method, path or address(template, things), json=case.body, params=case.query(things) or None
    )


async def rows_of_red(store: Store, things: Things) -> dict[str, list[str]]:
    """Every row of every table that mentions red's tenant or one of red's things, the audit log's own growth aside."""
    marks = set(things.parameters.values())
    found: dict[str, list[str]] = {}
    async with store.session() as session:
        for table in whole_schema().sorted_tables:
            rows = [repr(tuple(row)) for row in await session.execute(select(table))]
            found[table.name] = sorted(row for row in rows if any(mark in row for mark in marks))
    found.pop("login_failures")  # guesses at red's password are counted, and should be
    return found


def expected_statuses(case: Case, role: Role, *, is_operator: bool) -> set[int] | None:
    """What a principal must be answered; None: anything but a fault of ours."""
    if case.access == "node":
        return {403}
    if case.access == "operator":
        return None if is_operator and role in ("owner", "admin") else {403}
    if case.access != "open" and ROLES.index(role) > ROLES.index(case.access):
        return {403}
    return {404} if case.names else None


def check(answer: httpx.Response, expected: set[int] | None, things: Things, who: str, allowed: set[str]) -> None:
    """The answer's status is as expected, and it holds nothing of red's."""
    what = f"{who}: {answer.request.method} {answer.request.url.path} -> {answer.status_code} {answer.text[:200]}"
    if expected is not None:
        assert answer.status_code in expected, what
    assert answer.status_code not in (500, 501), what
    echoed = {mark for mark in things.marks() if mark in str(answer.request.url) or mark in str(answer.request.content)}
    for mark in things.marks() - echoed - allowed:
        assert mark not in answer.text, f"{what}\nholds {mark!r}"


def test_every_operation_is_classified_and_none_that_is_gone(cloud: Cloud) -> None:
    assert set(operations(cloud)) == set(CASES)


def test_what_needs_no_credential_says_so_in_the_document(cloud: Cloud) -> None:
    paths = cloud.app.openapi()["paths"]
    for method, path in operations(cloud):
        assert bool(paths[path][method.lower()].get("security")) == (CASES[method, path].access != "open"), path


async def strangers(cloud: Cloud) -> list[tuple[str, TenantInTest, Role, httpx.AsyncClient]]:
    """Blue's and the operator's API keys of every role, and a signed-in owner of blue's."""
    found = [
        (f"{tenant.slug}'s {role}", tenant, role, await cloud.as_(tenant, role))
        for tenant in (cloud.blue, cloud.operator)
        for role in ROLES
    ]
    signed_in = await (await cloud.client()).post(
        "/v1/sessions", json={"email": cloud.blue.owner_email, "password": PASSWORD}
    )
    found.append(("blue's session", cloud.blue, "owner", await cloud.client(signed_in.json()["token"])))
    return found


async def test_no_stranger_reads_or_changes_anything_of_reds(cloud: Cloud) -> None:
    things = await furnish(cloud)
    before = await rows_of_red(cloud.store, things)
    assert sum(map(len, before.values())) > 8, "red owns things"
    for who, tenant, role, client in await strangers(cloud):
        is_operator = tenant is cloud.operator
        # Signing out ends the session that the walk goes on with, so it comes last.
        for operation in sorted(CASES, key=lambda operation: operation == ("DELETE", "/v1/sessions/current")):
            answer = await call(client, cloud, operation, things)
            # That a tenant exists, and what it is called, is the operator's to know.
            known = is_operator and operation[1] in ("/v1/tenants", "/v1/usage", "/v1/audit")
            allowed = {cloud.red.id, NAME} if known else set()
            check(answer, expected_statuses(CASES[operation], role, is_operator=is_operator), things, who, allowed)
    assert await rows_of_red(cloud.store, things) == before


async def test_a_slug_of_reds_opens_nothing_either(cloud: Cloud) -> None:
    things = await furnish(cloud)
    before = await rows_of_red(cloud.store, things)
    blue = await cloud.as_(cloud.blue)
    for operation in (operation for operation in CASES if "{id_or_slug}" in operation[1]):
        path = address(operation[1], things).replace(things.parameters["channel_id"], "crimson-stage")
        check(await call(blue, cloud, operation, things, path), {404}, things, "blue's owner", set())
    assert await rows_of_red(cloud.store, things) == before


async def test_a_thing_of_reds_is_not_reached_through_one_of_blues(cloud: Cloud) -> None:
    things = await furnish(cloud)
    before = await rows_of_red(cloud.store, things)
    blue = await cloud.as_(cloud.blue)
    own = (await blue.post("/v1/channels", json={"name": "Own"})).json()["channel"]["id"]
    for operation in (
        operation for operation in CASES if "{id_or_slug}" in operation[1] and "{key_id}" in operation[1]
    ):
        path = address(operation[1], things).replace(things.parameters["channel_id"], own)
        check(await call(blue, cloud, operation, things, path), {404}, things, "blue's owner", set())
    assert await rows_of_red(cloud.store, things) == before


@pytest.mark.parametrize("who", ["nobody", "a stranger's guess", "a revoked key", "a removed user's session"])
async def test_without_a_valid_credential_nothing_but_what_is_open(cloud: Cloud, who: str) -> None:
    things = await furnish(cloud)
    before = await rows_of_red(cloud.store, things)
    client = await cloud.client(await _credential(cloud, who))
    for operation in CASES:
        case = CASES[operation]
        expected = ({404} if case.names else None) if case.access == "open" else {401}
        check(await call(client, cloud, operation, things), expected, things, who, set())
    assert await rows_of_red(cloud.store, things) == before


async def _credential(cloud: Cloud, who: str) -> str | None:
    owner = await cloud.as_(cloud.blue)
    match who:
        case "a stranger's guess":
            return "sky_key_" + "A" * 43
        case "a revoked key":
            made = (await owner.post("/v1/api-keys", json={"name": "gone"})).json()
            await owner.delete(f"/v1/api-keys/{made['id']}")
            return str(made["secret"])
        case "a removed user's session":
            person = {"email": "gone@blue.test", "password": PASSWORD}
            user = (await owner.post("/v1/users", json=person)).json()
            token = (await (await cloud.client()).post("/v1/sessions", json=person)).json()["token"]
            await owner.delete(f"/v1/users/{user['id']}")
            return str(token)
        case _:
            return None


async def test_a_node_reaches_its_own_plan_and_nothing_else(cloud: Cloud) -> None:
    things = await furnish(cloud)
    before = await rows_of_red(cloud.store, things)
    operator = await cloud.as_(cloud.operator)
    site = (await operator.post("/v1/sites", json={"slug": "edge-a", "name": "A", "role": "edge"})).json()
    ticket = (await operator.post("/v1/join-tokens", json={"site_id": site["id"]})).json()
    key = Ed25519PrivateKey.generate()
    joining = (CASES["POST", "/v1/nodes/join"].body or {}) | {
        "token": ticket["token"],
        "public_key": encode_public_key(key.public_key()),
    }
    joined = await (await cloud.client()).post("/v1/nodes/join", json=joining)
    assert joined.status_code == 201, joined.text
    node = await cloud.client(node_token(joined.json()["node_id"], key))
    for operation in CASES:
        case = CASES[operation]
        if case.access == "open":
            continue
        expected = None if case.access == "node" else {403}
        check(await call(node, cloud, operation, things), expected, things, "a node", set())
    assert await rows_of_red(cloud.store, things) == before
