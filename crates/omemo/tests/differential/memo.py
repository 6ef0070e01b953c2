"""A phone that speaks with python-omemo, whatever its backend.

A backend brings the namespace, the library's class and module of XML, how a received message is
parsed, and how XML and the test's JSON become each other.
"""

import asyncio
import base64

import omemo
from lines import OUR_JID, THEIR_JID, serve
from omemo.storage import Just, Nothing


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
            return peer.backend.etree.parse_bundle(peer.their_bundle, bare_jid, device_id)

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
            peer.sent.append(peer.backend.to_json(peer.backend.etree.serialize_message(message)))

    return Manager


class Peer:
    def __init__(self, backend):
        self.backend = backend
        self.sent = []
        self.device = None
        self.their_device = None
        self.loop = asyncio.new_event_loop()
        storage = Memory()
        self.manager = self.run(
            session_manager(self).create(
                [self.backend.library(storage)], storage, OUR_JID, None, "trusted"
            )
        )
        self.run(self.manager.after_history_sync())

    def run(self, task):
        return self.loop.run_until_complete(task)

    def take_sent(self):
        sent, self.sent = self.sent, []
        return sent

    def do_new(self, request):
        element = self.backend.etree.serialize_bundle(self.bundle)
        return {"device": self.device, "bundle": self.backend.bundle_to_json(element)}

    def do_meet(self, request):
        self.their_device = request["device"]
        self.their_bundle = self.backend.bundle_from_json(request["bundle"])
        self.run(
            self.manager.update_device_list(
                self.backend.namespace, THEIR_JID, {self.their_device: None}
            )
        )
        return {}

    def do_encrypt(self, request):
        messages, errors = self.run(
            self.manager.encrypt(
                frozenset({THEIR_JID}), {self.backend.namespace: request["body"].encode()}
            )
        )
        assert not errors, errors
        (message,) = messages
        element = self.backend.etree.serialize_message(message)
        return {"message": self.backend.to_json(element)}

    def do_decrypt(self, request):
        element = self.backend.from_json(request["message"])
        message = self.run(self.backend.parse_message(element, self.manager))
        body, device, _ = self.run(self.manager.decrypt(message))
        assert device.device_id == self.their_device
        return {"body": None if body is None else body.decode()}


def run(backend):
    serve(lambda number: Peer(backend))
