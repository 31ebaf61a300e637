"""The API's nouns as methods: models in, models out. One `Client` is one credential at one cloud."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from skyriver.client.cloud import Cloud
from skyriver.client.events import ServerEvent, events_of
from skyriver.client.models import (
    Alarm,
    Answer,
    ApiKey,
    CaptionTrack,
    Channel,
    ChannelCreated,
    Cue,
    Destination,
    Drill,
    Health,
    JoinToken,
    MediaFile,
    Node,
    Overview,
    Pull,
    Recording,
    RecordingSettings,
    Runbook,
    Site,
    StreamKey,
    Tenant,
    TenantCreated,
    User,
    WatchTicket,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    Workload,
)
from skyriver.client.transport import Transport
from skyriver.kernel.errors import WorldBroke

PAGE_ITEMS = 100
MAX_PAGES = 10_000  # a cursor that never ends is the server's fault, and must not hang a client

A = TypeVar("A", bound=Answer)


class Client:
    """The API of one cloud. Use it as an async context manager; safe to share between tasks of one loop."""

    def __init__(self, cloud: Cloud, *, transport: Transport | None = None) -> None:
        self.cloud = cloud
        self._transport = transport or Transport(cloud)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    # --- the cloud -------------------------------------------------------------------------------------------------

    async def health(self) -> Health:
        return await self._one(Health, "GET", "/healthz")

    async def overview(self) -> Overview:
        return await self._one(Overview, "GET", "/v1/overview")

    async def me(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._transport.request("GET", "/v1/me")
        return answer

    async def events(self) -> AsyncGenerator[ServerEvent, None]:
        """Live events until the server ends the stream or the caller stops; the caller reconnects if it wants more."""
        async with (
            self._transport.stream("/v1/events", headers={"accept": "text/event-stream"}) as response,
            aclosing(events_of(response.aiter_lines())) as events,
        ):
            async for event in events:
                yield event

    # --- channels --------------------------------------------------------------------------------------------------

    def channels(self) -> AsyncIterator[Channel]:
        return self._pages(Channel, "/v1/channels")

    async def channel(self, name: str) -> Channel:
        """A channel by id or slug."""
        return await self._one(Channel, "GET", _channel(name))

    async def create_channel(self, name: str, **fields: Any) -> ChannelCreated:
        """`fields`: slug, public, takeover, profile; None leaves the server's default."""
        return await self._create(ChannelCreated, "/v1/channels", {"name": name, **fields})

    async def update_channel(self, name: str, **fields: Any) -> Channel:
        return await self._one(Channel, "PATCH", _channel(name), body=_given(fields))

    async def delete_channel(self, name: str) -> None:
        await self._transport.request("DELETE", _channel(name))

    def stream_keys(self, channel: str) -> AsyncIterator[StreamKey]:
        return self._pages(StreamKey, f"{_channel(channel)}/stream-keys")

    async def create_stream_key(self, channel: str, name: str | None = None, *, input_name: str = "main") -> StreamKey:
        fields = {"name": name, "input": input_name}
        return await self._create(StreamKey, f"{_channel(channel)}/stream-keys", fields)

    async def delete_stream_key(self, channel: str, key_id: str) -> None:
        await self._transport.request("DELETE", f"{_channel(channel)}/stream-keys/{quote(key_id, safe='')}")

    async def rotate_stream_key(self, channel: str, key_id: str) -> StreamKey:
        """Replace a key: the old one ends at once. Never retried: a lost answer's secret would be lost with it."""
        return await self._one(StreamKey, "POST", f"{_channel(channel)}/stream-keys/{quote(key_id, safe='')}/rotate")

    # --- captions --------------------------------------------------------------------------------------------------

    def caption_tracks(self, channel: str) -> AsyncIterator[CaptionTrack]:
        return self._pages(CaptionTrack, f"{_channel(channel)}/captions")

    async def set_caption_track(self, channel: str, language: str, label: str = "") -> CaptionTrack:
        """Have captions in a language on offer, or rename them."""
        return await self._one(CaptionTrack, "PUT", _captions(channel, language), body={"label": label})

    async def remove_caption_track(self, channel: str, language: str) -> None:
        await self._transport.request("DELETE", _captions(channel, language))

    async def send_cue(
        self, channel: str, language: str, text: str, *, start: datetime | None = None, duration_s: float | None = None
    ) -> Cue:
        """Show a line to the viewers of a show. Never retried: a line that comes seconds late is of no use."""
        fields = {"language": language, "text": text, "duration_s": duration_s}
        fields["start"] = start.isoformat() if start else None
        return await self._one(Cue, "POST", f"{_channel(channel)}/captions", body=_given(fields))

    # --- recordings ------------------------------------------------------------------------------------------------

    async def recording_settings(self, channel: str, **changes: Any) -> RecordingSettings:
        """How a channel is recorded, after changing what is given; None leaves a thing as it is."""
        path, given = f"{_channel(channel)}/recording", _given(changes)
        if not given:
            return await self._one(RecordingSettings, "GET", path)
        return await self._one(RecordingSettings, "PATCH", path, body=given)

    def recordings(self, channel: str | None = None) -> AsyncIterator[Recording]:
        """Of one channel, or of all."""
        return self._pages(Recording, f"{_channel(channel)}/recordings" if channel else "/v1/recordings")

    async def recording(self, recording_id: str) -> Recording:
        return await self._one(Recording, "GET", _recording(recording_id))

    async def create_clip(self, recording_id: str, name: str, start: datetime, end: datetime) -> Recording:
        """Cut a clip; it is being made when this returns."""
        fields = {"name": name, "start": start.isoformat(), "end": end.isoformat()}
        return await self._create(Recording, f"{_recording(recording_id)}/clips", fields)

    async def delete_recording(self, recording_id: str) -> None:
        await self._transport.request("DELETE", _recording(recording_id))

    async def download(self, recording_id: str, rendition: str | None = None) -> AsyncIterator[bytes]:
        """One MP4 file, in pieces."""
        ticket = await self._transport.request("POST", f"{_recording(recording_id)}/play")
        query = f"?rendition={quote(rendition, safe='')}" if rendition else ""
        async with self._transport.stream(f"{ticket['download_url']}{query}") as response:
            async for chunk in response.aiter_bytes():
                yield chunk

    async def choose_input(self, channel: str, select: str) -> Channel:
        """Show this input from now on: `main`, `backup`, or `auto` for what the channel's policy says."""
        return await self._one(Channel, "POST", f"{_channel(channel)}/input", body={"select": select})

    async def pull(self, channel: str, *, input: str = "main") -> Pull:
        return await self._one(Pull, "GET", f"{_channel(channel)}/pull", query={"input": input})

    async def set_pull(
        self,
        channel: str,
        url: str | None = None,
        *,
        file_id: str | None = None,
        loop: bool = False,
        input: str = "main",
    ) -> Pull:
        """Pull an input from a URL, or from an uploaded file, from now on."""
        body = {"url": url, "file_id": file_id, "loop": loop}
        return await self._one(Pull, "PUT", f"{_channel(channel)}/pull", body, {"input": input})

    async def clear_pull(self, channel: str, *, input: str = "main") -> None:
        await self._transport.request("DELETE", f"{_channel(channel)}/pull", query={"input": input})

    def media_files(self) -> AsyncIterator[MediaFile]:
        """Uploaded films, newest first."""
        return self._pages(MediaFile, "/v1/media-files")

    async def upload_media_file(self, name: str, content: AsyncIterator[bytes]) -> MediaFile:
        """Upload a film; what is none is refused."""
        answer = await self._transport.upload("/v1/media-files", content, query={"name": name})
        return MediaFile.model_validate(answer)

    async def delete_media_file(self, file_id: str) -> None:
        await self._transport.request("DELETE", f"/v1/media-files/{quote(file_id, safe='')}")

    async def set_slate_film(self, channel: str, file_id: str) -> None:
        """Show an uploaded film while no input has a picture."""
        await self._transport.request("PUT", f"{_channel(channel)}/slate/film", body={"file_id": file_id})

    async def clear_slate(self, channel: str) -> None:
        """Back to the picture with the channel's name."""
        await self._transport.request("DELETE", f"{_channel(channel)}/slate")

    def destinations(self, channel: str) -> AsyncIterator[Destination]:
        return self._pages(Destination, f"{_channel(channel)}/destinations")

    async def add_destination(
        self, channel: str, name: str, url: str, *, key: str = "", rendition: str = "source"
    ) -> Destination:
        """Send the channel on to another platform whenever it is live."""
        fields = {"name": name, "url": url, "key": key, "rendition": rendition}
        return await self._create(Destination, f"{_channel(channel)}/destinations", fields)

    async def delete_destination(self, channel: str, destination_id: str) -> None:
        await self._transport.request("DELETE", f"{_channel(channel)}/destinations/{quote(destination_id, safe='')}")

    async def watch(self, channel: str, *, viewer: str | None = None, region: str | None = None) -> WatchTicket:
        """A fresh ticket. Asking again does nothing twice, so it may be retried like a read.

        Args:
            viewer: any name of the viewer's own; tickets for the same name rank the edges alike.
            region: where the viewer is, in the words of the sites' regions.
        """
        answer = await self._transport.request(
            "POST",
            f"{_channel(channel)}/watch",
            body=_given({"viewer": viewer, "region": region}),
            idempotency_key=_new_key(),
        )
        return _decode(WatchTicket, answer, f"{_channel(channel)}/watch")

    async def runbook(self, channel: str) -> Runbook:
        """What carries each stage of a channel now, and who would take over."""
        return await self._one(Runbook, "GET", f"{_channel(channel)}/runbook")

    async def drill(self, channel: str, stage: str, *, edge_node_id: str | None = None) -> Drill:
        """Kill one workload of a channel on purpose. Never retried: a second kill would be a second drill."""
        body = _given({"stage": stage, "edge_node_id": edge_node_id})
        return await self._one(Drill, "POST", f"{_channel(channel)}/drill", body=body)

    # --- machines --------------------------------------------------------------------------------------------------

    def sites(self) -> AsyncIterator[Site]:
        return self._pages(Site, "/v1/sites")

    async def create_site(self, slug: str, **fields: Any) -> Site:
        return await self._create(Site, "/v1/sites", {"slug": slug, **fields})

    def nodes(self) -> AsyncIterator[Node]:
        return self._pages(Node, "/v1/nodes")

    async def drain_node(self, node_id: str, *, draining: bool = True) -> Node:
        return await self._one(Node, "PATCH", f"/v1/nodes/{quote(node_id, safe='')}", body={"draining": draining})

    async def create_join_token(self, site_id: str) -> JoinToken:
        return await self._create(JoinToken, "/v1/join-tokens", {"site_id": site_id})

    def workloads(self) -> AsyncIterator[Workload]:
        return self._pages(Workload, "/v1/workloads")

    # --- people and keys -------------------------------------------------------------------------------------------

    def tenants(self) -> AsyncIterator[Tenant]:
        return self._pages(Tenant, "/v1/tenants")

    async def create_tenant(self, slug: str, *, name: str, owner_email: str) -> TenantCreated:
        return await self._create(
            TenantCreated, "/v1/tenants", {"slug": slug, "name": name, "owner_email": owner_email}
        )

    def users(self) -> AsyncIterator[User]:
        return self._pages(User, "/v1/users")

    async def create_user(self, email: str, password: str, **fields: Any) -> User:
        return await self._create(User, "/v1/users", {"email": email, "password": password, **fields})

    async def update_user(self, user_id: str, **fields: Any) -> User:
        return await self._one(User, "PATCH", f"/v1/users/{quote(user_id, safe='')}", body=_given(fields))

    async def delete_user(self, user_id: str) -> None:
        await self._transport.request("DELETE", f"/v1/users/{quote(user_id, safe='')}")

    def api_keys(self) -> AsyncIterator[ApiKey]:
        return self._pages(ApiKey, "/v1/api-keys")

    async def create_api_key(self, name: str, role: str | None = None) -> ApiKey:
        return await self._create(ApiKey, "/v1/api-keys", {"name": name, "role": role})

    async def delete_api_key(self, key_id: str) -> None:
        await self._transport.request("DELETE", f"/v1/api-keys/{quote(key_id, safe='')}")

    # --- alarms and webhooks ---------------------------------------------------------------------------------------

    def alarms(self, *, state: str = "open") -> AsyncIterator[Alarm]:
        """`state`: open, cleared or all; newest first."""
        return self._pages(Alarm, "/v1/alarms", state=state)

    async def acknowledge_alarm(self, alarm_id: str) -> Alarm:
        return await self._one(Alarm, "POST", f"/v1/alarms/{quote(alarm_id, safe='')}/acknowledge")

    def webhooks(self) -> AsyncIterator[Webhook]:
        return self._pages(Webhook, "/v1/webhooks")

    async def webhook_events(self) -> list[WebhookEvent]:
        answer = await self._transport.request("GET", "/v1/webhook-events")
        return [_decode(WebhookEvent, item, "/v1/webhook-events") for item in answer["items"]]

    async def create_webhook(self, name: str, url: str, event_types: Sequence[str] = ()) -> Webhook:
        return await self._create(Webhook, "/v1/webhooks", {"name": name, "url": url, "event_types": list(event_types)})

    async def update_webhook(self, webhook_id: str, **fields: Any) -> Webhook:
        return await self._one(Webhook, "PATCH", _webhook(webhook_id), body=_given(fields))

    async def delete_webhook(self, webhook_id: str) -> None:
        await self._transport.request("DELETE", _webhook(webhook_id))

    async def send_test_event(self, webhook_id: str) -> WebhookDelivery:
        return await self._one(WebhookDelivery, "POST", f"{_webhook(webhook_id)}/test")

    def webhook_deliveries(self, webhook_id: str) -> AsyncIterator[WebhookDelivery]:
        """Newest first."""
        return self._pages(WebhookDelivery, f"{_webhook(webhook_id)}/deliveries")

    async def redeliver(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        path = f"{_webhook(webhook_id)}/deliveries/{quote(delivery_id, safe='')}/redeliver"
        return await self._one(WebhookDelivery, "POST", path)

    # --- how -------------------------------------------------------------------------------------------------------

    async def _one(
        self, model: type[A], method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> A:
        return _decode(model, await self._transport.request(method, path, body=body, query=query), path)

    async def _create(self, model: type[A], path: str, fields: Mapping[str, Any]) -> A:
        """A POST with a fresh Idempotency-Key, so that a lost answer does not become a second thing."""
        answer = await self._transport.request("POST", path, body=_given(fields), idempotency_key=_new_key())
        return _decode(model, answer, path)

    async def _pages(self, model: type[A], path: str, **query: str) -> AsyncIterator[A]:
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._transport.request("GET", path, query={**query, "limit": PAGE_ITEMS, "cursor": cursor})
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise _unexpected(path, "a page has no `items`")
            for item in page["items"]:
                yield _decode(model, item, path)
            cursor = page.get("next_cursor")
            if not cursor:
                return
        raise _unexpected(path, f"the list has no end after {MAX_PAGES} pages")


def _channel(name: str) -> str:
    return f"/v1/channels/{quote(name, safe='')}"


def _captions(channel: str, language: str) -> str:
    return f"{_channel(channel)}/captions/{quote(language, safe='')}"


def _webhook(webhook_id: str) -> str:
    return f"/v1/webhooks/{quote(webhook_id, safe='')}"


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _new_key() -> str:
    return secrets.token_urlsafe(18)


def _decode(model: type[A], answer: Any, path: str) -> A:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        raise _unexpected(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _unexpected(path: str, why: str) -> WorldBroke:
    return WorldBroke(
        f"{path} answered in a shape this client does not know: {why}.",
        hint="Client and cloud may be of different versions: compare `skyriver version` with `skyriver status`.",
    )


def _recording(recording_id: str) -> str:
    return f"/v1/recordings/{quote(recording_id, safe='')}"
