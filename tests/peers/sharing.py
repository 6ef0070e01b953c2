"""Files that messages describe (XEP-0446, XEP-0447, XEP-0448), for phone.py.

None of it is ours: the ciphers are those of `cryptography`, the hashes those of Python.
"""
import base64
import hashlib
import secrets
from pathlib import Path
from typing import Any, Optional
from xml.etree import ElementTree as ET

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SFS = "{urn:xmpp:sfs:0}"
METADATA = "{urn:xmpp:file:metadata:0}"
ESFS = "{urn:xmpp:esfs:0}"
HASHES = "{urn:xmpp:hashes:2}"
URL_DATA = "{http://jabber.org/protocol/url-data}"
CIPHERS = {
    "cbc": "urn:xmpp:ciphers:aes-256-cbc-pkcs7:0",
    "gcm": "urn:xmpp:ciphers:aes-256-gcm-nopadding:0",
    "gcm-128": "urn:xmpp:ciphers:aes-128-gcm-nopadding:0",
}
TAG_BYTES = 16


def sealed(data: bytes, cipher: str = "cbc", iv_bytes: Optional[int] = None,
           fault: Optional[str] = None, by: int = 1) -> tuple[bytes, bytes, bytes]:
    """Ciphertext, key and IV of a file.

    Of a longer IV, CBC uses the first 16 bytes. fault is what goes wrong: pad-zero, pad-long and
    pad-odd make a padding that is none; flip-last and flip-first turn a bit over in the last or
    first block, truncate takes `by` bytes off the end, extend appends as many.
    """
    key = secrets.token_bytes(16 if cipher == "gcm-128" else 32)
    if cipher == "cbc":
        iv = secrets.token_bytes(iv_bytes or 32)
        padder = padding.PKCS7(128).padder()
        padded = bytearray(padder.update(data) + padder.finalize())
        if fault == "pad-zero":
            padded[-1] = 0
        elif fault == "pad-long":
            padded[-1] = 17
        elif fault == "pad-odd":
            # the last byte promises more padding than there is
            padded[-1] = 16 if padded[-1] < 16 else 15
            padded[-2] ^= 1
        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv[:16])).encryptor()
        blob = bytearray(encryptor.update(bytes(padded)) + encryptor.finalize())
    else:
        iv = secrets.token_bytes(iv_bytes or 12)
        encryptor = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
        blob = bytearray(encryptor.update(data) + encryptor.finalize() + encryptor.tag)
    if fault == "flip-last":
        blob[-1] ^= 1
    elif fault == "flip-first":
        blob[0] ^= 1
    elif fault == "truncate":
        del blob[-by:]
    elif fault == "extend":
        blob += bytes(by)
    elif fault not in (None, "pad-zero", "pad-long", "pad-odd"):
        raise ValueError(f"no fault {fault}")
    return bytes(blob), key, iv


def opened(blob: bytes, cipher: str, key: bytes, iv: bytes) -> bytes:
    if cipher == CIPHERS["cbc"]:
        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv[:16])).decryptor()
        unpadder = padding.PKCS7(128).unpadder()
        padded = decryptor.update(blob) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    if len(blob) < TAG_BYTES:
        raise ValueError("shorter than its tag")
    tag = blob[-TAG_BYTES:]
    decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, tag)).decryptor()
    return decryptor.update(blob[:-TAG_BYTES]) + decryptor.finalize()


