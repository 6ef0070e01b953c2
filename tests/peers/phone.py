#!/usr/bin/env python3
"""A phone for tests: an XMPP client that speaks OMEMO and shares files, driven line by line.

None of its protocol is ours: slixmpp speaks XMPP, slixmpp-omemo and python-omemo do OMEMO,
cryptography does AES-GCM. Some of them are AGPL, so the phone stays a program of its own.

One JSON object a line comes in on stdin:   {"seq": 1, "do": "send_text", "to": "…", "text": "…"}
One JSON object a line goes out on stdout:  {"event": "done", "seq": 1, "ok": true, …} and whatever
happens meanwhile: online, message, file, ratchet, receipt, chatstate, presence, …
It announces the namespaces that --namespaces lists, and writes in the first of them.
Each method of Phone whose name begins with do_ is one order. The end of stdin ends the phone.
"""
import argparse
import asyncio
import base64
import hashlib
import json
import logging
import os
import re
import secrets
import ssl
import sys
from pathlib import Path
from typing import Any, Iterable, Optional
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
import oldmemo
import oldmemo.etree
import twomemo
import twomemo.etree
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from omemo.session_manager import SessionManager
from omemo.storage import Just, Maybe, Nothing, Storage
from slixmpp import JID
from slixmpp.clientxmpp import ClientXMPP
from slixmpp.plugins import register_plugin
from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp_omemo import XEP_0384, TrustLevel
from slixmpp_omemo.xep_0384 import _make_session_manager

import sharing

LEGACY = oldmemo.oldmemo.NAMESPACE
OMEMO2 = twomemo.twomemo.NAMESPACE
NAMESPACES = {"legacy": LEGACY, "omemo2": OMEMO2}
SCE = "{urn:xmpp:sce:1}"
CLIENT = "{jabber:client}"
CARBONS = "{urn:xmpp:carbons:2}"
RECEIPTS = "{urn:xmpp:receipts}"
MARKERS = "{urn:xmpp:chat-markers:0}"
CHATSTATES = "{http://jabber.org/protocol/chatstates}"
REACTIONS = "{urn:xmpp:reactions:0}"
CORRECT = "{urn:xmpp:message-correct:0}"
DISCO_INFO = "{http://jabber.org/protocol/disco#info}"
FALLBACK = "I sent you an OMEMO encrypted message but your client doesn't seem to support that."
TAG_BYTES = 16

log = logging.getLogger("phone")


def emit(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}, ensure_ascii=False), flush=True)


def fingerprint(identity_key: bytes) -> str:
    """The form that Conversations shows, without blanks."""
    return re.sub(r"\s", "", "".join(SessionManager.format_identity_key(identity_key))).lower()


# ------------------------------------------------------------------------------ what is on the wire

def corrected(elements: Iterable[ET.Element]) -> Optional[str]:
    """The id of the message whose place one takes (XEP-0308)."""
    ids = [it.get("id") for it in elements if it.tag == CORRECT + "replace"]
    return ids[0] if ids else None


def protobuf(data: bytes) -> dict[int, Any]:
    """The fields of a flat protobuf message: integers and byte strings, the last of each number."""
    fields: dict[int, Any] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            fields[number] = varint()
        elif kind == 2:
            length = varint()
            if at + length > len(data):
                raise ValueError("a field runs over the end")
            fields[number] = data[at:at + length]
            at += length
        else:
            raise ValueError(f"wire type {kind}")
    return fields


def ratchet_header(element: bytes, prekey: bool, namespace: str) -> dict[str, Any]:
    """Ratchet key and counter of a key element: together they name one message key."""
    if namespace == OMEMO2:
        # XEP-0384 v0.9.1 15
        inner, extra = element, {}
        if prekey:
            exchange = protobuf(element)
            inner, extra = exchange[5], {"prekey_id": exchange[1], "base_key": exchange[4].hex()}
        message = protobuf(protobuf(inner)[2])
        return {"ratchet_key": message[3].hex(), "counter": message[1],
                "previous_counter": message[2], **extra}
    if prekey:
        # XEP-0384 v0.3.0 4.4: version byte, then the key exchange, whose field 4 is the message.
        exchange = protobuf(element[1:])
        inner, extra = exchange[4], {"prekey_id": exchange.get(1), "base_key": exchange[2].hex()}
    else:
        inner, extra = element, {}
    # Version byte, message, 8 bytes of MAC.
    message = protobuf(inner[1:-8])
    return {"ratchet_key": message[1].hex(), "counter": message.get(2, 0),
            "previous_counter": message.get(3, 0), **extra}


