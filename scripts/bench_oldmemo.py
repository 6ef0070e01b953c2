"""How many messages a second python-omemo with its legacy backend passes, as
crates/omemo/examples/ratchet_speed.rs does: two devices, state in memory, no network, no XML.

A program of its own, because of the licences of what it imports. Prints four numbers: microseconds
to send and to receive, in one chain and with a turn of the ratchet each.
"""
import asyncio
import logging
import time

import oldmemo
import omemo
from omemo.storage import Just, Nothing

NAMESPACE = oldmemo.oldmemo.NAMESPACE
MESSAGES = 500


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


class Side:
    def __init__(self, jid):
        self.jid, self.bundle, self.device, self.other = jid, None, None, None

    async def enrol(self):
        storage = Memory()
        self.manager = await self.manager_class().create(
            [oldmemo.Oldmemo(storage)], storage, self.jid, None, "trusted")
        await self.manager.after_history_sync()

    def manager_class(side):
        """A class of its own for each device: the library wants its network as class methods."""

        class Manager(omemo.SessionManager):
            @staticmethod
            async def _upload_bundle(bundle):
                side.bundle = bundle

            @staticmethod
            async def _download_bundle(namespace, bare_jid, device_id):
                return side.other.bundle

            @staticmethod
            async def _delete_bundle(namespace, device_id):
                pass

            @staticmethod
            async def _upload_device_list(namespace, device_list):
                side.device = next(iter(device_list))

            @staticmethod
            async def _download_device_list(namespace, bare_jid):
                device = side.device if bare_jid == side.jid else side.other.device
                return {} if device is None else {device: None}

            async def _evaluate_custom_trust_level(self, device):
                return omemo.TrustLevel.TRUSTED

            async def _make_trust_decision(self, undecided, identifier):
                raise AssertionError("every device is trusted")

            @staticmethod
            async def _send_message(message, bare_jid):
                pass

        return Manager


async def passed(sender, receiver):
    """Passes one message; returns how long sending and receiving took."""
    began = time.perf_counter()
    messages, errors = await sender.manager.encrypt(
        frozenset({receiver.jid}), {NAMESPACE: b"a line of text"})
    sent = time.perf_counter()
    (message,) = messages
    body, _, _ = await receiver.manager.decrypt(message)
    assert body == b"a line of text" and not errors
    return sent - began, time.perf_counter() - sent


async def main():
    one, other = Side("a@example"), Side("b@example")
    one.other, other.other = other, one
    for side in (one, other):
        await side.enrol()
    for side in (one, other):
        await side.manager.update_device_list(NAMESPACE, side.other.jid, {side.other.device: None})
    figures = []
    for turns in (False, True):
        await passed(one, other)
        await passed(other, one)
        times = [await passed(*((other, one) if turns and at % 2 == 0 else (one, other)))
                 for at in range(MESSAGES)]
        figures += [sum(column) / MESSAGES * 1e6 for column in zip(*times)]
    print(*figures)


logging.disable()
asyncio.run(main())