def described(urls: list[str], key: str = "", iv: str = "", cipher: str = "cbc",
              name: Optional[str] = None, media_type: Optional[str] = None,
              size: Optional[int] = None, hashes: Optional[dict[str, str]] = None,
              sealed_hashes: Optional[dict[str, str]] = None, date: Optional[str] = None,
              plain: bool = False, part: Optional[str] = None, ahead: bool = False) -> ET.Element:
    """The element that shares a file. key, iv, hashes and sealed_hashes (of the ciphertext, both by
    algorithm) are base64; with plain it points to the file as it is. part is its id; with ahead it
    says nothing of where the file is."""
    sharing = ET.Element(SFS + "file-sharing", {"disposition": "inline"})
    if part is not None:
        sharing.set("id", part)
    metadata = ET.SubElement(sharing, METADATA + "file")
    for tag, value in (("name", name), ("media-type", media_type), ("size", size),
                       ("date", date)):
        if value is not None:
            ET.SubElement(metadata, METADATA + tag).text = str(value)
    def vouch(parent: ET.Element, digests: Optional[dict[str, str]]) -> None:
        for algorithm, digest in (digests or {}).items():
            ET.SubElement(parent, HASHES + "hash", {"algo": algorithm}).text = digest

    vouch(metadata, hashes)
    if ahead:
        return sharing
    sources = ET.SubElement(sharing, SFS + "sources")
    if not plain:
        encrypted = ET.SubElement(sources, ESFS + "encrypted",
                                  {"cipher": CIPHERS.get(cipher, cipher)})
        ET.SubElement(encrypted, ESFS + "key").text = key
        ET.SubElement(encrypted, ESFS + "iv").text = iv
        vouch(encrypted, sealed_hashes)
        sources = ET.SubElement(encrypted, SFS + "sources")
    for url in urls:
        ET.SubElement(sources, URL_DATA + "url-data", {"target": url})
    return sharing


def attached(to: str, file: dict[str, Any]) -> list[ET.Element]:
    """The elements that say where a file is that the message `to` described."""
    sources = described(**file).find(SFS + "sources")
    if file.get("part") is not None:
        sources.set("id", file["part"])
    return [ET.Element("{urn:xmpp:message-attaching:1}attach-to", {"id": to}), sources]


def read(sharing: ET.Element) -> dict[str, Any]:
    """What an element that shares a file says; fails where a client would not understand it."""
    metadata = sharing.find(METADATA + "file")
    encrypted = sharing.find(f"{SFS}sources/{ESFS}encrypted")
    place = encrypted.find(f"{SFS}sources/{URL_DATA}url-data")
    text = {name: metadata.findtext(METADATA + name)
            for name in ("name", "media-type", "size", "date")}

    def hashes(parent: ET.Element) -> dict[str, bytes]:
        return {it.get("algo"): base64.b64decode(it.text) for it in parent.findall(HASHES + "hash")}

    return {
        "name": text["name"], "media_type": text["media-type"], "size": int(text["size"]),
        "hashes": hashes(metadata), "sealed_hashes": hashes(encrypted), "date": text["date"],
        "disposition": sharing.get("disposition"),
        "cipher": encrypted.get("cipher"), "url": place.get("target"),
        "key": base64.b64decode(encrypted.findtext(ESFS + "key")),
        "iv": base64.b64decode(encrypted.findtext(ESFS + "iv")),
    }


def checked(data: bytes, blob: bytes, told: dict[str, Any]) -> bytes:
    """The content, if it and its ciphertext are what was told of them."""
    if len(data) != told["size"]:
        raise ValueError(f"{len(data)} bytes, and not {told['size']}")
    for found, hashes in ((data, told["hashes"]), (blob, told["sealed_hashes"])):
        for algorithm, digest in hashes.items():
            if hashlib.new(algorithm.replace("sha-", "sha"), found).digest() != digest:
                raise ValueError(f"another {algorithm}")
    return data


def digests(data: bytes) -> dict[str, str]:
    """Every hash that there is a name for, weak ones too, in base64."""
    made = {
        "sha-1": hashlib.sha1(data), "sha-256": hashlib.sha256(data),
        "sha-512": hashlib.sha512(data), "sha3-256": hashlib.sha3_256(data),
        "sha3-512": hashlib.sha3_512(data),
        "blake2b-256": hashlib.blake2b(data, digest_size=32),
        "blake2b-512": hashlib.blake2b(data),
    }
    return {name: base64.b64encode(it.digest()).decode() for name, it in made.items()}


def sealed_file(path: str, out: str, **how: Any) -> dict[str, Any]:
    """Writes a file's ciphertext; returns what a description needs of it."""
    data = Path(path).read_bytes()
    blob, key, iv = sealed(data, **how)
    Path(out).write_bytes(blob)
    return {"key": base64.b64encode(key).decode(), "iv": base64.b64encode(iv).decode(),
            "size": len(data), "digests": digests(data), "cipher": how.get("cipher", "cbc"),
            "sealed_size": len(blob), "sealed_digests": digests(blob), "sha256": hashlib.sha256(data).hexdigest()}
