"""Sessions: who decides, when an end is known, what stays readable. `fabric/listeners.py`, `relay.py`, `uplink.py`."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress

import moq
import pytest

from tests.contract.rig import Announcements, dial, door, origin, relay, until


async def end_of(session: moq.Session | None) -> moq.ProtocolError | None:
    """Wait for the end of a session; what it says about itself in protocol terms."""
    assert session is not None
    try:
        await session.closed()
    except moq.Error as error:
        assert isinstance(error, BaseException)
        return moq.protocol_error(error)
    return None


def heard(session: moq.Session | None) -> int:
    """How many packets have come so far."""
    assert session is not None
    return session.stats().packets_received or 0


async def test_fingerprints_are_unreadable_while_accepting() -> None:
    """`Listeners` computes fingerprints itself, because a server that listens cannot be asked."""
    async with door() as plain:
        assert plain.server.cert_fingerprints() == plain.pins
        accepting = asyncio.ensure_future(anext(plain.server))
        await asyncio.sleep(0)  # a turn of the loop: the accept is under way
        with pytest.raises(moq.Error.Busy):
            plain.server.cert_fingerprints()
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)


async def test_closing_a_server_ends_its_sessions_and_frees_its_port() -> None:
    """`Listeners` keeps a retired server open for a day, although the library's own text says sessions survive."""
    async with relay() as running:
        address = running.server.local_addr
        client = dial(running)
        await client.__aenter__()  # type: ignore[no-untyped-call]
        await running.session()
    with pytest.raises(moq.Error):
        await client.session.closed()  # type: ignore[union-attr]
    await client.__aexit__()
    async with moq.Server(address, tls_generate=["127.0.0.1"]) as again:
        assert again.local_addr == address


async def test_a_taken_port_is_an_error_of_the_library() -> None:
    """`Listeners` turns it into words for the operator."""
    async with door() as plain:
        with pytest.raises(moq.Error.Bind):
            await moq.Server(plain.server.local_addr, tls_generate=["127.0.0.1"]).__aenter__()  # type: ignore[no-untyped-call]


async def test_a_client_is_connected_before_it_is_accepted() -> None:
    """`moq.connect` returns a session that may be rejected yet; uplinks and viewers watch `closed()`."""
    async with door() as plain, dial(plain, query="?jwt=token") as client:
        request = await anext(plain.server)  # only now is the server asked
        assert (request.path, request.query) == ("/space", "jwt=token")
        assert request.url is not None and "token" in request.url, "logs of URLs hold grants: kernel.logs.scrub"
        closing = asyncio.ensure_future(end_of(client.session))
        await request.reject(401)
        reason = await closing
        assert reason is not None and reason.kind == moq.ProtocolKind.UNAUTHORIZED


@pytest.mark.parametrize(("code", "is_auth"), [(401, True), (403, True), (503, False)])
async def test_only_401_and_403_are_matters_of_rights(code: int, is_auth: bool) -> None:
    """`REFUSED_FULL` must not look like a refused grant: uplinks redial after the one and wait after the other."""
    async with door() as plain, dial(plain) as client:
        request = await anext(plain.server)
        await request.reject(code)
        with pytest.raises(moq.Error) as rejected:
            await client.session.closed()
        assert moq.is_auth(rejected.value) is is_auth
        with pytest.raises(moq.Error.AlreadyResponded):
            await request.reject(code)


async def test_a_cancelled_session_does_not_say_that_it_was_a_matter_of_rights() -> None:
    """`Relay.deny` cancels with 403; the client learns a mere application code, and only its next dial is `is_auth`."""
    async with relay() as running, dial(running) as client:
        (await running.session()).cancel(403)
        reason = await end_of(client.session)
        assert reason is not None
        assert (reason.kind, reason.code) == (moq.ProtocolKind.APP, 403)


async def test_a_reconnecting_client_comes_back_with_the_grant_that_was_revoked() -> None:
    """Why `Verifier` keeps a deny list, and `moq.connect` switches reconnecting off."""
    async with relay() as running, dial(running, reconnect=True) as client:
        (await running.session()).cancel(403)
        await running.session(1)
        assert await client.session.status() is not None
        assert client.session.epoch() == 2


