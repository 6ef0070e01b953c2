"""A phone that speaks with Gajim's library `omemo-dr`."""

from lines import NAMESPACE, OUR_JID, THEIR_JID, serve
from omemo_dr.const import OMEMOTrust
from omemo_dr.exceptions import KeyExchangeMessage
from omemo_dr.identitykey import IdentityKey
from omemo_dr.session_manager import OMEMOSessionManager
from omemo_dr.state.sessionrecord import SessionRecord
from omemo_dr.state.store import Store
from omemo_dr.structs import OMEMOBundle, OMEMOConfig, OMEMOMessage


class Memory(Store):
    """The library's state, kept in dictionaries."""

    def __init__(self):
        self.device = None
        self.identity = None
        self.prekeys = {}
        self.signed = {}
        self.sessions = {}
        self.inactive = set()
        self.trust = {}

    def needs_init(self):
        return self.identity is None

    def set_our_identity(self, device_id, identity_key_pair):
        self.device, self.identity = device_id, identity_key_pair

    def get_our_device_id(self):
        return self.device

    def get_identity_key_pair(self):
        return self.identity

    def store_pre_key(self, pre_key_id, pre_key_record):
        self.prekeys[pre_key_id] = pre_key_record

    def load_pre_key(self, pre_key_id):
        return self.prekeys[pre_key_id]

    def load_pending_pre_keys(self):
        return list(self.prekeys.values())

    def contains_pre_key(self, pre_key_id):
        return pre_key_id in self.prekeys

    def remove_pre_key(self, pre_key_id):
        self.prekeys.pop(pre_key_id, None)

    def get_pre_key_count(self):
        return len(self.prekeys)

    def get_current_pre_key_id(self):
        return max(self.prekeys, default=None)

    def store_signed_pre_key(self, signed_pre_key_id, signed_pre_key_record):
        self.signed[signed_pre_key_id] = signed_pre_key_record

    def load_signed_pre_key(self, signed_pre_key_id):
        return self.signed[signed_pre_key_id]

    def load_signed_pre_keys(self):
        return list(self.signed.values())

    def contains_signed_pre_key(self, signed_pre_key_id):
        return signed_pre_key_id in self.signed

    def get_current_signed_pre_key_id(self):
        return max(self.signed, default=0)

    def get_signed_pre_key_timestamp(self, signed_pre_key_id):
        return self.signed[signed_pre_key_id].get_timestamp()

    def remove_signed_pre_key(self, signed_pre_key_id):
        self.signed.pop(signed_pre_key_id, None)

    def remove_old_signed_pre_keys(self, timestamp):
        pass

    def load_session(self, recipient_id, device_id):
        stored = self.sessions.get((recipient_id, device_id))
        return SessionRecord() if stored is None else SessionRecord(serialized=stored)

    def store_session(self, recipient_id, device_id, session_record):
        self.sessions[recipient_id, device_id] = session_record.serialize()

    def contains_session(self, recipient_id, device_id):
        return (recipient_id, device_id) in self.sessions

    def delete_session(self, recipient_id, device_id):
        self.sessions.pop((recipient_id, device_id), None)

    def delete_all_sessions(self, recipient_id):
        for key in [key for key in self.sessions if key[0] == recipient_id]:
            del self.sessions[key]

    def get_active_device_tuples(self):
        return [key for key in self.sessions if key not in self.inactive]

    def set_active_state(self, address, devicelist):
        pass

    def set_inactive(self, address, device_id):
        self.inactive.add((address, device_id))

    def get_inactive_sessions_keys(self, recipient_id):
        return []

    def get_unacknowledged_count(self, recipient_id, device_id):
        return 0

    def save_identity(self, recipient_id, identity_key):
        self.trust.setdefault((recipient_id, identity_key.serialize()), OMEMOTrust.VERIFIED)

    def delete_identity(self, recipient_id, identity_key):
        self.trust.pop((recipient_id, identity_key.serialize()), None)

    def is_trusted(self, recipient_id, device_id):
        return True

    def is_trusted_identity(self, recipient_id, identity_key):
        return True

    def get_trust_for_identity(self, recipient_id, identity_key):
        return self.trust.get((recipient_id, identity_key.serialize()))

    def set_trust(self, recipient_id, identity_key, trust):
        self.trust[recipient_id, identity_key.serialize()] = trust

    def get_identity_infos(self, recipient_ids):
        return []

    def set_identity_last_seen(self, recipient_id, identity_key):
        pass


CONFIG = OMEMOConfig(
    default_prekey_amount=100,
    min_prekey_amount=80,
    spk_archive_seconds=86400 * 15,
    spk_cycle_seconds=86400,
    unacknowledged_count=2000,
)


def to_json(message):
    payload = message.payload
    return {
        "sid": message.sid,
        "iv": message.iv.hex(),
        "payload": None if payload is None else payload.hex(),
        "keys": [
            {"rid": rid, "prekey": bool(prekey), "data": data.hex()}
            for rid, (data, prekey) in message.keys.items()
        ],
    }


def from_json(message):
    payload = message["payload"]
    return OMEMOMessage(
        sid=message["sid"],
        iv=bytes.fromhex(message["iv"]),
        keys={key["rid"]: (bytes.fromhex(key["data"]), key["prekey"]) for key in message["keys"]},
        payload=None if payload is None else bytes.fromhex(payload),
    )


class Peer:
    def __init__(self, number):
        self.manager = OMEMOSessionManager(OUR_JID, Memory(), CONFIG)

    def take_sent(self):
        return []

    def do_new(self, request):
        bundle = self.manager.get_bundle(NAMESPACE)
        return {
            "device": self.manager.get_our_device(),
            "bundle": {
                "identity_key": bundle.ik.hex(),
                "signed_prekey_id": bundle.spk["id"],
                "signed_prekey": bundle.spk["key"].hex(),
                "signature": bundle.spk_signature.hex(),
                "prekeys": [[key["id"], key["key"].hex()] for key in bundle.otpks],
            },
        }

    def do_meet(self, request):
        self.device = request["device"]
        self.bundle = request["bundle"]
        self.has_session = False
        self.manager.update_devicelist(THEIR_JID, [self.device])
        return {}

    def start(self):
        self.manager.build_session(
            THEIR_JID,
            OMEMOBundle(
                spk={
                    "id": self.bundle["signed_prekey_id"],
                    "key": bytes.fromhex(self.bundle["signed_prekey"]),
                },
                spk_signature=bytes.fromhex(self.bundle["signature"]),
                ik=bytes.fromhex(self.bundle["identity_key"]),
                otpks=[
                    {"id": number, "key": bytes.fromhex(key)}
                    for number, key in self.bundle["prekeys"]
                ],
                device_id=self.device,
                namespace=NAMESPACE,
            ),
        )
        identity = IdentityKey(bytes.fromhex(self.bundle["identity_key"])[1:])
        self.manager.set_trust(THEIR_JID, identity, OMEMOTrust.VERIFIED)
        self.has_session = True

    def do_encrypt(self, request):
        if not self.has_session:
            self.start()
        message = self.manager.encrypt(THEIR_JID, request["body"], groupchat=False)
        return {"message": to_json(message)}

    def do_decrypt(self, request):
        try:
            body, _, _ = self.manager.decrypt_message(from_json(request["message"]), THEIR_JID)
        except KeyExchangeMessage:
            body = None
        self.has_session = True
        return {"body": body}


serve(Peer)
