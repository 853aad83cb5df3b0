/* Packet types, sizes and timers of wire version 2 (specification, appendix A). */
#ifndef USMP_CONSTANTS_H
#define USMP_CONSTANTS_H

/* Each cipher suite can be left out of a build: -DUSMP_WITH_AES_GCM=0, -DUSMP_WITH_CHACHA20_POLY1305=0. */
#ifndef USMP_WITH_AES_GCM
#define USMP_WITH_AES_GCM 1
#endif
#ifndef USMP_WITH_CHACHA20_POLY1305
#define USMP_WITH_CHACHA20_POLY1305 1
#endif
#if !USMP_WITH_AES_GCM && !USMP_WITH_CHACHA20_POLY1305
#error "at least one cipher suite is needed"
#endif

/* So can what a firmware has no transport for: -DUSMP_WITH_DATAGRAM=0, -DUSMP_WITH_SERIAL=0. */
#ifndef USMP_WITH_DATAGRAM
#define USMP_WITH_DATAGRAM 1
#endif
#ifndef USMP_WITH_SERIAL
#define USMP_WITH_SERIAL 1
#endif

/* Made by scripts/constants.mjs from docs/spec/constants.json: begin. */

/* Wire version that is spoken today (specification, section 1.1). */
#define USMP_WIRE_VERSION 0x02
/* First magic byte on the wire (specification, section 1.1). */
#define USMP_MAGIC_0 0xCD
/* Second magic byte on the wire (specification, section 1.1). */
#define USMP_MAGIC_1 0xAB
/* Frame header, bytes (specification, section 1.1). */
#define USMP_HEADER_SIZE 12
/* Part of the header that CRC and AEAD cover: everything before the CRC field, bytes (specification, section 1.1). */
#define USMP_AAD_SIZE 10
/* Largest payload of a frame, bytes (specification, section 1.1). */
#define USMP_MAX_PAYLOAD 480
/* Largest frame, bytes (specification, section 1.1). */
#define USMP_MAX_FRAME_SIZE (USMP_HEADER_SIZE + USMP_MAX_PAYLOAD)

/* Client's first message (specification, section 3.2). */
#define USMP_TYPE_HELLO 0x01
/* Server's answer (specification, section 3.4). */
#define USMP_TYPE_CHALLENGE 0x02
/* Client's proof (specification, section 3.5). */
#define USMP_TYPE_HELLO_ACK 0x03
/* Server's proof (specification, section 3.6). */
#define USMP_TYPE_SESSION_OK 0x04
/* Message, or its last fragment; sealed (specification, section 4.6). */
#define USMP_TYPE_DATA 0x05
/* Sealed, empty (specification, section 4.7). */
#define USMP_TYPE_PING 0x06
/* Sealed, empty (specification, section 4.7). */
#define USMP_TYPE_PONG 0x07
/* Sealed, empty (specification, section 4.10). */
#define USMP_TYPE_BYE 0x08
/* Fragment with more to come; sealed (specification, section 4.6). */
#define USMP_TYPE_DATA_FRAG 0x09
/* Cookie of a datagram server (specification, section 3.3). */
#define USMP_TYPE_HELLO_RETRY 0x0A
/* Sealed salt (specification, section 5.1). */
#define USMP_TYPE_REKEY 0x0B
/* Unauthenticated hint (specification, section 2.4). */
#define USMP_TYPE_ERROR 0xFF

/* AES-256-GCM (specification, section 4.14). */
#define USMP_CIPHER_AES256_GCM 1
/* ChaCha20-Poly1305 (specification, section 4.14). */
#define USMP_CIPHER_CHACHA20_POLY1305 2

/* Nonce at the start of a sealed payload, bytes (specification, section 4.1). */
#define USMP_NONCE_SIZE 12
/* Authentication tag at the end of a sealed payload, bytes (specification, section 4.1). */
#define USMP_TAG_SIZE 16
/* What sealing adds to a plaintext, bytes (specification, section 4.1). */
#define USMP_SEAL_OVERHEAD (USMP_NONCE_SIZE + USMP_TAG_SIZE)
/* Largest plaintext of one frame, bytes (specification, section 4.1). */
#define USMP_MAX_DATA_LEN (USMP_MAX_PAYLOAD - USMP_SEAL_OVERHEAD)
/* Most frames of one message (specification, section 4.6). */
#define USMP_MAX_FRAMES 4
/* Largest message, bytes (specification, section 4.6). */
#define USMP_MAX_MESSAGE_LEN (USMP_MAX_DATA_LEN * USMP_MAX_FRAMES)
/* Sequence number that is never sent (specification, section 4.13). */
#define USMP_SEQ_END 0xFFFFFFFFu
/* Replay window on datagrams, in sequence numbers (specification, section 4.5). */
#define USMP_REPLAY_WINDOW 64

