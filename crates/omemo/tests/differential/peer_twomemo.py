"""A phone that speaks with python-omemo and its backend `twomemo`, in urn:xmpp:omemo:2."""

import xml.etree.ElementTree as ET

import memo
import twomemo
import twomemo.etree
from lines import THEIR_JID
from memo import enbase64, unbase64

NAMESPACE = "urn:xmpp:omemo:2"
NS = "{" + NAMESPACE + "}"


def to_json(element):
    header = element.find(NS + "header")
    payload = element.find(NS + "payload")
    return {
        "sid": int(header.get("sid")),
        "iv": "",
        "payload": None if payload is None else unbase64(payload.text),
        "keys": [
            {
                "jid": keys.get("jid"),
                "rid": int(key.get("rid")),
                "prekey": key.get("kex") in ("true", "1"),
                "data": unbase64(key.text),
            }
            for keys in header.findall(NS + "keys")
            for key in keys.findall(NS + "key")
        ],
    }


def from_json(message):
    element = ET.Element(NS + "encrypted")
    header = ET.SubElement(element, NS + "header", {"sid": str(message["sid"])})
    for key in message["keys"]:
        keys = ET.SubElement(header, NS + "keys", {"jid": key["jid"]})
        attributes = {"rid": str(key["rid"])}
        if key["prekey"]:
            attributes["kex"] = "true"
        ET.SubElement(keys, NS + "key", attributes).text = enbase64(key["data"])
    if message["payload"] is not None:
        ET.SubElement(element, NS + "payload").text = enbase64(message["payload"])
    return element


def bundle_to_json(element):
    signed = element.find(NS + "spk")
    return {
        "identity_key": unbase64(element.findtext(NS + "ik")),
        "signed_prekey_id": int(signed.get("id")),
        "signed_prekey": unbase64(signed.text),
        "signature": unbase64(element.findtext(NS + "spks")),
        "prekeys": [
            [int(key.get("id")), unbase64(key.text)] for key in element.find(NS + "prekeys")
        ],
    }


def bundle_from_json(bundle):
    element = ET.Element(NS + "bundle")
    signed = ET.SubElement(element, NS + "spk", {"id": str(bundle["signed_prekey_id"])})
    signed.text = enbase64(bundle["signed_prekey"])
    ET.SubElement(element, NS + "spks").text = enbase64(bundle["signature"])
    ET.SubElement(element, NS + "ik").text = enbase64(bundle["identity_key"])
    prekeys = ET.SubElement(element, NS + "prekeys")
    for number, key in bundle["prekeys"]:
        ET.SubElement(prekeys, NS + "pk", {"id": str(number)}).text = enbase64(key)
    return element


class Backend:
    namespace = NAMESPACE
    library = twomemo.Twomemo
    etree = twomemo.etree
    to_json = staticmethod(to_json)
    from_json = staticmethod(from_json)
    bundle_to_json = staticmethod(bundle_to_json)
    bundle_from_json = staticmethod(bundle_from_json)

    @staticmethod
    async def parse_message(element, manager):
        return twomemo.etree.parse_message(element, THEIR_JID)


memo.run(Backend)
