/* Where the fields stand in handshake payloads (specification, sections 3.2 to 3.6), and what the macs cover (section 3.7). */
#ifndef USMP_MESSAGES_H
#define USMP_MESSAGES_H

#include "usmp/constants.h"
#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* HELLO: device_id(6) pub_C(32), with cookie(16) behind after a HELLO_RETRY. */
#define USMP_HELLO_PUBLIC USMP_DEVICE_ID_LEN
#define USMP_HELLO_COOKIE USMP_HELLO_SIZE
/* CHALLENGE: nonce(32) pub_S(32). */
#define USMP_CHALLENGE_PUBLIC USMP_CHALLENGE_NONCE_SIZE
/* SESSION_OK: session_id(16) mac_S(32). */
#define USMP_SESSION_OK_MAC USMP_SESSION_ID_LEN

/* What both macs and the key schedule are bound to. */
typedef struct usmp_transcript {
  uint8_t nonce[USMP_CHALLENGE_NONCE_SIZE]; /* nonce and server_public stand as in CHALLENGE */
  uint8_t server_public[USMP_KEY_SIZE];
  uint8_t client_public[USMP_KEY_SIZE];
} usmp_transcript_t;

/* mac_C, sent in HELLO_ACK. */
USMP_MUST_CHECK int usmp_client_mac(const usmp_crypto_t *crypto, const uint8_t *psk, size_t psk_len,
                                    const usmp_transcript_t *transcript, const uint8_t device_id[USMP_DEVICE_ID_LEN],
                                    uint8_t mac[USMP_MAC_SIZE]);

/* mac_S, sent in SESSION_OK. */
USMP_MUST_CHECK int usmp_server_mac(const usmp_crypto_t *crypto, const uint8_t *psk, size_t psk_len,
                                    const usmp_transcript_t *transcript, const uint8_t session_id[USMP_SESSION_ID_LEN],
                                    uint8_t mac[USMP_MAC_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
