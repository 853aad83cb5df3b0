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

#define USMP_CIPHER_AES256_GCM 1
#define USMP_CIPHER_CHACHA20_POLY1305 2
#if USMP_WITH_AES_GCM
#define USMP_CIPHER_DEFAULT USMP_CIPHER_AES256_GCM
#else
#define USMP_CIPHER_DEFAULT USMP_CIPHER_CHACHA20_POLY1305
#endif

#define USMP_MAGIC_0 0xCD
#define USMP_MAGIC_1 0xAB
#define USMP_WIRE_VERSION 0x02

#define USMP_TYPE_HELLO 0x01
#define USMP_TYPE_CHALLENGE 0x02
#define USMP_TYPE_HELLO_ACK 0x03
#define USMP_TYPE_SESSION_OK 0x04
#define USMP_TYPE_DATA 0x05
#define USMP_TYPE_PING 0x06
#define USMP_TYPE_PONG 0x07
#define USMP_TYPE_BYE 0x08
#define USMP_TYPE_DATA_FRAG 0x09
#define USMP_TYPE_HELLO_RETRY 0x0A
#define USMP_TYPE_REKEY 0x0B
#define USMP_TYPE_ERROR 0xFF

#define USMP_HEADER_SIZE 12
#define USMP_AAD_SIZE 10 /* the header without its CRC */
#define USMP_MAX_PAYLOAD 480
#define USMP_MAX_FRAME_SIZE (USMP_HEADER_SIZE + USMP_MAX_PAYLOAD)
#define USMP_NONCE_SIZE 12
#define USMP_TAG_SIZE 16
#define USMP_SEAL_OVERHEAD (USMP_NONCE_SIZE + USMP_TAG_SIZE)
#define USMP_MAX_DATA_LEN (USMP_MAX_PAYLOAD - USMP_SEAL_OVERHEAD)
#define USMP_MAX_FRAMES 4
#define USMP_MAX_MESSAGE_LEN (USMP_MAX_FRAMES * USMP_MAX_DATA_LEN)

/* A serial line: 00 || COBS(frame) || 00. */
#define USMP_MAX_COBS_SIZE (USMP_MAX_FRAME_SIZE + 2)
#define USMP_MAX_PACKET_SIZE (USMP_MAX_COBS_SIZE + 2)

#define USMP_KEY_SIZE 32
#define USMP_MAC_SIZE 32
#define USMP_MIN_PSK_SIZE 16
#define USMP_MAX_PSK_SIZE 1024 /* more is not a key but a wrong length */
#define USMP_DEVICE_ID_LEN 6
#define USMP_SESSION_ID_LEN 16
#define USMP_COOKIE_SIZE 16
#define USMP_CHALLENGE_NONCE_SIZE 32
#define USMP_REKEY_SALT_SIZE 32

#define USMP_HELLO_SIZE (USMP_DEVICE_ID_LEN + USMP_KEY_SIZE)
#define USMP_HELLO_COOKIE_SIZE (USMP_HELLO_SIZE + USMP_COOKIE_SIZE)
#define USMP_CHALLENGE_SIZE (USMP_CHALLENGE_NONCE_SIZE + USMP_KEY_SIZE)
#define USMP_SESSION_OK_SIZE (USMP_SESSION_ID_LEN + USMP_MAC_SIZE)
#define USMP_ERROR_SIZE 3
#define USMP_ERROR_INTERNAL 7 /* the look-up of a PSK failed (2.4) */

#define USMP_UTACK_SIZE 7
#define USMP_UTACK_MAC_SIZE 8
#define USMP_UTACK_MAX_SIZE (USMP_UTACK_SIZE + USMP_UTACK_MAC_SIZE)

#define USMP_SEQ_END 0xFFFFFFFFu /* never sent */
/* PING and PONG (specification 4.7): PONGs that leave in any second, own PINGs that may be open. */
#define USMP_MAX_PONGS_PER_SECOND 8
#define USMP_MAX_PINGS_OPEN 8
/* Flood budget and own rekeys (4.8, 5.2), in milliseconds of refill. */
#define USMP_FLOOD_BUDGET_MS 64000u
#define USMP_FLOOD_COST_CONTROL_MS 125u
#define USMP_FLOOD_COST_REKEY_MS 1000u
#define USMP_REKEY_BUDGET_MS 64000u
#define USMP_REKEY_COST_MS 4000u
#define USMP_MAX_WRONG_PROOFS 5 /* in an attempt, on datagrams and serial lines (3.12) */
/* A datagram that is not acknowledged so long after its first sending is lost; DATA is not while the peer shows life, for
   the second time at most (7.5). */
#define USMP_RETRANSMIT_TIMEOUT_MS 30000u
#define USMP_RETRANSMIT_TIMEOUT_WHILE_ALIVE_MS 600000u
/* A close in all, datagrams: what is queued, then BYE. The short one is for REPLACED and SHUTDOWN (4.10). */
#define USMP_CLOSE_MS 5000u
#define USMP_SHORT_CLOSE_MS 1000u

/* Times where the configuration says 0; a build may set its own. */
#ifndef USMP_HANDSHAKE_MS
#define USMP_HANDSHAKE_MS 10000u /* the server's whole handshake */
#endif
#ifndef USMP_STEP_MS
#define USMP_STEP_MS 5000u /* the client's wait for each answer */
#endif
#ifndef USMP_KEEPALIVE_MS
#define USMP_KEEPALIVE_MS 20000u /* the client's silence before a PING */
#endif
#ifndef USMP_IDLE_MS
#define USMP_IDLE_MS 60000u /* without an authenticated frame */
#endif
#if USMP_HANDSHAKE_MS < 1 || USMP_STEP_MS < 1 || USMP_KEEPALIVE_MS < 1 || USMP_IDLE_MS <= USMP_KEEPALIVE_MS
#error "times are at least 1 ms, and the idle time is longer than the keepalive time"
#endif

#endif
