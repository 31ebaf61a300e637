"""Signing, the guard against private addresses, and single attempts at a real receiver, over HTTP and TLS."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from skyriver.kernel.networks import is_public
from skyriver.platform.webhooks.addresses import (
    BadWebhookUrl,
    PrivateAddress,
    address_of,
    read_url,
    resolve,
)
from skyriver.platform.webhooks.model import RETRY_LAST_S, new_signing_secret, retry_pause_s, signature
from skyriver.platform.webhooks.sending import Message, Sender
from tests.platform.webhooks.receiver import receiving

MESSAGE = Message("evt_1", b'{"type":"channel.live"}')
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_the_specifications_own_example() -> None:
    """The example of the Standard Webhooks specification's libraries."""
    body = b'{"test": 2432232314}'
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_pauses_grow_to_hours_and_are_spread() -> None:
    assert [round(retry_pause_s(n, lambda: 0.5)) for n in (1, 2, 3)] == [5, 15, 45]
    assert retry_pause_s(1000, lambda: 0.5) == RETRY_LAST_S
    assert retry_pause_s(1, lambda: 0.0) == pytest.approx(4) and retry_pause_s(1, lambda: 1.0) == pytest.approx(6)


@pytest.mark.parametrize(
    "url",
    ["ftp://a.test/", "https://", "https:///x", "https://u:p@a.test/", "https://a.test/#f", "https://a.test:99999/",
     "https://a.test/a b", "javascript:alert(1)", "//a.test/", "https://[::1/", "https://a.test/\x00", ""],
)  # fmt: skip
def test_urls_that_cannot_be_called(url: str) -> None:
    with pytest.raises(BadWebhookUrl):
        read_url(url)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"http://a.test/{text}"):
        with contextlib.suppress(BadWebhookUrl):
            assert read_url(url).host


PRIVATE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "::1",
           "224.0.0.1", "fe80::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
           "::", "255.255.255.255", "192.0.0.192", "168.63.129.16", "fec0::1", "::127.0.0.1"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_addresses_are_refused(address: str) -> None:
    async def find(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14", address]  # one good address does not help

    assert not is_public(address)
    with pytest.raises(PrivateAddress):
        await address_of(read_url("https://hooks.test/"), allow_private=False, find=find)
    assert await address_of(read_url("https://hooks.test/"), allow_private=True, find=find) == "93.184.215.14"


async def test_public_addresses_pass_and_odd_spellings_of_private_ones_do_not() -> None:
    assert is_public("93.184.215.14") and is_public("2606:4700::1111")
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]"):
        with pytest.raises(PrivateAddress):
            await address_of(read_url(f"http://{host}/"), allow_private=False, find=resolve)


async def test_a_message_arrives_signed_at_the_address_that_was_checked() -> None:
    asked = []

    async def find(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    sender = Sender(allow_private=True, find=find)
    async with receiving() as receiver:
        url = receiver.url("/a?b=c", host="hooks.test")
        attempt = await sender.send(url, SECRET, MESSAGE)
        (request,) = receiver.requests
    await sender.close()
    assert attempt.delivered and attempt.status == 200 and attempt.error == ""
    assert asked == ["hooks.test"], "resolved once, and by the guard"
    assert request.line == "POST /a?b=c HTTP/1.1" and request.headers["host"] == f"hooks.test:{receiver.port}"
    assert request.body == MESSAGE.body and request.headers["webhook-id"] == MESSAGE.id
    signed = f"evt_1.{request.headers['webhook-timestamp']}.".encode() + request.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


async def test_what_a_receiver_or_the_network_does_wrong_becomes_words() -> None:
    sender, impatient = Sender(allow_private=True), Sender(allow_private=True, timeout_s=0.05)
    guarded = Sender(allow_private=False)
    async with receiving() as receiver:
        receiver.status, receiver.answer = 500, b"no\x00room" * 100_000
        failed = await sender.send(receiver.url(), SECRET, MESSAGE)
        assert failed.status == 500 and failed.error.startswith("noroom") and len(failed.error) <= 300
        receiver.status, receiver.answer = 302, b""
        moved = await sender.send(receiver.url(), SECRET, MESSAGE)
        assert not moved.delivered and len(receiver.requests) == 2, "redirects are not followed"
        receiver.answer = None
        silent = await impatient.send(receiver.url(), SECRET, MESSAGE)
        assert silent.status is None and "No answer within 0.05 s" in silent.error
        before = len(receiver.requests)
        refused = await guarded.send(receiver.url(), SECRET, MESSAGE)
        assert refused.status is None and "private network" in refused.error
        assert len(receiver.requests) == before
    nobody = await sender.send(receiver.url(), SECRET, MESSAGE)
    assert nobody.status is None and "ConnectError" in nobody.error
    nowhere = await sender.send("https://no-such-host.invalid/", SECRET, MESSAGE)
    assert nowhere.status is None and "could not be resolved" in nowhere.error
    for one in (sender, impatient, guarded):
        await one.close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `name`, and a client's that trusts exactly that one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(pem + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_tls_is_verified_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    async def find(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    server, client = certificate(tmp_path, "hooks.test")
    sender = Sender(allow_private=True, find=find, tls=client)
    async with receiving(server) as receiver:
        good = await sender.send(receiver.url(host="hooks.test", scheme="https"), SECRET, MESSAGE)
        other = await sender.send(receiver.url(host="other.test", scheme="https"), SECRET, MESSAGE)
    await sender.close()
    assert good.delivered
    assert other.status is None and "CERTIFICATE_VERIFY_FAILED" in other.error


def test_secrets_are_random_and_long() -> None:
    first, second = new_signing_secret(), new_signing_secret()
    assert first != second and len(base64.b64decode(first.removeprefix("whsec_"))) == 32
