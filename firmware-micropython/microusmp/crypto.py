# The functions of section 0.4 for a client with suite 2. Integers of Python are not constant-time: see the README.
from hashlib import sha256

_P = 2**255 - 19
_P1305 = 2**130 - 5
_MASK = 0xFFFFFFFF


def equal(a, b):
    """Whether two byte strings are the same, without stopping at the first difference."""
    if len(a) != len(b):
        return False
    difference = 0
    for i in range(len(a)):
        difference |= a[i] ^ b[i]
    return difference == 0


def hmac(key, data):
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    if len(key) > 64:
        key = sha256(key).digest()
    key = key + bytes(64 - len(key))
    inner = sha256(bytes([b ^ 0x36 for b in key]))
    inner.update(data)
    outer = sha256(bytes([b ^ 0x5C for b in key]))
    outer.update(inner.digest())
    return outer.digest()


def hkdf(ikm, salt, info, length=64):
    """HKDF-SHA256 (RFC 5869), extract then expand."""
    key = hmac(salt or bytes(32), ikm)
    block = b""
    out = b""
    while len(out) < length:
        block = hmac(key, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]


def x25519(private, peer=None):
    """X25519 (RFC 7748), 32 bytes; without a peer's key the public key. All zero for a point of low order."""
    k = int.from_bytes(private, "little")
    k = k & (2**254 - 8) | 2**254
    x1 = int.from_bytes(peer, "little") % 2**255 % _P if peer else 9
    x2, z2, x3, z3 = 1, 0, x1, 1
    swap = 0
    for i in range(254, -1, -1):
        bit = k >> i & 1
        if swap != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a = x2 + z2
        b = x2 - z2
        c = (x3 + z3) * b % _P
        d = (x3 - z3) * a % _P
        x3 = (d + c) ** 2 % _P
        z3 = x1 * (d - c) ** 2 % _P
        a = a * a % _P
        b = b * b % _P
        e = a - b
        x2 = a * b % _P
        z2 = e * (a + 121665 * e) % _P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")


def _words(data):
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def _quarter(s, a, b, c, d):
    x, y, z, w = s[a], s[b], s[c], s[d]
    x = x + y & _MASK
    w ^= x
    w = (w << 16 | w >> 16) & _MASK
    z = z + w & _MASK
    y ^= z
    y = (y << 12 | y >> 20) & _MASK
    x = x + y & _MASK
    w ^= x
    w = (w << 8 | w >> 24) & _MASK
    z = z + w & _MASK
    y ^= z
    s[a], s[b], s[c], s[d] = x, (y << 7 | y >> 25) & _MASK, z, w


def _block(start, counter):
    start[12] = counter
    s = list(start)
    for _ in range(10):
        _quarter(s, 0, 4, 8, 12)
        _quarter(s, 1, 5, 9, 13)
        _quarter(s, 2, 6, 10, 14)
        _quarter(s, 3, 7, 11, 15)
        _quarter(s, 0, 5, 10, 15)
        _quarter(s, 1, 6, 11, 12)
        _quarter(s, 2, 7, 8, 13)
        _quarter(s, 3, 4, 9, 14)
    out = bytearray(64)
    for i in range(16):
        out[4 * i : 4 * i + 4] = (s[i] + start[i] & _MASK).to_bytes(4, "little")
    return out


def _start(key, nonce):
    return _words(b"expand 32-byte k") + _words(key) + [0] + _words(nonce)


def _cipher(start, data):
    out = bytearray(data)
    for at in range(0, len(out), 64):
        block = _block(start, at // 64 + 1)
        for i in range(at, min(at + 64, len(out))):
            out[i] ^= block[i - at]
    return bytes(out)


def _tag(start, aad, text):
    key = _block(start, 0)
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    lengths = len(aad).to_bytes(8, "little") + len(text).to_bytes(8, "little")
    for part in (aad, text, lengths):
        for at in range(0, len(part), 16):
            piece = part[at : at + 16]
            # The last piece is filled up with zeros, and a 1 stands behind each.
            total = (total + int.from_bytes(piece, "little") + 2**128) * r % _P1305
    total += int.from_bytes(key[16:32], "little")
    return (total & 2**128 - 1).to_bytes(16, "little")


def seal(key, nonce, aad, text):
    """ChaCha20-Poly1305 (RFC 8439): the ciphertext, and the tag of 16 bytes behind it."""
    start = _start(key, nonce)
    text = _cipher(start, text)
    return text + _tag(start, aad, text)


def open_sealed(key, nonce, aad, sealed):
    """The plaintext; None if the tag is wrong."""
    if len(sealed) < 16:
        return None
    start = _start(key, nonce)
    if not equal(_tag(start, aad, sealed[:-16]), sealed[-16:]):
        return None
    return _cipher(start, sealed[:-16])
