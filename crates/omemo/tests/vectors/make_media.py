"""Makes media.txt: AES-GCM and AES-CBC by Python's `cryptography`, for the media tests.

Run with any Python that has `cryptography`: python make_media.py > media.txt
"""

import hashlib

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def multiply(x, y):
    """The product in GCM's field (NIST SP 800-38D 6.3)."""
    z, v = 0, y
    for i in range(127, -1, -1):
        if (x >> i) & 1:
            z ^= v
        v = (v >> 1) ^ (0xE1 << 120) if v & 1 else v >> 1
    return z


def invert(x):
    """x to the power 2^128 - 2."""
    result, square = 1 << 127, x
    for _ in range(127):
        square = multiply(square, square)
        result = multiply(result, square)
    return result


def iv_for_counter(key, counter):
    """The 16-byte IV whose first counter block is `counter` (NIST SP 800-38D 7.1, solved for IV)."""
    h = int.from_bytes(Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(bytes(16)), "big")
    inverse = invert(h)
    assert multiply(h, inverse) == 1 << 127
    iv = multiply(multiply(int.from_bytes(counter, "big"), inverse) ^ 128, inverse)
    return iv.to_bytes(16, "big")


key = hashlib.sha256(b"media key").digest()
wrapping = iv_for_counter(key, hashlib.sha256(b"counter").digest()[:12] + b"\xff\xff\xff\xfd")
print("# name cipher iv key length sha256-of-ciphertext-and-tag; the content is byte i = 7 i mod 251")
for name, iv, length in [
    ("empty", bytes(range(12)), 0),
    ("one_byte", bytes(range(12)), 1),
    ("short_iv", bytes(range(12)), 100_003),
    ("long_iv", bytes(range(16)), 100_003),
    ("long_iv_whose_counter_wraps", wrapping, 100_003),
    ("long_iv_whose_counter_wraps_in_a_partial_block", wrapping, 41),
]:
    content = bytes(7 * i % 251 for i in range(length))
    sealed = AESGCM(key).encrypt(iv, content, b"")
    print(name, "aes-256-gcm", iv.hex(), key.hex(), length, hashlib.sha256(sealed).hexdigest())
for length in [0, 15, 17, 100_003]:
    content = bytes(7 * i % 251 for i in range(length))
    iv = bytes(range(12))
    sealed = AESGCM(key[:16]).encrypt(iv, content, b"")
    print(f"gcm_128_of_{length}", "aes-128-gcm", iv.hex(), key[:16].hex(), length,
          hashlib.sha256(sealed).hexdigest())
for length in [0, 1, 15, 16, 17, 1023, 1024, 1025, 100_000, 100_003]:
    content = bytes(7 * i % 251 for i in range(length))
    iv = bytes(range(100, 116))
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    print(f"cbc_of_{length}", "aes-256-cbc", iv.hex(), key.hex(), length,
          hashlib.sha256(sealed).hexdigest())
