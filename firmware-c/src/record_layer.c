#include "usmp/record_layer.h"

#include <string.h>

#include "usmp/callbacks.h"

void usmp_record_layer_init(usmp_record_layer_t *layer, const usmp_traffic_keys_t *keys, const uint8_t id[USMP_SESSION_ID_LEN],
                            uint8_t suite, bool client, bool datagram)
{
  memset(layer, 0, sizeof *layer);
  memcpy(layer->id, id, USMP_SESSION_ID_LEN);
  memcpy(layer->tx_key, client ? keys->c2s : keys->s2c, USMP_KEY_SIZE);
  memcpy(layer->epochs[0].key, client ? keys->s2c : keys->c2s, USMP_KEY_SIZE);
  layer->epoch_count = 1;
  layer->suite = suite;
  layer->client = client;
  layer->datagram = datagram;
}

static bool is_datagram(const usmp_record_layer_t *layer)
{
  return USMP_WITH_DATAGRAM && layer->datagram;
}

static void make_nonce(const usmp_record_layer_t *layer, uint32_t seq, uint8_t nonce[USMP_NONCE_SIZE])
{
  usmp_store32(nonce, seq);
  memcpy(nonce + 4, layer->id, USMP_NONCE_SIZE - 4);
}

int usmp_record_layer_seal(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, uint32_t type, uint8_t *frame, size_t len)
{
  uint8_t *nonce = frame + USMP_HEADER_SIZE;

  if (layer->tx_next == USMP_SEQ_END) return USMP_ERR_SEQ_EXHAUSTED;
  uint32_t seq = layer->tx_next++;
  make_nonce(layer, seq, nonce);
  usmp_frame_header(USMP_WIRE_VERSION, frame, type, seq, len + USMP_SEAL_OVERHEAD);
  int sealed = crypto->seal(layer->suite, layer->tx_key, nonce, frame, frame + USMP_PLAINTEXT_OFFSET, len);
  int err = usmp_callback_result(sealed, USMP_ERR_CRYPTO_FAILED);
  if (err != USMP_OK) return err;
  return usmp_frame_finish(frame, len + USMP_SEAL_OVERHEAD);
}

static bool is_sealed_type(uint32_t type)
{
  return (type >= USMP_TYPE_DATA && type <= USMP_TYPE_DATA_FRAG) || type == USMP_TYPE_REKEY;
}

/* What can be said without a key. */
static int check_outside(const usmp_record_layer_t *layer, const usmp_frame_t *frame)
{
  const uint8_t *nonce = frame->payload;

  if (!is_sealed_type(frame->type)) return USMP_ERR_UNEXPECTED_PACKET;
  if (frame->length < USMP_SEAL_OVERHEAD) return USMP_ERR_BAD_PAYLOAD;
  bool good = usmp_load32(nonce) == frame->seq && memcmp(nonce + 4, layer->id, USMP_NONCE_SIZE - 4) == 0;
  return good ? USMP_OK : USMP_ERR_BAD_NONCE;
}

/* The frame was authenticated under this epoch: the peer has left all older ones. */
static void settle_epoch(usmp_record_layer_t *layer, int epoch)
{
  if (epoch == layer->epoch_count - 1) layer->rekey_pending = layer->rekey_collided_client = false;
  if (epoch == 0) return;
  layer->epoch_count = (unsigned)(layer->epoch_count - epoch) & 3u;
  memmove(&layer->epochs[0], &layer->epochs[epoch], layer->epoch_count * sizeof layer->epochs[0]);
  usmp_wipe(&layer->epochs[layer->epoch_count], (size_t)(USMP_MAX_EPOCHS - layer->epoch_count) * sizeof layer->epochs[0]);
}

static usmp_freshness_t check_replay(const usmp_record_layer_t *layer, int epoch, uint32_t seq)
{
  const usmp_replay_t *window = &layer->epochs[epoch].window;

  if (is_datagram(layer)) return usmp_replay_check(window, seq);
  return window->next == seq ? USMP_NEW : USMP_STALE;
}