async def test_a_reconnecting_client_accepts_a_rejection() -> None:
    """Only a session that was open is dialled again: a denied grant is asked for once more, and that is all."""
    async with door() as plain, dial(plain, reconnect=True) as client:
        await (await anext(plain.server)).reject(403)
        reason = await end_of(client.session)
        assert reason is not None and reason.kind == moq.ProtocolKind.UNAUTHORIZED


async def test_a_one_shot_client_stays_away() -> None:
    """`Uplink` owns the redialling: two loops that dial would hold two sessions."""
    async with relay() as running, dial(running) as client:
        (await running.session()).cancel(1)
        with pytest.raises(moq.Error):
            await client.session.closed()
        async with dial(running):
            await running.session(1)
        assert len(running.sessions) == 2


async def test_leaving_a_client_tells_the_server_while_the_process_lives() -> None:
    """`Uplink` lingers after its shutdown; the CLOSE is sent by a task of the library's, after the call."""
    async with relay() as running:
        async with dial(running):
            held = await running.session()
        reason = await end_of(held)
        assert reason is not None and reason.kind == moq.ProtocolKind.CANCEL


async def test_a_session_lives_only_as_long_as_it_is_held() -> None:
    """`RelaySession` holds each session; `Relay` never lets go of one by accident."""
    async with door() as plain, dial(plain) as client:
        session = await (await anext(plain.server)).accept()
        del session
        with pytest.raises(moq.Error):
            await client.session.closed()


async def test_serve_leaves_an_exception_behind_for_each_session_that_ends() -> None:
    """Why `Relay` has an accept loop of its own: nobody fetches these, and asyncio logs each."""
    shared = origin()
    here = shared.create_broadcast("here")
    here.announce()
    async with door(shared) as plain:
        serving = asyncio.ensure_future(plain.server.serve())
        before = asyncio.all_tasks()
        async with dial(plain) as client:
            await client.announced_broadcast("here")  # comes after the accept: the session's task is waiting
            holding = asyncio.all_tasks() - before
        await asyncio.wait(holding)
        assert isinstance(holding.pop().exception(), moq.Error)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_statistics_stay_readable_at_the_server_only() -> None:
    """`RelaySession.sample` bills the last bytes after the close; `Liveness` reads `None` as: no transport any more."""
    async with relay() as running, dial(running) as client:
        held = await running.session()
        open_bytes = held.stats().bytes_sent
        held.cancel(1)
        with suppress(moq.Error):
            await client.session.closed()
        assert client.session.stats().packets_received is None
        closed_bytes = held.stats().bytes_sent
        assert open_bytes is not None and closed_bytes is not None and closed_bytes >= open_bytes > 0


async def test_announcing_is_acknowledged_and_so_tells_whether_a_peer_lives() -> None:
    """`Poke`: a packet comes back although nobody listens to the name, for announcing and for retracting alike."""
    mine = origin()
    name = mine.create_broadcast("_poke/0")
    async with relay() as running, dial(running, publish=mine) as client:
        told = Announcements(running.origin.consume())
        for act in (name.announce, name.unannounce, name.announce):
            before = heard(client.session)
            act()
            path, _, _ = await told.next()
            assert path == "_poke/0", "names with an underscore are visible: gates must leave them out"
            await until(lambda before=before: heard(client.session) > before)  # type: ignore[misc]


async def test_liveness_cannot_be_set() -> None:
    """Why `Liveness` exists. When this fails, the library may have become able to do it."""
    words = ("idle", "keep_alive", "keepalive", "timeout")
    for made in (moq.Client, moq.Server):
        assert not [name for name in inspect.signature(made).parameters if any(word in name for word in words)]


async def test_the_native_log_level_is_set_once_in_a_process() -> None:
    """`silence_native_logs` ignores the second time."""
    with suppress(moq.Error):
        moq.log_level("error")
    with pytest.raises(moq.Error):
        moq.log_level("error")
