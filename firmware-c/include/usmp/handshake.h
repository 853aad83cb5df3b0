/* The handshake of wire version 2 (specification, section 3): one function a message, no I/O.

   Who calls it: src/wire_v2_client.c and src/wire_v2_server.c, with payloads whose length they have checked.

     client: start, hello, [retry, hello,] challenge, answer, session_ok
     server: hello, hello_ack

   Every function leaves the state untouched when it fails, so that a datagram can be dropped. The state holds an ephemeral secret:
   the connection wipes it when the handshake ends. Errors: USMP_ERR_RANDOM_FAILED and USMP_ERR_CRYPTO_FAILED of the callbacks
   (usmp/callbacks.h), USMP_ERR_LOW_ORDER_POINT, and what each function names. */
#ifndef USMP_HANDSHAKE_H
#define USMP_HANDSHAKE_H

#include "usmp/config.h"
#include "usmp/keys.h"
#include "usmp/messages.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- client ---- */

/* Of one attempt of a client. */
typedef struct usmp_client {
  uint8_t secret[USMP_KEY_SIZE];
  /* The CHALLENGE answered last, and our public key. A datagram may be forged, and that shows only at
     SESSION_OK: the CHALLENGE answered before is kept too. Without one, the keys are ready. */
  usmp_transcript_t transcript;
  union {
    usmp_traffic_keys_t keys;
    uint8_t other[USMP_CHALLENGE_SIZE];
  } u;
  uint8_t cookie[USMP_COOKIE_SIZE];
  uint8_t challenge_count; /* 0 to 2 that are remembered */
  bool retried;            /* a HELLO_RETRY came; `cookie` is its cookie */
} usmp_client_t;

/* Draws the ephemeral key pair. Returns 0 or an error. */
USMP_MUST_CHECK int usmp_client_start(usmp_client_t *c, const usmp_config_t *me);

/* Takes the cookie of a HELLO_RETRY. Returns 0, 1 if the same one came before, or
   USMP_ERR_UNEXPECTED_PACKET for a second one. */
USMP_MUST_CHECK int usmp_client_retry(usmp_client_t *c, const uint8_t cookie[USMP_COOKIE_SIZE]);

/* Writes the HELLO payload: 54 bytes after a HELLO_RETRY, else 38. Returns its length. */
size_t usmp_client_hello(const usmp_client_t *c, const usmp_config_t *me, uint8_t *hello);

/* Takes a CHALLENGE payload. Returns 0, 1 if it was answered before, or an error. */
USMP_MUST_CHECK int usmp_client_challenge(usmp_client_t *c, const usmp_config_t *me,
                                          const uint8_t payload[USMP_CHALLENGE_SIZE]);

/* Writes the HELLO_ACK payload that answers the CHALLENGE at hand. Returns 0 or an error. */
USMP_MUST_CHECK int usmp_client_answer(const usmp_client_t *c, const usmp_config_t *me, uint8_t mac[USMP_MAC_SIZE]);

/* Exchanges the CHALLENGE at hand and the other one. */
void usmp_client_swap(usmp_client_t *c);

/* Checks a SESSION_OK payload and gives the keys of the CHALLENGE it belongs to. Returns 0 with the keys written,
   USMP_ERR_AUTH_FAILED, or an error. */
USMP_MUST_CHECK int usmp_client_session_ok(usmp_client_t *c, const usmp_config_t *me,
                                           const uint8_t payload[USMP_SESSION_OK_SIZE], usmp_traffic_keys_t *keys);

/* ---- server ---- */

/* All that the PSK is needed for is computed when HELLO comes; no key is kept while the network is awaited. */
typedef struct usmp_server {
  uint8_t secret[USMP_KEY_SIZE];
  usmp_transcript_t transcript;
  uint8_t expected_mac[USMP_MAC_SIZE];
  uint8_t session_ok[USMP_SESSION_OK_SIZE];
  uint8_t suite;
  uint8_t wrong_proofs; /* of the attempt, restarts included (specification 3.12) */
  int last_wrong;       /* what was wrong with the last one; 0: there was none */
  /* Why no PSK was found; the handshake goes on with a random one (W14). While HELLO is awaited: why the look-up failed. */
  int refusal;
  uint32_t looked_up_at; /* when that was */
} usmp_server_t;

/* Answers HELLO, the first of an attempt (with `s` of zeros) or one that starts again within it. `refusal` is 0, or the error with
   which the handshake will fail at its end, whatever the proof is; the credential's psk is ignored then. Returns 0 with the
   CHALLENGE payload written, or an error. */
USMP_MUST_CHECK int usmp_server_hello(usmp_server_t *s, const usmp_config_t *me, const usmp_credential_t *credential,
                                      int refusal, const uint8_t *hello, uint8_t challenge[USMP_CHALLENGE_SIZE]);

/* Checks HELLO_ACK, then derives the keys: the mac needs no Diffie-Hellman (W8). Returns 0 with the keys written, the refusal of
   usmp_server_hello, USMP_ERR_AUTH_FAILED, or an error. */
USMP_MUST_CHECK int usmp_server_hello_ack(const usmp_server_t *s, const usmp_crypto_t *crypto, const uint8_t mac[USMP_MAC_SIZE],
                                          usmp_traffic_keys_t *keys);

#ifdef __cplusplus
}
#endif
#endif
