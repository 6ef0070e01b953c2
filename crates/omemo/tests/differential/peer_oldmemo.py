"""A phone that speaks with python-omemo and its legacy backend `oldmemo`."""

import xml.etree.ElementTree as ET

import memo
import oldmemo
import oldmemo.etree
from lines import NAMESPACE, OUR_JID, THEIR_JID
from memo import enbase64, unbase64

NS = "{" + NAMESPACE + "}"


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


class Backend:
    namespace = NAMESPACE
    library = oldmemo.Oldmemo
    etree = oldmemo.etree
    to_json = staticmethod(to_json)
    from_json = staticmethod(from_json)
    bundle_to_json = staticmethod(bundle_to_json)
    bundle_from_json = staticmethod(bundle_from_json)

    @staticmethod
    async def parse_message(element, manager):
        return await oldmemo.etree.parse_message(element, THEIR_JID, OUR_JID, manager)


memo.run(Backend)