def sce_envelope(elements: list[ET.Element], sender: str, recipient: str) -> bytes:
    """What urn:xmpp:omemo:2 encrypts (XEP-0420)."""
    envelope = ET.Element(SCE + "envelope")
    ET.SubElement(envelope, SCE + "content").extend(elements)
    ET.SubElement(envelope, SCE + "rpad").text = secrets.token_urlsafe(1 + secrets.randbelow(150))
    ET.SubElement(envelope, SCE + "from", {"jid": sender})
    ET.SubElement(envelope, SCE + "to", {"jid": recipient})
    return ET.tostring(envelope, encoding="utf-8")


# -------------------------------------------------------------------------------------- OMEMO state

class JsonStorage(Storage):
    """python-omemo's state in one JSON file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.values = json.loads(path.read_text()) if path.exists() else {}

    async def _load(self, key: str) -> Maybe:
        return Just(self.values[key]) if key in self.values else Nothing()

    async def _store(self, key: str, value: Any) -> None:
        self.values[key] = value
        self._write()

    async def _delete(self, key: str) -> None:
        self.values.pop(key, None)
        self._write()

    def _write(self) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.values))
        os.replace(new, self.path)


class PhoneOmemo(XEP_0384):
    """slixmpp-omemo's plugin for some namespaces, trusting blindly."""

    name = "xep_0384"
    default_config = {**XEP_0384.default_config, "json_file": None, "namespaces": [LEGACY]}

    def plugin_init(self) -> None:
        self._storage = JsonStorage(Path(self.json_file))
        self._manager: Optional[SessionManager] = None
        self._manager_lock = asyncio.Lock()
        super().plugin_init()

    def plugin_end(self) -> None:
        pass

    @property
    def storage(self) -> Storage:
        return self._storage

    @property
    def _btbv_enabled(self) -> bool:
        return True

    async def _devices_blindly_trusted(self, blindly_trusted, identifier) -> None:
        pass

    async def _prompt_manual_trust(self, manually_trusted, identifier) -> None:
        raise ValueError("the phone trusts blindly, or not at all")

    async def get_session_manager(self) -> SessionManager:
        async with self._manager_lock:
            if self._manager is None:
                backends = {LEGACY: oldmemo.Oldmemo, OMEMO2: twomemo.Twomemo}
                manager = await _make_session_manager(self.xmpp, self).create(
                    [backends[it](self.storage, 1000, None) for it in self.namespaces],
                    self.storage,
                    self.xmpp.boundjid.bare, initial_own_label=None,
                    undecided_trust_level_name=TrustLevel.UNDECIDED.value)
                await manager.ensure_data_consistency()
                await manager.after_history_sync()
                self._manager = manager
                self.xmpp.event("omemo_initialized")
            return self._manager

    async def _on_device_list_update(self, msg) -> None:
        try:
            await super()._on_device_list_update(msg)
        except Exception as error:
            log.info("a device list was ignored: %r", error)

    async def _on_subscription_changed(self, presence) -> None:
        pass


register_plugin(PhoneOmemo)


# ---------------------------------------------------------------------------------------- the phone

