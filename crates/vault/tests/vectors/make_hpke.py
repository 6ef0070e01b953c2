#!/usr/bin/env python3
"""Makes hpke_xwing.txt with the HPKE of another author (pyca/cryptography 50), so that what is frozen there
does not come from the library under test. The HPKE call with aad is not public there."""
import hashlib
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
print("# HPKE base mode, X-Wing, HKDF-SHA256, AES-256-GCM (docs/formats/blob.md, suite 1). Made by make_hpke.py.")
for number, (purpose, aad) in enumerate((("slot", b""), ("slot", b"aad"), ("file-key", b"\0" * 48), ("file-key", bytes(range(256)) * 5))):
    seed, secret = (hashlib.sha256(f"{what} {number}".encode()).digest() for what in ("seed", "secret"))
    seeds = hashlib.shake_256(seed).digest(96)
    ml, x = MLKEM768PrivateKey.from_seed_bytes(seeds[:64]), X25519PrivateKey.from_private_bytes(seeds[64:])
    public = ml.public_key().public_bytes_raw() + x.public_key().public_bytes_raw()
    key = hpke.MLKEM768X25519PublicKey(ml.public_key(), x.public_key())
    sealed = openssl.hpke._encrypt_with_aad(SUITE, secret, key, b"strongroom/v1/" + purpose.encode(), aad)
    print(f"\nseed: {seed.hex()}\npublic: {public.hex()}\npurpose: {purpose}\naad: {aad.hex()}")
    print(f"secret: {secret.hex()}\nsealed: {sealed.hex()}")
