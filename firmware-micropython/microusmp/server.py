# The other end of one connection on an ordered transport: a board that answers (section 3.10). No lockout: see the README.
from .client import Client
from .crypto import equal, hkdf, hmac, x25519
from .frame import *

_HANDSHAKE_TIME = 10000


class Server(Client):
    """As Client, for who is connected to. `psk_of(device_id)` gives the key of a device, or None for one that nobody knows."""

    def __init__(self, psk_of, random, now, framing=None):
        self._psk_of = psk_of
        self._peer = None
        Client.__init__(self, bytes(6), bytes(16), random, now, framing)

    def device_id(self):
        """Of the client, once the session is open."""
        return self._id

    def _begin(self, now):
        self._deadline = now + _HANDSHAKE_TIME

    def _handshake(self, kind, seq, payload, frame, now):
        if kind == HELLO and (self._serial or not self._peer):
            if len(payload) not in (38, 54):
                raise UsmpError("BAD_PAYLOAD")
            self._challenge_client(payload[:6], payload[6:38], now)
        elif kind == HELLO_ACK and self._peer:
            self._expect(payload, 32)
            self._check_proof(payload, now)
        else:
            raise UsmpError("UNEXPECTED_PACKET")

    def _challenge_client(self, device_id, peer, now):
        self._id, self._peer = device_id, peer
        # Who is not known, or has a key that is too weak, gets a challenge too, and can answer it as little as one with a wrong key.
        self._psk = self._random(32)
        psk = self._psk_of(device_id)
        if psk and len(psk) >= 16:
            self._psk = psk
        self._private = self._random(32)
        self._nonce_of_challenge = self._random(32)
        self._public = x25519(self._private)
        self._transmit(CHALLENGE, 0, self._nonce_of_challenge + self._public, now)

    def _check_proof(self, proof, now):
        publics = self._peer + self._public
        nonce = self._nonce_of_challenge
        if not equal(hmac(self._psk, b"\xcd\xab\x02\x03" + nonce + self._id + publics), proof):
            raise UsmpError("AUTH_FAILED")
        shared = x25519(self._private, self._peer)
        if equal(shared, bytes(32)):
            raise UsmpError("LOW_ORDER_POINT")
        keys = hkdf(shared, nonce, b"usmp-v2" + publics)
        session_id = self._random(16)
        mac = hmac(self._psk, b"\xcd\xab\x02\x04" + nonce + session_id + publics)
        # The keys are there before the client can use them.
        self._private = self._psk = None
        self.open(session_id, keys[:32], keys[32:], now)
        self._transmit(SESSION_OK, 0, session_id + mac, now)