int usmp_record_layer_open(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, const usmp_frame_t *frame, uint8_t *out,
                           int *epoch)
{
  const uint8_t *nonce = frame->payload;
  unsigned fresh = 0; /* a bit for each epoch in whose order the frame is */
  int count = layer->epoch_count;
  int err;
  int i;

  *epoch = -1;
  for (i = count - 1; i >= 0; i--) {
    usmp_freshness_t how = check_replay(layer, i, frame->seq);
    if (how == USMP_DUPLICATE) *epoch = i; /* in the end the oldest that has had it */
    fresh = fresh << 1 | (how == USMP_NEW);
  }
  if (is_datagram(layer) && fresh == 0) return USMP_ERR_REPLAYED;
  err = check_outside(layer, frame);
  if (err != USMP_OK) return err;

  /* Tries the epochs from the oldest. On a stream the tag is judged before the order, and all others are tried too: a good
     frame out of order is told from a forged one. */
  int len = (int)frame->length - USMP_SEAL_OVERHEAD;
  int tries = is_datagram(layer) ? count : 2 * count;
  err = USMP_ERR_DECRYPT_FAILED;
  for (int n = 0; n < tries && err == USMP_ERR_DECRYPT_FAILED; n++) {
    i = n % count;
    if ((fresh >> i & 1) != (n < count)) continue;
    err = crypto->open(layer->suite, layer->epochs[i].key, nonce, frame->header, nonce + USMP_NONCE_SIZE, (size_t)len, out);
    if (err == USMP_OK) break;
    usmp_wipe(out, (size_t)len);
    err = usmp_open_error(err);
  }
  if (err == USMP_ERR_DECRYPT_FAILED && *epoch >= 0) return USMP_ERR_REPLAYED;
  if (err == USMP_ERR_DECRYPT_FAILED && !is_datagram(layer) && !layer->any_authenticated) return USMP_ERR_SUITE_MISMATCH;
  if (err != USMP_OK) return err;

  if (frame->seq == USMP_SEQ_END || !(fresh >> i & 1)) {
    usmp_wipe(out, (size_t)len);
    return frame->seq == USMP_SEQ_END ? USMP_ERR_SEQ_EXHAUSTED : USMP_ERR_SEQ_MISMATCH;
  }
  usmp_replay_commit(&layer->epochs[i].window, frame->seq);
  layer->any_authenticated = true;
  settle_epoch(layer, i);
  *epoch = 0;
  return len;
}

int usmp_record_layer_start_rekey(usmp_record_layer_t *layer, const usmp_crypto_t *crypto,
                                  const uint8_t salt[USMP_REKEY_SALT_SIZE], uint8_t *frame)
{
  usmp_epoch_t *newest = &layer->epochs[layer->epoch_count];

  if (layer->rekey_pending || layer->epoch_count == USMP_MAX_EPOCHS) return USMP_ERR_INVALID_ARGUMENT;
  memcpy(frame + USMP_PLAINTEXT_OFFSET, salt, USMP_REKEY_SALT_SIZE);
  int len = usmp_record_layer_seal(layer, crypto, USMP_TYPE_REKEY, frame, USMP_REKEY_SALT_SIZE);
  if (len < 0) return len;
  memcpy(layer->prev_tx_key, layer->tx_key, USMP_KEY_SIZE);
  int err = usmp_derive_rekey(crypto, layer->tx_key, newest[-1].key, salt, layer->id, layer->tx_key, newest->key);
  if (err != USMP_OK) return err;
  memset(&newest->window, 0, sizeof newest->window);
  layer->tx_next = 0;
  layer->epoch_count++;
  layer->rekey_pending = true;
  return len;
}

int usmp_record_layer_accept_rekey(usmp_record_layer_t *layer, const usmp_crypto_t *crypto,
                                   const uint8_t salt[USMP_REKEY_SALT_SIZE])
{
  usmp_epoch_t *peers = &layer->epochs[1];
  uint8_t tx[USMP_KEY_SIZE];
  bool crossed = layer->rekey_pending && !layer->rekey_collided_client && layer->epoch_count == 2;
  bool won = crossed && layer->client;

  /* It must come under the newest key there is, or cross our own REKEY. */
  if (layer->epoch_count != 1 && !crossed) return USMP_ERR_UNEXPECTED_PACKET;
  if (won) layer->epochs[2] = *peers; /* ours; what the server sent before it learned so can still be read */
  int err = usmp_derive_rekey(crypto, layer->epochs[0].key, crossed ? layer->prev_tx_key : layer->tx_key, salt, layer->id,
                              peers->key, tx);
  if (err != USMP_OK) return err;
  memset(&peers->window, 0, sizeof peers->window);
  layer->epoch_count = won ? 3 : 2;
  layer->rekey_collided_client = won;
  if (!won) {
    memcpy(layer->prev_tx_key, layer->tx_key, USMP_KEY_SIZE);
    memcpy(layer->tx_key, tx, USMP_KEY_SIZE);
    layer->tx_next = 0;
    layer->rekey_pending = false;
  }
  usmp_wipe(tx, sizeof tx);
  return crossed && !won;
}
