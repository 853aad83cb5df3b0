/* The record layer of a session (specification, sections 4.1 to 4.5 and 5): nonces, sequence numbers, replay protection, key
   changes. No I/O, no time.

   Who calls it: a connection, through usmp_wire_protocol_t. usmp_record_layer_init comes first, once the handshake has made the
   keys; then seal and open, in any order, and the two functions of a rekey.

   It owns the keys and the counters. A frame moves nothing before its tag was good. A sequence number is used up before anything
   else is done with it, so that no nonce is used twice under a key. After an error of seal the session must end. */
#ifndef USMP_RECORD_LAYER_H
#define USMP_RECORD_LAYER_H

#include "usmp/frame.h"
#include "usmp/keys.h"
#include "usmp/replay.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One receive key, and what was received under it. */
typedef struct usmp_epoch {
  uint8_t key[USMP_KEY_SIZE];
  usmp_replay_t window;
} usmp_epoch_t;

/* From the oldest on: the key before a rekey; the key of a REKEY of the server's that crossed ours; the key of ours. */
#define USMP_MAX_EPOCHS 3

typedef struct usmp_record_layer {
  uint32_t tx_next; /* the number of the next frame that is sealed */
  uint8_t suite;
  uint8_t epoch_count;
  bool client;
  bool datagram;
  bool any_authenticated;     /* one frame at least was authenticated */
  bool rekey_pending;         /* our REKEY is sealed, nothing under our new key has come yet */
  bool rekey_collided_client; /* ... and the server's REKEY crossed ours: the client's wins */
  uint8_t id[USMP_SESSION_ID_LEN];
  uint8_t tx_key[USMP_KEY_SIZE];
  uint8_t prev_tx_key[USMP_KEY_SIZE]; /* before the last rekey; wiped when no acknowledgement under it can come any more */
  usmp_epoch_t epochs[USMP_MAX_EPOCHS];
} usmp_record_layer_t;

/* Begins with one receive epoch and both numbers at 0. The keys are copied. `client`: this end is the client, whose REKEY wins when
   both ends start one at once. `datagram`: numbers may come out of order, within the window of usmp/replay.h. */
void usmp_record_layer_init(usmp_record_layer_t *layer, const usmp_traffic_keys_t *keys, const uint8_t id[USMP_SESSION_ID_LEN],
                            uint8_t suite, bool client, bool datagram);

/* Where the plaintext stands in a frame that is to be sealed. */
#define USMP_PLAINTEXT_OFFSET (USMP_HEADER_SIZE + USMP_NONCE_SIZE)

/* Seals `len` (at most 452) bytes at frame + USMP_PLAINTEXT_OFFSET. The sequence number is used up
   before anything else happens. Returns the frame's length, or an error that must end the session. */
USMP_MUST_CHECK int usmp_record_layer_seal(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, uint32_t type,
                                           uint8_t *frame, size_t len);

/* Opens a frame into `out`, which has room for its plaintext. Returns the length of the plaintext, or an error with nothing in `out`:
   USMP_ERR_REPLAYED (datagrams: a number that came before), USMP_ERR_SEQ_MISMATCH (streams: authentic, but not the next number),
   USMP_ERR_DECRYPT_FAILED, USMP_ERR_SUITE_MISMATCH (streams: the same for the first frame), USMP_ERR_BAD_NONCE, USMP_ERR_BAD_PAYLOAD,
   USMP_ERR_UNEXPECTED_PACKET, USMP_ERR_SEQ_EXHAUSTED, USMP_ERR_CRYPTO_FAILED. With a length or USMP_ERR_REPLAYED, *epoch is the receive
   epoch that the frame belongs to, -1 if there is none. */
USMP_MUST_CHECK int usmp_record_layer_open(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, const usmp_frame_t *frame,
                                           uint8_t *out, int *epoch);

/* Seals a REKEY of ours and goes over to the new transmit key. The old receive key stays until a frame under the new one was
   authenticated. Returns the length of the frame; USMP_ERR_INVALID_ARGUMENT while an earlier REKEY of ours is unconfirmed; or an error
   that must end the session. */
USMP_MUST_CHECK int usmp_record_layer_start_rekey(usmp_record_layer_t *layer, const usmp_crypto_t *crypto,
                                                  const uint8_t salt[USMP_REKEY_SALT_SIZE], uint8_t *frame);

/* Follows a REKEY of the peer that usmp_record_layer_open has just opened. When both ends started one at once, the client's
   wins. Returns 1 when our own was given up for the peer's, else 0; or an error, which leaves the keys as they were. */
USMP_MUST_CHECK int usmp_record_layer_accept_rekey(usmp_record_layer_t *layer, const usmp_crypto_t *crypto,
                                                   const uint8_t salt[USMP_REKEY_SALT_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