/* Device id, bytes (specification, section 0.3). */
#define USMP_DEVICE_ID_LEN 6
/* Session key of either suite, bytes (specification, section 3.8). */
#define USMP_KEY_SIZE 32
/* Server's nonce in CHALLENGE, bytes (specification, section 0.3). */
#define USMP_CHALLENGE_NONCE_SIZE 32
/* Session id, bytes (specification, section 0.3). */
#define USMP_SESSION_ID_LEN 16
/* Handshake MAC, bytes (specification, section 3.7). */
#define USMP_MAC_SIZE 32
/* Cookie of HELLO_RETRY, bytes (specification, section 7.2). */
#define USMP_COOKIE_SIZE 16
/* Salt of a REKEY, bytes (specification, section 5.1). */
#define USMP_REKEY_SALT_SIZE 32
/* Payload of ERROR, bytes (specification, section 2.4). */
#define USMP_ERROR_SIZE 3
/* Shortest pre-shared key, bytes (specification, section 10.1). */
#define USMP_MIN_PSK_SIZE 16

/* Acknowledgement without a MAC, bytes (specification, section 7.3). */
#define USMP_UTACK_SIZE 7
/* MAC of an acknowledgement, bytes (specification, section 7.3). */
#define USMP_UTACK_MAC_SIZE 8

/* Most PONGs that an end sends in any second (specification, section 4.7). */
#define USMP_MAX_PONGS_PER_SECOND 8
/* Most PINGs of an end that wait for an answer (specification, section 4.7). */
#define USMP_MAX_PINGS_OPEN 8
/* Flood budget: 512 points, as ms of refill, ms (specification, section 4.8). */
#define USMP_FLOOD_BUDGET_MS 64000u
/* What a PING or PONG that nothing asked for costs, ms (specification, section 4.8). */
#define USMP_FLOOD_COST_CONTROL_MS 125u
/* What a REKEY costs, ms (specification, section 4.8). */
#define USMP_FLOOD_COST_REKEY_MS 1000u
/* Budget for own rekeys: 16 in a burst, ms (specification, section 5.2). */
#define USMP_REKEY_BUDGET_MS 64000u
/* What each own rekey costs, ms (specification, section 5.2). */
#define USMP_REKEY_COST_MS 4000u
/* Wrong proofs that end an attempt on datagrams and serial lines (specification, section 3.12). */
#define USMP_MAX_WRONG_PROOFS 5
/* A datagram that is not acknowledged so long after its first sending is lost, ms (specification, section 7.5). */
#define USMP_RETRANSMIT_TIMEOUT_MS 30000u
/* The same for messages while the peer shows that it lives, ms (specification, section 7.5). */
#define USMP_RETRANSMIT_TIMEOUT_WHILE_ALIVE_MS 600000u
/* Longest close: what was accepted, then BYE, ms (specification, section 4.10). */
#define USMP_CLOSE_MS 5000u
/* The same for a session that was replaced or turned away, or when the server stops, ms (specification, section 4.10). */
#define USMP_SHORT_CLOSE_MS 1000u

/* Defaults of timers: a build may set its own. */
#ifndef USMP_STEP_MS
/* Client: one step of the handshake, ms (specification, section 8.1). */
#define USMP_STEP_MS 5000u
#endif
#ifndef USMP_HANDSHAKE_MS
/* Server: the whole handshake, ms (specification, section 8.1). */
#define USMP_HANDSHAKE_MS 10000u
#endif
#ifndef USMP_KEEPALIVE_MS
/* Client: silence before a PING, ms (specification, section 4.7). */
#define USMP_KEEPALIVE_MS 20000u
#endif
#ifndef USMP_IDLE_MS
/* Both: time without an authentic frame after which a session ends, ms (specification, section 4.9). */
#define USMP_IDLE_MS 60000u
#endif

/* Made by scripts/constants.mjs: end. */

#if USMP_WITH_AES_GCM
#define USMP_CIPHER_DEFAULT USMP_CIPHER_AES256_GCM
#else
#define USMP_CIPHER_DEFAULT USMP_CIPHER_CHACHA20_POLY1305
#endif

/* A serial line: 00 || COBS(frame) || 00. */
#define USMP_MAX_COBS_SIZE (USMP_MAX_FRAME_SIZE + 2)
#define USMP_MAX_PACKET_SIZE (USMP_MAX_COBS_SIZE + 2)

#define USMP_MAX_PSK_SIZE 1024 /* more is not a key but a wrong length */
#define USMP_HELLO_SIZE (USMP_DEVICE_ID_LEN + USMP_KEY_SIZE)
#define USMP_HELLO_COOKIE_SIZE (USMP_HELLO_SIZE + USMP_COOKIE_SIZE)
#define USMP_CHALLENGE_SIZE (USMP_CHALLENGE_NONCE_SIZE + USMP_KEY_SIZE)
#define USMP_SESSION_OK_SIZE (USMP_SESSION_ID_LEN + USMP_MAC_SIZE)
#define USMP_ERROR_INTERNAL 7 /* the look-up of a PSK failed (2.4) */
#define USMP_UTACK_MAX_SIZE (USMP_UTACK_SIZE + USMP_UTACK_MAC_SIZE)

#if USMP_HANDSHAKE_MS < 1 || USMP_STEP_MS < 1 || USMP_KEEPALIVE_MS < 1 || USMP_IDLE_MS <= USMP_KEEPALIVE_MS
#error "times are at least 1 ms, and the idle time is longer than the keepalive time"
#endif

#endif
