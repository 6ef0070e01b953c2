"""Makes xeddsa.txt for the xeddsa tests.

The first signature is computed here, formula by formula as in the XEdDSA specification, and
accepted by the Python package XEdDSA (libxeddsa); the other two are that package's own, which
derives its nonces in another way, with sign 0 and with sign 1.

Run with any Python that has `XEdDSA`: python make_xeddsa.py > xeddsa.txt
"""

import hashlib

import xeddsa

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P


def add(one, two):
    (x1, y1), (x2, y2) = one, two
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, P)
    return x % P, y % P


def base_x():
    square = (BASE_Y * BASE_Y - 1) * pow(D * BASE_Y * BASE_Y + 1, -1, P)
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x % 2 == 0 else P - x


BASE = base_x(), BASE_Y


def times_base(number):
    result, power = (0, 1), BASE
    while number:
        if number & 1:
            result = add(result, power)
        power = add(power, power)
        number >>= 1
    return result


def encode(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def number(data):
    return int.from_bytes(data, "little")


def sign(private, message, nonce):
    clamped = bytearray(private)
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    k = number(clamped)
    public = times_base(k)
    a = -k % Q if public[0] & 1 else k % Q
    public = number(encode(public)) & ~(1 << 255)
    public = public.to_bytes(32, "little")
    prefix = (2**256 - 2).to_bytes(32, "little")
    digest = hashlib.sha512(prefix + a.to_bytes(32, "little") + message + nonce).digest()
    r = number(digest) % Q
    commitment = encode(times_base(r))
    h = number(hashlib.sha512(commitment + public + message).digest()) % Q
    signature = commitment + ((r + h * a) % Q).to_bytes(32, "little")
    assert xeddsa.ed25519_verify(signature, public, message)
    return signature


print("# private public nonce message by-the-specification libxeddsa-sign-0 libxeddsa-sign-1")
for index in range(12):
    private = hashlib.sha256(b"private %d" % index).digest()
    nonce = hashlib.sha512(b"nonce %d" % index).digest()
    message = hashlib.sha256(b"message %d" % index).digest() * (index % 3) + b"\x05"
    signatures = [sign(private, message, nonce).hex()]
    for sign_bit in [False, True]:
        forced = xeddsa.priv_force_sign(private, sign_bit)
        signature = bytearray(xeddsa.ed25519_priv_sign(forced, message, nonce))
        assert signature[63] < 0x80
        signature[63] |= 0x80 if sign_bit else 0
        signatures.append(bytes(signature).hex())
    public = xeddsa.priv_to_curve25519_pub(private)
    print(private.hex(), public.hex(), nonce.hex(), message.hex(), *signatures)
