"""Makes vectors.json beside it: `python3 vectors.py > vectors.json`. It takes nothing but Python's standard library, and shares no
line with the package, so that a mistake would have to be made twice (specification, sections 12.2 and 12.3)."""
import hashlib
import hmac
import json

P = 2**255 - 19


def x25519(scalar, point):
    """RFC 7748, section 5."""
    k = int.from_bytes(scalar, "little") & ~7 & (2**255 - 1) | 2**254
    x1 = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = (k >> t) & 1
        if swapped != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        e = aa - bb
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def hkdf(ikm, salt, info, length):
    """RFC 5869 with SHA-256."""
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    out, block, i = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out, i = out + block, i + 1
    return out[:length]


def secret(name):
    return hashlib.sha256(name.encode()).digest()


def pair(name, day):
    secrets = [secret(name + " one"), secret(name + " two")]
    keys = [x25519(s, (9).to_bytes(32, "little")) for s in secrets]
    shared = x25519(secrets[0], keys[1])
    assert shared == x25519(secrets[1], keys[0])
    key = hkdf(shared, b"", b"usmp-relay pair key v1" + min(keys) + max(keys), 32)
    device = bytearray(hkdf(key, b"", b"usmp-relay device v1" + day.encode(), 6))
    device[0] = device[0] & 0xFC | 2
    sides = [0 if k == min(keys) else 1 for k in keys]
    return {
        "secrets": [s.hex() for s in secrets],
        "publicKeys": [k.hex() for k in keys],
        "sides": sides,
        "pairKey": key.hex(),
        "psk": hkdf(key, b"", b"usmp-relay session psk v1", 32).hex(),
        "day": day,
        "route": hkdf(key, b"", b"usmp-relay route v1" + day.encode(), 16).hex(),
        "deviceId": device.hex(),
        "confirmations": [
            hmac.new(key, b"usmp-relay paired v1" + bytes([side]), hashlib.sha256).hexdigest() for side in sides
        ],
    }


def words(public):
    """The numbers of the six words of an identity."""
    digest = b"usmp-relay words v1" + public
    for _ in range(5200):
        digest = hashlib.sha512(digest + public).digest()
    bits = int.from_bytes(digest[:9], "big") >> 6
    return [(bits >> (11 * (5 - i))) & 2047 for i in range(6)]


def code(text):
    first = "-".join(text.split("-")[:2])
    return {"code": text, "route": hashlib.sha256(b"usmp-relay code route v1" + first.encode()).digest()[:16].hex()}


def main():
    pairs = [pair("anna", "2026-11-30"), pair("bank", "2027-01-01"), pair("robot", "2028-02-29")]
    isk, sid = hashlib.sha512(b"isk").digest(), secret("sid")[:16]
    return {
        "pairs": pairs,
        "safetyWords": [{"publicKey": key, "words": words(bytes.fromhex(key))} for key in pairs[0]["publicKeys"]],
        "codes": [code("abandon-ability-able-about"), code("zoo-zone-wolf-wrist")],
        "pairingPsk": {
            "isk": isk.hex(),
            "sid": sid.hex(),
            "psk": hkdf(isk, sid, b"usmp-relay pairing psk v1", 32).hex(),
        },
    }


print(json.dumps(main(), indent=2))
