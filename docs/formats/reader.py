#!/usr/bin/env python3
"""Opens a Strongroom vault (format version 0) by these documents alone: a second reader, to show that they are enough.
It writes nothing into the vault. Needs Python 3.10, cryptography >= 47 (for ML-KEM), for the words mnemonic, and
blake3 for the contents' own hash: without it the AEAD's tags alone vouch for them, and that is said.

    reader.py VAULT KEY list                     id, length and name of every file
    reader.py VAULT KEY verify                   reads every byte of every file
    reader.py VAULT KEY extract FOLDER [ID...]   all files, or these, under their names
VAULT is the vault folder, KEY the file strongroom.key or, to read the 24 words from standard input, a hyphen.
Status: 0 all is well, 1 a blob does not hold, 2 called wrongly, 3 the key does not open the vault."""
import hashlib, hmac, importlib.util, os, re, struct, sys
from pathlib import Path
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
BLAKE3 = importlib.import_module("blake3").blake3 if importlib.util.find_spec("blake3") else None
CHUNK, TAG, HEADER, RECORD = 16384, 16, 1272, 4096
mac = lambda key, data: hmac.digest(key, data, "sha256")
sha256 = lambda data: hashlib.sha256(data).digest()
expand = lambda secret, info, length, hash=hashes.SHA256(): HKDFExpand(hash, length, info).derive(secret)
derive = lambda secret, label: expand(secret, b"strongroom/v1/" + label, 32)  # blob.md, Keys

def demand(holds, what):
    if not holds:
        raise ValueError(what)
class KeyPair:  # blob.md, X-Wing
    def __init__(self, seed):
        seeds = hashlib.shake_256(seed).digest(96)
        self.ml, self.x = MLKEM768PrivateKey.from_seed_bytes(seeds[:64]), X25519PrivateKey.from_private_bytes(seeds[64:])
        self.x_public = self.x.public_key().public_bytes_raw()
        self.public = self.ml.public_key().public_bytes_raw() + self.x_public

    def open(self, purpose, aad, sealed):  # blob.md, Keys: HPKE, RFC 9180 5.1 and 6.1
        ml, x = sealed[:1088], sealed[1088:1120]
        both = self.ml.decapsulate(ml) + self.x.exchange(X25519PublicKey.from_public_bytes(x))
        shared = hashlib.sha3_256(both + x + self.x_public + bytes.fromhex("5c2e2f2f5e5c")).digest()
        suite, info = b"HPKE-v1HPKE" + struct.pack(">HHH", 0x647A, 1, 2), b"strongroom/v1/" + purpose
        context = b"\0" + mac(b"", suite + b"psk_id_hash") + mac(b"", suite + b"info_hash" + info)
        secret = mac(shared, suite + b"secret")
        key = expand(secret, b"\0\x20" + suite + b"key" + context, 32)
        nonce = expand(secret, b"\0\x0c" + suite + b"base_nonce" + context, 12)
        return AESGCM(key).decrypt(nonce, sealed[1120:], aad)

def slot_secret(source):  # slot.md, Key file and Recovery words
    if source == "-":
        from mnemonic import Mnemonic
        book, typed = Mnemonic("english"), re.findall("[a-z]+", sys.stdin.read().lower())
        words = [next((w for w in book.wordlist if w == t or len(t) == 4 and w.startswith(t)), t) for t in typed]
        demand(len(words) == 24 and book.check(" ".join(words)), "these are not the 24 words")
        return bytes(book.to_entropy(words))
    data = Path(source).read_bytes()
    demand(data[:10] == b"SRKEY\0\0\0\0\0" and sha256(data[:74]) == data[74:], "the key file is not whole")
    return data[42:74]

class Vault:  # slot.md
    def __init__(self, folder, secret):
        pair, epochs = KeyPair(derive(secret, b"slot-key-pair")), Path(folder, "epochs")
        slot = sha256(b"strongroom/v1/slot-id" + pair.public)[:16]
        newest = max((int(it.name) for it in epochs.iterdir() if re.fullmatch("[0-9]{10}", it.name)), default=0)
        path = epochs / f"{newest:010}" / f"{slot.hex()}.slot"
        demand(path.exists(), "the key is another vault's, or was revoked")
        record = path.read_bytes()
        self.id = record[12:28]
        head = b"SRSLOT\0\0\0\0\0\1" + self.id + slot + newest.to_bytes(4, "big") + pair.public
        demand(len(record) == 2532 and record[:1264] == head, "the slot record is damaged")
        secret = pair.open(b"slot", head, record[1264:2432])
        self.pairs = {newest: KeyPair(derive(secret, b"epoch-key-pair"))}
        for epoch in range(newest, 1, -1):
            record = (epochs / f"{epoch:010}" / "previous").read_bytes()
            head = b"SREPOCH\0\0\0\0\1" + self.id + epoch.to_bytes(4, "big")
            demand(record[:32] == head, "the chain of epochs is damaged")
            cipher = AESGCM(derive(derive(secret, b"epoch-chain"), b"record-cipher"))  # The sealed record
            secret = cipher.decrypt(record[32:44], record[44:], head)
            self.pairs[epoch - 1] = KeyPair(derive(secret, b"epoch-key-pair"))