class Phone(ClientXMPP):
    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options.jid, options.password)
        self.options = options
        self.state = Path(options.state)
        self.state.mkdir(parents=True, exist_ok=True)
        self.order = asyncio.Lock()
        self.ready: asyncio.Future = asyncio.get_event_loop().create_future()
        self.send_receipts = True
        self.namespaces = [NAMESPACES[it] for it in options.namespaces.split(",")]
        self.logging_out = False
        self.enable_plaintext = False
        self.enable_direct_tls = False
        self.ca_certs = Path(options.cafile)
        self.http_tls = ssl.create_default_context(cafile=options.cafile)
        # Both ways of the subscription are orders of the test, not habits of the library.
        self.auto_authorize = None
        self.auto_subscribe = False
        for plugin in ("0030", "0060", "0115", "0163", "0198", "0199", "0280", "0334", "0363",
                       "0380", "0359"):
            self.register_plugin(f"xep_{plugin}")
        self.register_plugin("xep_0384", {"json_file": str(self.state / "omemo.json"),
                                          "namespaces": self.namespaces},
                             module=sys.modules[__name__])
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("failed_all_auth", lambda _: self.fail("authentication failed"))
        self.add_event_handler("connection_failed", lambda why: self.fail(f"no connection: {why}"))
        self.add_event_handler("disconnected", self.on_disconnected)
        # The library's own "message" event leaves out what has no body: receipts, typing, OMEMO.
        self.register_handler(CoroutineCallback(
            "every message", MatchXPath("{jabber:client}message"), self.on_message_in_order))
        self.add_filter("in", self.report_question)
        self.register_handler(CoroutineCallback(
            "every presence", MatchXPath("{jabber:client}presence"), self.on_presence))

    def report_question(self, stanza):
        """Reports who asks what this client can do."""
        asks = stanza.xml.tag == CLIENT + "iq" and stanza.xml.get("type") == "get"
        if asks and stanza.xml.find(DISCO_INFO + "query") is not None:
            emit("disco", **{"from": JID(stanza.xml.get("from") or "").bare})
        return stanza

    def fail(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))

    async def on_start(self, _event) -> None:
        try:
            await self.get_roster()
            self.send_presence()
            await self.plugin["xep_0280"].enable()
            own = await self.own_device()
            emit("online", jid=str(self.boundjid), **own)
            self.ready.done() or self.ready.set_result(True)
        except Exception as error:
            log.exception("start")
            self.fail(f"{type(error).__name__}: {error}")

    async def on_disconnected(self, _event) -> None:
        if not self.logging_out:
            emit("disconnected")
            self.connect(self.options.host, self.options.port)

    async def manager(self) -> SessionManager:
        return await self.plugin["xep_0384"].get_session_manager()

    async def own_device(self) -> dict[str, Any]:
        own, _ = await (await self.manager()).get_own_device_information()
        return {"device": own.device_id, "fingerprint": fingerprint(own.identity_key)}

    # ------------------------------------------------------------------------------- what comes in

    async def on_presence(self, presence) -> None:
        if presence["from"].bare == self.boundjid.bare:
            return
        kind = presence.xml.get("type", "available")
        emit("presence", **{"from": presence["from"].bare}, kind=kind,
             show=presence["show"], status=presence["status"])

    async def on_message_in_order(self, message) -> None:
        # Handlers run as tasks: a short text could overtake a long decryption.
        async with self.order:
            try:
                await self.on_message(message)
            except Exception as error:
                log.exception("message")
                emit("phone-error", error=f"{type(error).__name__}: {error}")

    async def on_message(self, message) -> None:
        for way in ("received", "sent"):
            wrapper = message.xml.find(CARBONS + way)
            if wrapper is not None:
                if message["from"].bare == self.boundjid.bare:
                    await self.on_stanza(message["carbon_" + way], carbon=way)
                return
        await self.on_stanza(message, carbon=None)

    async def on_stanza(self, message, carbon: Optional[str]) -> None:
        stanza = message.xml
        about = {"from": message["from"].bare, "id": stanza.get("id"), "carbon": carbon,
                 "delayed": stanza.find("{urn:xmpp:delay}delay") is not None}
        self.report_signs(stanza, about)
        if stanza.get("type") == "error":
            emit("error", **about, xml=ET.tostring(stanza, encoding="unicode"))
            return
        asks = stanza.find(RECEIPTS + "request") is not None
        about["corrects"] = corrected(stanza)
        namespace, encrypted = self.find_encrypted(stanza)
        if encrypted is None:
            if message["body"]:
                emit("message", **about, encrypted=False, body=message["body"])
            return
        about["namespace"] = namespace
        manager = await self.manager()
        own = (await self.own_device())["device"]
        self.report_ratchet(namespace, encrypted, about, own)
        try:
            if namespace == LEGACY:
                parsed = await oldmemo.etree.parse_message(
                    encrypted, message["from"].bare, self.boundjid.bare, manager)
            else:
                parsed = twomemo.etree.parse_message(encrypted, message["from"].bare)
            plaintext, device, _ = await manager.decrypt(parsed)
        except Exception as error:
            emit("undecryptable", **about, error=f"{type(error).__name__}: {error}")
            return
        about["device"] = device.device_id
        about["fingerprint"] = fingerprint(device.identity_key)
        if plaintext is None:
            emit("empty", **about)
            return
        inside: list[ET.Element] = []
        if namespace == OMEMO2:
            inside = self.read_sce(plaintext, message)
            self.report_signs(inside, about)
            about["corrects"] = corrected(inside)
            asks = any(child.tag == RECEIPTS + "request" for child in inside)
            for child in inside:
                if child.tag == sharing.SFS + "file-sharing":
                    await self.receive_described(child, about)
            bodies = [child.text for child in inside if child.tag == CLIENT + "body"]
            if not bodies:
                emit("bodiless", **about, inside=[child.tag for child in inside])
                return
            body = bodies[0] or ""
        else:
            body = plaintext.decode("utf-8", "replace")
        emit("message", **about, encrypted=True, body=body, asks_receipt=asks,
             outer=[child.tag for child in stanza], inside=[child.tag for child in inside],
             length=len(plaintext))
        if asks and self.send_receipts and carbon is None:
            await self.send_receipt(namespace, message["from"].bare, stanza.get("id"))
        for line in body.split("\n"):
            if line.startswith("aesgcm://"):
                await self.receive_file(line.strip(), about)

    def find_encrypted(self, stanza: ET.Element) -> tuple[str, Optional[ET.Element]]:
        """The encrypted element of the namespace that comes first in our own liking."""
        for namespace in self.namespaces:
            encrypted = stanza.find(f"{{{namespace}}}encrypted")
            if encrypted is not None:
                return namespace, encrypted
        return LEGACY, None

    def read_sce(self, plaintext: bytes, message) -> list[ET.Element]:
        """The content of an envelope, checked as XEP-0420 and XEP-0384 want it."""
        envelope = ET.fromstring(plaintext)
        assert envelope.tag == SCE + "envelope", envelope.tag
        affixes = {it.tag.removeprefix(SCE): it for it in envelope}
        assert set(affixes) == {"content", "rpad", "time", "to", "from"}, affixes
        assert affixes["from"].get("jid") == message["from"].bare
        assert affixes["to"].get("jid") == self.boundjid.bare
        return list(affixes["content"])

    async def send_receipt(self, namespace: str, to: str, received: str) -> None:
        element = ET.Element(RECEIPTS + "received", {"id": received})
        if namespace == OMEMO2:
            await self.send_sce(to, [element])
            return
        answer = self.make_message(mto=JID(to), mtype="chat")
        answer.append(element)
        answer.send()

    def report_signs(self, elements: Iterable[ET.Element], about: dict[str, Any]) -> None:
        """Reports what accompanies a conversation without being one."""
        for child in elements:
            if child.tag == RECEIPTS + "received":
                emit("receipt", **about, receipt_for=child.get("id"))
            if child.tag.startswith(CHATSTATES):
                emit("chatstate", **about, state=child.tag.removeprefix(CHATSTATES))
            if child.tag.startswith(MARKERS) and child.get("id"):
                emit("marker", **about, marker=child.tag.removeprefix(MARKERS),
                     marker_for=child.get("id"))
            if child.tag == REACTIONS + "reactions":
                emit("reactions", **about, reactions_to=child.get("id"),
                     reactions=[it.text for it in child])

    def report_ratchet(self, namespace: str, encrypted: ET.Element, about: dict[str, Any],
                       own: int) -> None:
        """Reports which message key the sender has used for us, before anything is decrypted."""
        header = encrypted.find(f"{{{namespace}}}header")
        keys = [] if header is None else list(header.iter(f"{{{namespace}}}key"))
        recipients = sorted(int(key.get("rid")) for key in keys)
        mark = "prekey" if namespace == LEGACY else "kex"
        for key in keys:
            if int(key.get("rid")) != own:
                continue
            element = base64.b64decode(key.text or "")
            prekey = key.get(mark) in ("true", "1")
            try:
                fields = ratchet_header(element, prekey, namespace)
            except Exception as error:
                emit("ratchet-unreadable", **about, error=f"{type(error).__name__}: {error}")
                continue
            emit("ratchet", **about, sender_device=int(header.get("sid")), prekey=prekey,
                 recipients=recipients, element=hashlib.sha256(element).hexdigest(), **fields)

    async def receive_file(self, link: str, about: dict[str, Any]) -> None:
        parts = urlsplit(link)
        try:
            secret = bytes.fromhex(parts.fragment)
            iv, key = secret[:-32], secret[-32:]
            url = "https://" + link.removeprefix("aesgcm://").split("#")[0]
            name = unquote(parts.path.rsplit("/", 1)[-1])
            async with aiohttp.ClientSession() as session:
                async with session.get(url, ssl=self.http_tls) as answer:
                    if answer.status != 200:
                        raise ValueError(f"status {answer.status}")
                    blob = await answer.read()
            data = opened(blob, iv, key)
        except Exception as error:
            emit("file-error", **about, link=link, error=f"{type(error).__name__}: {error}")
            return
        folder = self.state / "received"
        folder.mkdir(exist_ok=True)
        path = folder / secrets.token_hex(8)
        path.write_bytes(data)
        emit("file", **about, path=str(path), name=name, size=len(data), link=link,
             sha256=hashlib.sha256(data).hexdigest(), iv=iv.hex(), key=key.hex())

    async def receive_described(self, element: ET.Element, about: dict[str, Any]) -> None:
        try:
            told = sharing.read(element)
            async with aiohttp.ClientSession() as session:
                async with session.get(told["url"], ssl=self.http_tls) as answer:
                    if answer.status != 200:
                        raise ValueError(f"status {answer.status}")
                    blob = await answer.read()
            data = sharing.opened(blob, told["cipher"], told["key"], told["iv"])
            data = sharing.checked(data, blob, told)
        except Exception as error:
            emit("file-error", **about, error=f"{type(error).__name__}: {error}")
            return
        folder = self.state / "received"
        folder.mkdir(exist_ok=True)
        path = folder / secrets.token_hex(8)
        path.write_bytes(data)
        emit("file", **about, path=str(path), name=told["name"], size=len(data), link=told["url"],
             sha256=hashlib.sha256(data).hexdigest(), cipher=told["cipher"],
             media_type=told["media_type"], disposition=told["disposition"],
             hashes=sorted(told["hashes"]), sealed_hashes=sorted(told["sealed_hashes"]),
             date=told["date"], iv_bytes=len(told["iv"]))

    # ------------------------------------------------------------------------------- what goes out

    async def send_omemo(self, to: str, body: bytes, receipt: bool = True,
                         fallback: bool = True, namespace: Optional[str] = None) -> dict[str, Any]:
        """Sends a text in one namespace: the one given, or the first that we announce."""
        if (NAMESPACES[namespace] if namespace else self.namespaces[0]) == OMEMO2:
            text = ET.Element(CLIENT + "body")
            text.text = body.decode()
            asks = [ET.Element(RECEIPTS + "request")] if receipt else []
            return await self.send_sce(to, [text, *asks])
        around = [ET.Element(RECEIPTS + "request"), ET.Element(MARKERS + "markable")]
        return await self.send_sealed(LEGACY, to, body, FALLBACK if fallback else None,
                                      around if receipt else [])

    async def send_sce(self, to: str, elements: list[ET.Element],
                       bare: bool = False) -> dict[str, Any]:
        envelope = sce_envelope(elements, self.boundjid.bare, to)
        return await self.send_sealed(OMEMO2, to, envelope, None, [], bare)

    async def send_sealed(self, namespace: str, to: str, content: bytes, body: Optional[str],
                          around: list[ET.Element], bare: bool = False) -> dict[str, Any]:
        """With bare, nothing stands beside what is encrypted: no name of it, no hint, no id."""
        manager = await self.manager()
        await manager.refresh_device_list(namespace, to)
        sealed, errors = await manager.encrypt(
            frozenset({to}), {namespace: content}, backend_priority_order=[namespace])
        for error in errors:
            emit("encrypt-warning", error=str(error))
        message = self.make_message(mto=JID(to), mtype="chat", mbody=body)
        message["id"] = self.new_id()
        etree = oldmemo.etree if namespace == LEGACY else twomemo.etree
        devices = []
        for one in sealed:
            message.append(etree.serialize_message(one))
            devices += [f"{key.bare_jid}/{key.device_id}" for key, _ in one.keys]
        beside = [
            ET.Element("{urn:xmpp:eme:0}encryption", {"namespace": namespace, "name": "OMEMO"}),
            ET.Element("{urn:xmpp:hints}store"),
            ET.Element("{urn:xmpp:sid:0}origin-id", {"id": message["id"]}),
        ]
        for element in [*([] if bare else beside), *around]:
            message.append(element)
        message.send()
        return {"id": message["id"], "devices": sorted(devices)}

    async def slot(self, name: str, size: int, content_type: str):
        upload = self.plugin["xep_0363"]
        service = await upload.find_upload_service()
        if service is None:
            raise RuntimeError("the server has no upload service")
        answer = await upload.request_slot(service["from"], name, size, content_type, timeout=20)
        return answer["http_upload_slot"]

    async def put(self, blob: bytes, name: str, content_type: str) -> str:
        slot = await self.slot(name, len(blob), content_type)
        # from the element itself: slixmpp looks for it under a language, and ejabberd names one
        link = slot.xml.find("{urn:xmpp:http:upload:0}get").get("url")
        headers = {header["name"]: header["value"].replace("\n", "")
                   for header in slot["put"]["headers"]
                   if header["name"].lower() in ("authorization", "cookie", "expires")}
        headers["Content-Type"] = content_type
        async with aiohttp.ClientSession() as session:
            async with session.put(slot["put"]["url"], data=blob, headers=headers,
                                   ssl=self.http_tls) as answer:
                if not 200 <= answer.status < 300:
                    raise RuntimeError(f"the upload was answered with {answer.status}")
        return link

    # --------------------------------------------------------------------------------- the orders

    async def do_send_text(self, to: str, text: str, receipt: bool = True,
                           namespace: Optional[str] = None) -> dict[str, Any]:
        return await self.send_omemo(to, text.encode(), receipt, namespace=namespace)

    async def do_send_beside(self, to: str, text: str, xml: str) -> dict[str, Any]:
        """Sends a text encrypted in the legacy namespace, with elements in clear beside it."""
        return await self.send_sealed(LEGACY, to, text.encode(), FALLBACK,
                                      list(ET.fromstring(f"<x>{xml}</x>")))

    async def do_items(self, jid: str, node: str) -> dict[str, Any]:
        """The text of the items of somebody's node."""
        answer = await self.plugin["xep_0060"].get_items(JID(jid), node, timeout=20)
        items = answer.xml.iter("{http://jabber.org/protocol/pubsub}item")
        return {"items": ["".join(it.itertext()) for it in items]}

    async def do_announce(self, feature: str) -> dict[str, Any]:
        """Announces that this client can do something more, to all who see its presence."""
        self.plugin["xep_0030"].add_feature(feature)
        await self.plugin["xep_0115"].update_caps(broadcast=False)
        self.send_presence()
        return {}

    async def do_send_envelope(self, to: str, xml: str) -> dict[str, Any]:
        """Encrypts what is given in urn:xmpp:omemo:2, whether it is an envelope or not."""
        return await self.send_sealed(OMEMO2, to, xml.encode(), None, [])

    async def do_send_inside(self, to: str, xml: str) -> dict[str, Any]:
        """Encrypts these elements as the content of an envelope."""
        return await self.send_sce(to, list(ET.fromstring(f"<x>{xml}</x>")))

    async def do_send_bytes(self, to: str, body: str) -> dict[str, Any]:
        """Sends encrypted bytes, given in hex, that need not be a text."""
        return await self.send_omemo(to, bytes.fromhex(body))

    async def do_send_bodiless(self, to: str, text: str) -> dict[str, Any]:
        """Sends an encrypted text without the sentence for clients that cannot decrypt."""
        return await self.send_omemo(to, text.encode(), fallback=False)

    async def do_send_forged(self, to: str, text: str, forged: Optional[str]) -> dict[str, Any]:
        """Encrypts a text as ever, then puts another body under the same key and tag, as any device
        can that the text was encrypted for; without `forged` the text itself."""
        honest = oldmemo.Oldmemo.encrypt_plaintext

        async def encrypt(backend, plaintext):
            content, material = await honest(backend, plaintext)
            if forged is not None:
                ciphertext = forged_under(material.key, content.initialization_vector,
                                          material.auth_tag, forged.encode())
                content = oldmemo.oldmemo.ContentImpl(ciphertext, content.initialization_vector)
            return content, material

        oldmemo.Oldmemo.encrypt_plaintext = encrypt
        try:
            return await self.send_omemo(to, text.encode())
        finally:
            oldmemo.Oldmemo.encrypt_plaintext = honest

    async def do_send_plain(self, to: str, text: str) -> dict[str, Any]:
        message = self.make_message(mto=JID(to), mtype="chat", mbody=text)
        message["id"] = self.new_id()
        message.send()
        return {"id": message["id"]}

    async def do_send_empty(self, to: str) -> dict[str, Any]:
        """Builds a new session with each device of a contact, which sends an empty message."""
        manager = await self.manager()
        for namespace in self.namespaces:
            await manager.refresh_device_list(namespace, to)
        for device in await manager.get_device_information(to):
            await manager.replace_sessions(device)
        return {}

    async def do_send_stanza(self, xml: str) -> dict[str, Any]:
        stanza = ET.fromstring(f"<x xmlns='jabber:client'>{xml}</x>")[0]
        kind = {"message": self.Message, "presence": self.Presence, "iq": self.Iq}
        kind[stanza.tag.removeprefix("{jabber:client}")](xml=stanza).send()
        return {}

    async def do_encrypt(self, path: str, out: str, **how: Any) -> dict[str, Any]:
        """Writes the ciphertext of a file, for a server of the test's own."""
        blob, secret = sealed(Path(path).read_bytes(), **how)
        Path(out).write_bytes(blob)
        return {"fragment": secret, "size": len(blob)}

    async def do_send_file(self, to: str, path: str, name: Optional[str] = None,
                           url_name: Optional[str] = None, **how: Any) -> dict[str, Any]:
        """Encrypts, uploads and announces a file.

        name is told to the upload service, url_name (percent-encoded) replaces the last part of
        the URL afterwards. See sealed for the rest.
        """
        data = Path(path).read_bytes()
        blob, secret = sealed(data, **how)
        url = await self.put(blob, name or Path(path).name, "application/octet-stream")
        if url_name is not None:
            url = url.rsplit("/", 1)[0] + "/" + url_name
        body = "aesgcm://" + url.removeprefix("https://") + "#" + secret
        sent = await self.send_omemo(to, body.encode())
        return {**sent, "body": body, "url": url, "size": len(data), "sealed_size": len(blob),
                "sha256": hashlib.sha256(data).hexdigest()}

    async def do_seal_file(self, path: str, out: str, **how: Any) -> dict[str, Any]:
        """Writes the ciphertext of a file that a message will describe; see sealed in sharing.py."""
        return sharing.sealed_file(path, out, **how)

    async def do_send_described(self, to: str, files: list[dict[str, Any]],
                                text: Optional[str] = None,
                                bare: bool = False) -> dict[str, Any]:
        """Describes files that lie on a server; see described in sharing.py."""
        elements = [sharing.described(**file) for file in files]
        if text is not None:
            body = ET.Element(CLIENT + "body")
            body.text = text
            elements.insert(0, body)
        return await self.send_sce(to, elements, bare)

    async def do_attach_source(self, to: str, message: str, file: dict[str, Any],
                               text: Optional[str] = None) -> dict[str, Any]:
        """Says where a file is that an earlier message described (XEP-0447 3.3)."""
        elements = sharing.attached(message, file)
        if text is not None:
            body = ET.Element(CLIENT + "body")
            body.text = text
            fallback = ET.Element("{urn:xmpp:fallback:0}fallback", {"for": "urn:xmpp:sfs:0"})
            ET.SubElement(fallback, "{urn:xmpp:fallback:0}body")
            elements += [body, fallback]
        return await self.send_sce(to, elements, False)

    async def do_upload(self, path: str, name: Optional[str] = None) -> dict[str, Any]:
        """Uploads a file as it is, as a client without OMEMO does."""
        blob = Path(path).read_bytes()
        return {"url": await self.put(blob, name or Path(path).name, "application/octet-stream")}

    async def do_slot(self, name: str, size: int) -> dict[str, Any]:
        """Asks for an upload slot that somebody else will use."""
        slot = await self.slot(name, size, "application/octet-stream")
        return {"put": slot["put"]["url"], "get": slot["get"]["url"],
                "headers": [[header["name"], header["value"]]
                            for header in slot["put"]["headers"]]}

    async def do_receipts(self, on: bool) -> dict[str, Any]:
        self.send_receipts = on
        return {}

    async def do_fingerprint(self) -> dict[str, Any]:
        return await self.own_device()

    async def do_devices(self, jid: str) -> dict[str, Any]:
        manager = await self.manager()
        for namespace in self.namespaces:
            await manager.refresh_device_list(namespace, jid)
        return {"devices": [
            {"device": it.device_id, "fingerprint": fingerprint(it.identity_key),
             "trust": it.trust_level_name,
             "active": any(dict(it.active).get(name, False) for name in self.namespaces)}
            for it in await manager.get_device_information(jid)]}

    async def do_show_bundle_of(self, jid: str, device: int) -> dict[str, Any]:
        """Publishes the bundle of somebody else's device as our own, as only a server should be
        able to."""
        pubsub = self.plugin["xep_0060"]
        answer = await pubsub.get_items(JID(jid), f"{LEGACY}.bundles:{device}", timeout=20)
        bundle = next(answer.xml.iter(f"{{{LEGACY}}}bundle"))
        own = (await self.own_device())["device"]
        await pubsub.publish(JID(self.boundjid.bare), f"{LEGACY}.bundles:{own}", id="current",
                             payload=bundle)
        return {}

    async def do_trust(self, jid: str, device: int, trusted: bool) -> dict[str, Any]:
        manager = await self.manager()
        level = TrustLevel.TRUSTED if trusted else TrustLevel.DISTRUSTED
        for it in await manager.get_device_information(jid):
            if it.device_id == device:
                await manager.set_trust(jid, it.identity_key, level.value)
                return {}
        raise ValueError("no such device")

    async def do_subscribe(self, jid: str) -> dict[str, Any]:
        self.send_presence(pto=JID(jid), ptype="subscribe")
        return {}

    async def do_approve(self, jid: str) -> dict[str, Any]:
        self.send_presence(pto=JID(jid), ptype="subscribed")
        return {}

    async def do_unsubscribe(self, jid: str) -> dict[str, Any]:
        self.send_presence(pto=JID(jid), ptype="unsubscribe")
        self.send_presence(pto=JID(jid), ptype="unsubscribed")
        return {}

    async def do_roster(self) -> dict[str, Any]:
        # Kept up to date by the server's pushes; asking again would answer "unchanged".
        return {"roster": {jid: self.client_roster[jid]["subscription"]
                           for jid in self.client_roster.keys()}}

    # ------------------------------------------------------------------------------------ the loop

    async def obey(self, line: str) -> None:
        seq = None
        try:
            order = json.loads(line)
            seq = order.pop("seq")
            result = await getattr(self, "do_" + order.pop("do"))(**order)
            emit("done", seq=seq, ok=True, **result)
        except Exception as error:
            log.info("order", exc_info=True)
            emit("done", seq=seq, ok=False, error=f"{type(error).__name__}: {error}")

    async def run(self) -> int:
        self.connect(self.options.host, self.options.port)
        try:
            await asyncio.wait_for(self.ready, 60)
        except Exception as error:
            emit("offline", error=f"{type(error).__name__}: {error}")
            return 1
        orders = asyncio.StreamReader(limit=1 << 24)
        await asyncio.get_event_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            await self.obey(line.decode())
        self.logging_out = True
        try:
            await asyncio.wait_for(self.disconnect(), 3)
        except asyncio.TimeoutError:
            pass
        return 0


