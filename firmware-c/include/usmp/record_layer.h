/* The established session (specification, sections 4 and 5): seal, open, rekey. No I/O, no time. */
#ifndef USMP_RECORD_LAYER_H
#define USMP_RECORD_LAYER_H

#include "usmp/frame.h"
#include "usmp/keys.h"
#include "usmp/replay.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One receive key with its own counter. */
typedef struct usmp_epoch {
  uint8_t key[USMP_KEY_SIZE];
  usmp_replay_t window;
} usmp_epoch_t;

/* Oldest to newest: the key before a rekey, a rekey of the peer's that lost against ours, ours. */
#define USMP_MAX_EPOCHS 3

typedef struct usmp_record_layer {
  uint32_t tx_next;
  uint8_t suite;
  uint8_t epoch_count;
  bool client;
  bool datagram;
  bool any_authenticated;     /* one frame at least was authenticated */
  bool rekey_pending;         /* our REKEY is sealed, nothing under our new key has come yet */
  bool rekey_collided_client; /* ... and the server's REKEY crossed ours: the client's wins */
  uint8_t id[USMP_SESSION_ID_LEN];
  uint8_t tx_key[USMP_KEY_SIZE];
  uint8_t prev_tx_key[USMP_KEY_SIZE]; /* before the last rekey, as long as somebody may refer to it */
  usmp_epoch_t epochs[USMP_MAX_EPOCHS];
} usmp_record_layer_t;

void usmp_record_layer_init(usmp_record_layer_t *layer, const usmp_traffic_keys_t *keys,
                       const uint8_t id[USMP_SESSION_ID_LEN], uint8_t suite, bool client, bool datagram);

/* Where the plaintext stands in a frame that is to be sealed. */
#define USMP_PLAINTEXT_OFFSET (USMP_HEADER_SIZE + USMP_NONCE_SIZE)

/* Seals `len` (at most 452) bytes at frame + USMP_PLAINTEXT_OFFSET. The sequence number is used up
   before anything else happens. Returns the frame's length, or an error that must end the session. */
USMP_MUST_CHECK int usmp_record_layer_seal(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, uint32_t type,
                                      uint8_t *frame, size_t len);

/* Opens a frame into `out`. Returns the length of the plaintext, or an error with nothing in `out`.
   With a length or USMP_ERR_REPLAYED, *epoch is the receive epoch that the frame belongs to, -1 if there is none. */
USMP_MUST_CHECK int usmp_record_layer_open(usmp_record_layer_t *layer, const usmp_crypto_t *crypto,
                                      const usmp_frame_t *frame, uint8_t *out, int *epoch);

/* Seals a REKEY and goes over to the new transmit key; the old receive key stays until a frame under the
   new one was authenticated. USMP_ERR_INVALID_ARGUMENT while an earlier one of ours is unconfirmed. */
USMP_MUST_CHECK int usmp_record_layer_start_rekey(usmp_record_layer_t *layer, const usmp_crypto_t *crypto,
                                       const uint8_t salt[USMP_REKEY_SALT_SIZE], uint8_t *frame);

/* Obeys a REKEY that usmp_record_layer_open has just opened. When both sides started one at once, the client's
   wins: returns 1 when our own was given up for it, else 0 or an error, which leaves the keys as they were. */
USMP_MUST_CHECK int usmp_record_layer_accept_rekey(usmp_record_layer_t *layer, const usmp_crypto_t *crypto,
                                         const uint8_t salt[USMP_REKEY_SALT_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