class Blob:  # blob.md
    def __init__(self, vault, path):
        self.file, self.id, body = open(path, "rb"), path.stem, os.path.getsize(path) - HEADER
        head = self.file.read(HEADER)
        start = b"SRBLOB\0\0\0\0\0\1" + vault.id + bytes.fromhex(self.id)
        demand(head[:44] == start, "of another version, vault or name")
        self.last, rest = divmod(body, CHUNK + TAG)
        demand(len(head) == HEADER and rest >= TAG, "cut short")
        pair = vault.pairs.get(int.from_bytes(head[44:48], "big"))
        demand(pair, "of an epoch that is not there")
        info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + head[1216:1240] + head[8:44]
        keys = expand(pair.open(b"file-key", head[:48], head[48:1216]), info, 76, hashes.SHA512())
        demand(hmac.compare_digest(keys[44:], head[1240:]), "the commitment does not hold")
        self.aead, self.nonce = AESGCM(keys[:32]), int.from_bytes(keys[32:44], "big")
        self.length = body - TAG * (self.last + 1)
        self.chunk(self.last)  # authenticates the length, even when it is empty
        demand(self.length >= RECORD, "there is no metadata record")
        record = b"".join(self.message(self.length - RECORD, self.length))  # blob.md, The sealed message
        version, self.size, self.hash = struct.unpack(">HQ32s", record[:42])
        m = 2 ** ((e := (self.size + RECORD).bit_length() - 1) - e.bit_length()) - 1
        demand(version == 0 and self.length == (self.size + RECORD + m) & ~m, "the record does not fit the message")
        texts, at = {}, 58
        while at < RECORD and record[at] > 0:
            tag, length = struct.unpack(">BH", record[at:at + 3])
            demand(tag > max(texts, default=0) and at + 3 + length <= RECORD, "texts out of order")
            texts[tag] = record[at + 3:at + 3 + length].decode()
            at += 3 + length
        demand(not any(record[at:]), "something follows the texts")
        name = re.sub(r"[\0-\x1f\x7f-\x9f/\\\u202a-\u202e\u2066-\u2069]", "_", texts.get(1, "")).lstrip(".")
        self.name = name.encode()[:150].decode(errors="ignore") or self.id

    def chunk(self, index):
        self.file.seek(HEADER + index * (CHUNK + TAG))
        return self.aead.decrypt((self.nonce ^ index).to_bytes(12, "big"), self.file.read(CHUNK + TAG), b"")

    def message(self, start, end):
        for index in range(start // CHUNK, -(-end // CHUNK)):
            yield self.chunk(index)[max(0, start - index * CHUNK):end - index * CHUNK]

    def write_to(self, out):
        digest, left = BLAKE3() if BLAKE3 else hashlib.sha256(), self.size
        for piece in self.message(0, self.length - RECORD):
            demand(not any(piece[left:]), "the padding is not zero")
            digest.update(piece[:left])
            out.write(piece[:left])
            left = max(0, left - len(piece))
        demand(not BLAKE3 or digest.digest() == self.hash, "the content has another hash")

def main(folder, key, task, out=None, *wanted):
    broken = (ValueError, InvalidTag, OSError, struct.error)
    try:
        vault = Vault(folder, slot_secret(key))
    except broken as error:
        return print(f"The vault does not open: {error!r}", file=sys.stderr) or 3
    if task != "list" and not BLAKE3:
        print("The package blake3 is not there: the AEAD's tags alone vouch for the contents.", file=sys.stderr)
    failed = 0
    for path in [it for it in sorted(Path(folder, "blobs").glob("??/*.blob")) if not wanted or it.stem in wanted]:
        try:
            blob = Blob(vault, path)
            if task != "list":
                part = Path(out, blob.id + ".part") if out else Path(os.devnull)
                with open(part, "wb") as file:
                    blob.write_to(file)
            if out:
                part.rename(Path(out, f"{blob.id} {blob.name}" if Path(out, blob.name).exists() else blob.name))
            print(blob.id, blob.size, blob.name)
        except broken as error:
            failed = print(f"{path.stem} does not hold: {error!r}", file=sys.stderr) or 1
    return failed
called_well = sys.argv[3:] in (["list"], ["verify"]) or sys.argv[3:4] == ["extract"] and sys.argv[4:]
sys.exit(main(*sys.argv[1:]) if called_well else print(__doc__, file=sys.stderr) or 2)
