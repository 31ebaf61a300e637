"""One publisher's RTMP connection as a pure state machine: bytes and the time in, events and bytes out.

    HANDSHAKE -> CONNECTING -> READY -> ASKED -> PUBLISHING -> READY ...
    any state -> CLOSED

- HANDSHAKE takes C0, C1 and C2. CONNECTING takes `connect`, whose application must be ours.
- READY takes createStream, releaseStream, FCPublish and publish; publish yields PublishRequested and enters ASKED.
- ASKED is left by `accept` or `refuse`, which the caller must call before it takes the next event.
- PUBLISHING turns audio, video and data messages into media events. FCUnpublish, closeStream and deleteStream yield
  Unpublished and lead back to READY: the same connection may publish again.
- CLOSED ignores every byte. Whatever is wrong yields one Closed, with the reason also written to the publisher as
  onStatus (once it has connected: before that there is nobody who could read it).
- `deadline` says when `expire` must be called: the set-up must end in time, PUBLISHING must not be silent.

Unknown commands and message types are ignored, as RTMP's history demands. Media outside PUBLISHING is ignored as well:
encoders send a tail after unpublish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from skyriver.services.live.stations.access import MAX_KEY_CHARS, NO_KEY, UNKNOWN_KEY, Refusal, split_key
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.events import Ended, EndReason, MediaEvent, MetaData
from skyriver.services.live.stations.rtmp import amf0, chunks, commands
from skyriver.services.live.stations.rtmp.chunks import ChunkReader, Message
from skyriver.services.live.stations.rtmp.errors import MalformedRtmp
from skyriver.services.live.stations.rtmp.flv import FlvReader
from skyriver.services.live.stations.rtmp.handshake import ServerHandshake
from skyriver.services.live.stations.rtmp.limits import Limits

APPLICATION = "live"
MAX_STREAMS = 64  # createStream calls on one connection; encoders make one for each publish
MIN_ACK_WINDOW_BYTES = 16 << 10  # a smaller window would let a publisher make us write more than it sends
_REJECTED = "NetStream.Publish.Rejected"


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """A publisher names its key: answer with `accept` or `refuse` before taking the next event."""

    key: str


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The publication is over, by the publisher's own word; the connection may go on."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over: send what `take_output` has, then hang up."""

    ended: Ended


Event = MediaEvent | PublishRequested | Unpublished | Closed


class State(Enum):
    """See the module's rules."""

    HANDSHAKE = "handshake"
    CONNECTING = "connecting"
    READY = "ready"
    ASKED = "asked"
    PUBLISHING = "publishing"
    CLOSED = "closed"