def sealed(data: bytes, iv: Optional[str] = None, key: Optional[str] = None, iv_bytes: int = 12,
           fault: Optional[str] = None, by: int = 1) -> tuple[bytes, str]:
    """AES-256-GCM as XEP-0454 has it: the ciphertext with its tag, and iv and key in hex.

    fault is what goes wrong afterwards: flip-tag and flip-body turn a bit over, truncate takes
    `by` bytes off the end, extend appends as many.
    """
    nonce = bytes.fromhex(iv) if iv else secrets.token_bytes(iv_bytes)
    secret = bytes.fromhex(key) if key else secrets.token_bytes(32)
    cipher = Cipher(algorithms.AES(secret), modes.GCM(nonce)).encryptor()
    blob = bytearray(cipher.update(data) + cipher.finalize() + cipher.tag)
    if fault == "flip-tag":
        blob[-1] ^= 1
    elif fault == "flip-body":
        blob[0] ^= 1
    elif fault == "truncate":
        del blob[-by:]
    elif fault == "extend":
        blob += bytes(by)
    elif fault is not None:
        raise ValueError(f"no fault {fault}")
    return bytes(blob), nonce.hex() + secret.hex()


def opened(blob: bytes, iv: bytes, key: bytes) -> bytes:
    if len(blob) < TAG_BYTES:
        raise ValueError("shorter than its tag")
    cipher = Cipher(algorithms.AES(key), modes.GCM(iv, blob[-TAG_BYTES:])).decryptor()
    return cipher.update(blob[:-TAG_BYTES]) + cipher.finalize()


