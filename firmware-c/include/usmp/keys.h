/* The key schedule of wire version 2 (specification, sections 3.8 and 5.1). */
#ifndef USMP_KEYS_H
#define USMP_KEYS_H

#include "usmp/messages.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct usmp_traffic_keys {
  uint8_t c2s[USMP_KEY_SIZE];
  uint8_t s2c[USMP_KEY_SIZE];
} usmp_traffic_keys_t;

/* X25519, then HKDF over the transcript. USMP_ERR_LOW_ORDER_POINT when the shared secret is zero; after an error the
   keys are wiped. */
USMP_MUST_CHECK int usmp_derive_keys(const usmp_crypto_t *crypto, const uint8_t secret[USMP_KEY_SIZE],
                                     const uint8_t peer_public[USMP_KEY_SIZE], const usmp_transcript_t *transcript,
                                     usmp_traffic_keys_t *keys);

/* After a REKEY: tx and rx as the initiator names them, in and out. After an error the new keys are as they were. */
USMP_MUST_CHECK int usmp_derive_rekey(const usmp_crypto_t *crypto, const uint8_t tx[USMP_KEY_SIZE],
                                      const uint8_t rx[USMP_KEY_SIZE], const uint8_t salt[USMP_REKEY_SALT_SIZE],
                                      const uint8_t session_id[USMP_SESSION_ID_LEN], uint8_t new_tx[USMP_KEY_SIZE],
                                      uint8_t new_rx[USMP_KEY_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