class Connection:
    """The protocol of one publisher. `now` is monotonic time in seconds, from any origin, always the same one."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.state = State.HANDSHAKE
        self.heard_at = now
        self._limits = limits
        self._handshake = ServerHandshake()
        self._reader = ChunkReader(limits)
        self._output: list[bytes] = []
        self._setup_by = now + limits.setup_timeout_s
        self._received_bytes = 0
        self._acknowledged_bytes = 0
        self._ack_window_bytes = commands.OUR_WINDOW_BYTES
        self._app = ""
        self._streams = 0
        self._stream_id = 0
        self._flv = FlvReader()

    @property
    def held_bytes(self) -> int:
        """Bytes of unfinished messages."""
        return self._reader.held_bytes

    @property
    def closed(self) -> bool:
        """Whether this connection is over, for whatever reason."""
        return self.state is State.CLOSED

    @property
    def deadline(self) -> float:
        """When `expire` is due if nothing else happens."""
        if self.state is State.PUBLISHING:
            return self.heard_at + self._limits.idle_timeout_s
        return self._setup_by

    def take_output(self) -> bytes:
        """Bytes for the publisher, each once."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> Iterator[Event]:
        """Take bytes; the iterator must be exhausted before `data` changes."""
        if self.closed:
            return
        self.heard_at = now
        self._received_bytes += len(data)
        try:
            yield from self._take(memoryview(data), now)
        except (MalformedRtmp, UnsupportedMedia, DamagedMedia) as error:
            yield self._close(EndReason.REFUSED, Refusal(str(error), code=_REJECTED))
        if self.state in (State.READY, State.PUBLISHING):
            self._acknowledge()

    def accept(self, now: float) -> None:
        """Answer to PublishRequested: the publisher may send."""
        if self.state is not State.ASKED:
            raise RuntimeError(f"accept() in state {self.state.value}: there is no open PublishRequested")
        self.state = State.PUBLISHING
        self.heard_at = now
        self._flv = FlvReader()
        self._reader.media_allowed = True
        self._output.append(commands.stream_begin(self._stream_id))
        self._status("status", "NetStream.Publish.Start", "Publishing.")

    def refuse(self, refusal: Refusal, reason: EndReason = EndReason.REFUSED) -> Closed:
        """Turn the publisher away, before or after it was accepted; it is told why."""
        return self._close(reason, refusal)

    def expire(self, now: float) -> Iterator[Event]:
        """End the connection if its deadline has passed."""
        if self.closed or now < self.deadline:
            return
        if self.state is State.PUBLISHING:
            silence_s = self._limits.idle_timeout_s
            text = f"Nothing has come from this encoder for {silence_s:g} s, so its place was given up."
        else:
            text = f"This connection published nothing within {self._limits.setup_timeout_s:g} s."
        yield self._close(EndReason.TIMED_OUT, Refusal(text, code=_REJECTED, retry=True))

    def _take(self, view: memoryview, now: float) -> Iterator[Event]:
        while self.state is State.HANDSHAKE and view:
            reply, used = self._handshake.feed(view)
            view = view[used:]
            if reply:
                self._output.append(reply)
            if self._handshake.done:
                self.state = State.CONNECTING
        if not view:
            return
        for message in self._reader.feed(view):
            if message.type_id in (chunks.AUDIO, chunks.VIDEO):
                yield from self._media(message)
            else:
                yield from self._other(message, now)
            if self.closed:
                return
            if self.state is State.ASKED:
                raise RuntimeError("PublishRequested was not answered with accept() or refuse()")

    def _media(self, message: Message) -> Iterator[Event]:
        if self.state is not State.PUBLISHING:
            return
        if message.type_id == chunks.VIDEO:
            yield from self._flv.video(message.body, message.timestamp_ms)
        else:
            yield from self._flv.audio(message.body, message.timestamp_ms)

    def _other(self, message: Message, now: float) -> Iterator[Event]:
        kind, body = message.type_id, message.body
        if kind in (chunks.COMMAND_AMF0, chunks.COMMAND_AMF3):
            yield from self._command(commands.Command(body, amf3=kind == chunks.COMMAND_AMF3), message.stream_id, now)
        elif kind in (chunks.DATA_AMF0, chunks.DATA_AMF3):
            if self.state is State.PUBLISHING:
                yield from _metadata(body[1:] if kind == chunks.DATA_AMF3 else body)
        elif kind == chunks.WINDOW_ACK_SIZE:
            self._ack_window_bytes = max(chunks.control_value(body), MIN_ACK_WINDOW_BYTES)
        elif kind == chunks.USER_CONTROL:
            if int.from_bytes(body[:2], "big") == commands.PING_REQUEST and len(body) >= 6:
                self._output.append(commands.pong(body))
        elif kind == chunks.AGGREGATE:
            raise UnsupportedMedia("Aggregate messages are not taken here; send audio and video messages.")

    def _command(self, command: commands.Command, stream_id: int, now: float) -> Iterator[Event]:
        name = command.name
        if self.state is State.CONNECTING:
            if name == "connect":
                yield from self._connect(command)
        elif name == "createStream":
            self._streams += 1
            if self._streams > MAX_STREAMS:
                raise MalformedRtmp(f"More than {MAX_STREAMS} createStream calls on one connection.")
            self._output.append(commands.result(command.transaction, float(self._streams)))
        elif name == "publish":
            yield from self._publish(command, stream_id)
        elif name in ("FCUnpublish", "deleteStream", "closeStream"):
            yield from self._unpublish(name, now)
        elif name == "FCPublish":
            self._output.append(commands.on_fc("onFCPublish", "NetStream.Publish.Start"))
        elif name in ("releaseStream", "_checkbw"):
            self._output.append(commands.result(command.transaction))
        elif name in ("play", "play2"):
            text = "This port takes streams in; it does not play them. Watch on the channel's page."
            yield self._close(EndReason.REFUSED, Refusal(text, code="NetStream.Play.Failed"))

    def _connect(self, command: commands.Command) -> Iterator[Event]:
        app = command.object.get("app")
        self._app = app if isinstance(app, str) else ""
        if split_key(self._app, "")[0] != APPLICATION:
            text = f"There is no such application here. Push to rtmp://HOST/{APPLICATION} with a channel's stream key."
            self._output.append(commands.connect_rejected(command.transaction, text))
            self.state = State.CLOSED
            yield Closed(Ended(EndReason.REFUSED, text))
            return
        self.state = State.READY
        self._output.append(commands.connect_accepted(command.transaction, enhanced=_is_enhanced(command)))

    def _publish(self, command: commands.Command, stream_id: int) -> Iterator[Event]:
        if self.state is State.PUBLISHING:
            raise MalformedRtmp("This connection publishes already. Open another one for another stream.")
        _, key = split_key(self._app, command.text(0))
        self._stream_id = stream_id
        if not key or len(key) > MAX_KEY_CHARS:
            yield self._close(EndReason.REFUSED, UNKNOWN_KEY if key else NO_KEY)
            return
        self.state = State.ASKED
        yield PublishRequested(key)

    def _unpublish(self, name: str, now: float) -> Iterator[Event]:
        if name == "FCUnpublish":
            self._output.append(commands.on_fc("onFCUnpublish", "NetStream.Unpublish.Success"))
        if self.state is not State.PUBLISHING:
            return
        self.state = State.READY
        self._setup_by = now + self._limits.setup_timeout_s
        self._status("status", "NetStream.Unpublish.Success", "The stream has ended.")
        yield Unpublished()

    def _close(self, reason: EndReason, refusal: Refusal) -> Closed:
        if self.state in (State.READY, State.ASKED, State.PUBLISHING):
            self._status("error", refusal.code, refusal.description)
        self.state = State.CLOSED
        self._reader = ChunkReader(self._limits)  # free what it held
        return Closed(Ended(reason, refusal.description))

    def _status(self, level: str, code: str, description: str) -> None:
        self._output.append(commands.status(level, code, description, stream_id=self._stream_id))

    def _acknowledge(self) -> None:
        if self._received_bytes - self._acknowledged_bytes >= self._ack_window_bytes:
            self._acknowledged_bytes = self._received_bytes
            self._output.append(commands.acknowledgement(self._received_bytes))


def _is_enhanced(command: commands.Command) -> bool:
    return any(name in command.object for name in ("fourCcList", "videoFourCcInfoMap", "capsEx"))


def _metadata(body: memoryview) -> Iterator[MetaData]:
    values = amf0.decode(body)
    if values and values[0] == "@setDataFrame":
        values = values[1:]
    if len(values) >= 2 and values[0] == "onMetaData" and isinstance(values[1], Mapping):
        yield MetaData(values[1])
