"""A phone that speaks with python-omemo and its legacy backend `oldmemo`."""

import asyncio
import base64
import xml.etree.ElementTree as ET

import oldmemo
import oldmemo.etree
import omemo
from lines import NAMESPACE, OUR_JID, THEIR_JID, serve
from omemo.storage import Just, Nothing

NS = "{" + NAMESPACE + "}"


def unbase64(text):
    return base64.b64decode(text or "").hex()


def enbase64(hexed):
    return base64.b64encode(bytes.fromhex(hexed)).decode()


class Memory(omemo.Storage):
    def __init__(self):
        super().__init__(True)
        self.kept = {}

    async def _load(self, key):
        return Just(self.kept[key]) if key in self.kept else Nothing()

    async def _store(self, key, value):
        self.kept[key] = value

    async def _delete(self, key):
        self.kept.pop(key, None)


def session_manager(peer):
    """A class of its own for each device: the library wants its network as class methods."""

    class Manager(omemo.SessionManager):
        @staticmethod
        async def _upload_bundle(bundle):
            peer.bundle = bundle

        @staticmethod
        async def _download_bundle(namespace, bare_jid, device_id):
            if (bare_jid, device_id) != (THEIR_JID, peer.their_device):
                raise omemo.BundleNotFound("no such bundle")
            return oldmemo.etree.parse_bundle(peer.their_bundle, bare_jid, device_id)

        @staticmethod
        async def _delete_bundle(namespace, device_id):
            pass

        @staticmethod
        async def _upload_device_list(namespace, device_list):
            peer.device = next(iter(device_list))

        @staticmethod
        async def _download_device_list(namespace, bare_jid):
            device = peer.their_device if bare_jid == THEIR_JID else peer.device
            return {} if device is None else {device: None}

        async def _evaluate_custom_trust_level(self, device):
            return omemo.TrustLevel.TRUSTED

        async def _make_trust_decision(self, undecided, identifier):
            raise AssertionError("every device is trusted")

        @staticmethod
        async def _send_message(message, bare_jid):
            peer.sent.append(to_json(oldmemo.etree.serialize_message(message)))

    return Manager


def to_json(element):
    header = element.find(NS + "header")
    payload = element.find(NS + "payload")
    return {
        "sid": int(header.get("sid")),
        "iv": unbase64(header.findtext(NS + "iv")),
        "payload": None if payload is None else unbase64(payload.text),
        "keys": [
            {
                "rid": int(key.get("rid")),
                "prekey": key.get("prekey") in ("true", "1"),
                "data": unbase64(key.text),
            }
            for key in header.findall(NS + "key")
        ],
    }


def from_json(message):
    element = ET.Element(NS + "encrypted")
    header = ET.SubElement(element, NS + "header", {"sid": str(message["sid"])})
    for key in message["keys"]:
        attributes = {"rid": str(key["rid"])}
        if key["prekey"]:
            attributes["prekey"] = "true"
        ET.SubElement(header, NS + "key", attributes).text = enbase64(key["data"])
    ET.SubElement(header, NS + "iv").text = enbase64(message["iv"])
    if message["payload"] is not None:
        ET.SubElement(element, NS + "payload").text = enbase64(message["payload"])
    return element


def bundle_to_json(element):
    signed = element.find(NS + "signedPreKeyPublic")
    return {
        "identity_key": unbase64(element.findtext(NS + "identityKey")),
        "signed_prekey_id": int(signed.get("signedPreKeyId")),
        "signed_prekey": unbase64(signed.text),
        "signature": unbase64(element.findtext(NS + "signedPreKeySignature")),
        "prekeys": [
            [int(key.get("preKeyId")), unbase64(key.text)]
            for key in element.find(NS + "prekeys")
        ],
    }


def bundle_from_json(bundle):
    element = ET.Element(NS + "bundle")
    signed = ET.SubElement(
        element, NS + "signedPreKeyPublic", {"signedPreKeyId": str(bundle["signed_prekey_id"])}
    )
    signed.text = enbase64(bundle["signed_prekey"])
    ET.SubElement(element, NS + "signedPreKeySignature").text = enbase64(bundle["signature"])
    ET.SubElement(element, NS + "identityKey").text = enbase64(bundle["identity_key"])
    prekeys = ET.SubElement(element, NS + "prekeys")
    for number, key in bundle["prekeys"]:
        ET.SubElement(prekeys, NS + "preKeyPublic", {"preKeyId": str(number)}).text = enbase64(key)
    return element


class Peer:
    def __init__(self, number):
        self.sent = []
        self.device = None
        self.their_device = None
        self.loop = asyncio.new_event_loop()
        storage = Memory()
        self.manager = self.run(
            session_manager(self).create(
                [oldmemo.Oldmemo(storage)], storage, OUR_JID, None, "trusted"
            )
        )
        self.run(self.manager.after_history_sync())

    def run(self, task):
        return self.loop.run_until_complete(task)

    def take_sent(self):
        sent, self.sent = self.sent, []
        return sent

    def do_new(self, request):
        element = oldmemo.etree.serialize_bundle(self.bundle)
        return {"device": self.device, "bundle": bundle_to_json(element)}

    def do_meet(self, request):
        self.their_device = request["device"]
        self.their_bundle = bundle_from_json(request["bundle"])
        self.run(
            self.manager.update_device_list(NAMESPACE, THEIR_JID, {self.their_device: None})
        )
        return {}

    def do_encrypt(self, request):
        messages, errors = self.run(
            self.manager.encrypt(
                frozenset({THEIR_JID}), {NAMESPACE: request["body"].encode()}
            )
        )
        assert not errors, errors
        (message,) = messages
        return {"message": to_json(oldmemo.etree.serialize_message(message))}

    def do_decrypt(self, request):
        message = self.run(
            oldmemo.etree.parse_message(
                from_json(request["message"]), THEIR_JID, OUR_JID, self.manager
            )
        )
        body, device, _ = self.run(self.manager.decrypt(message))
        assert device.device_id == self.their_device
        return {"body": None if body is None else body.decode()}


serve(Peer)