def forged_under(key: bytes, iv: bytes, tag: bytes, body: bytes) -> bytes:
    """Ciphertext of `body`, padded with blanks, and one more block that makes GCM's tag hold."""
    ecb = Cipher(algorithms.AES(key), modes.ECB())

    def block(data: bytes) -> int:
        return int.from_bytes(ecb.encryptor().update(data), "big")

    def times(x: int, y: int) -> int:
        product = 0
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                product ^= y
            y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
        return product

    def inverse(x: int) -> int:
        result = 1 << 127
        for bit in range(127, -1, -1):
            result = times(result, result)
            if ((1 << 128) - 2) >> bit & 1:
                result = times(result, x)
        return result

    body = body.ljust(-len(body) // 16 * -16)
    counter = iv + (2).to_bytes(4, "big")
    ciphertext = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update(body)
    hash_key, hashed = block(bytes(16)), 0
    for at in range(0, len(ciphertext), 16):
        hashed = times(hashed ^ int.from_bytes(ciphertext[at:at + 16], "big"), hash_key)
    wanted = int.from_bytes(tag, "big") ^ block(iv + (1).to_bytes(4, "big"))
    undo = inverse(hash_key)
    last = times(times(wanted, undo) ^ (len(body) + 16) * 8, undo) ^ hashed
    return ciphertext + last.to_bytes(16, "big")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jid", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cafile", required=True)
    parser.add_argument("--state", required=True, help="folder of the OMEMO state and of files")
    parser.add_argument("--namespaces", default="legacy", help="of legacy,omemo2; the first is used")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(Phone(options).run())


if __name__ == "__main__":
    sys.exit(main())
