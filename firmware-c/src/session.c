#include "usmp/session.h"

#include <string.h>

#include "usmp/callbacks.h"

void usmp_session_init(usmp_session_t *s, const usmp_keys_t *keys, const uint8_t id[USMP_SESSION_ID_LEN],
                       uint8_t suite, bool client, bool datagram)
{
  memset(s, 0, sizeof *s);
  memcpy(s->id, id, USMP_SESSION_ID_LEN);
  memcpy(s->tx_key, client ? keys->c2s : keys->s2c, USMP_KEY_SIZE);
  memcpy(s->epochs[0].key, client ? keys->s2c : keys->c2s, USMP_KEY_SIZE);
  s->epoch_count = 1;
  s->suite = suite;
  s->client = client;
  s->datagram = datagram;
}

static bool is_datagram(const usmp_session_t *s)
{
  return USMP_WITH_DATAGRAM && s->datagram;
}

static void make_nonce(const usmp_session_t *s, uint32_t seq, uint8_t nonce[USMP_NONCE_SIZE])
{
  usmp_store32(nonce, seq);
  memcpy(nonce + 4, s->id, USMP_NONCE_SIZE - 4);
}

int usmp_session_seal(usmp_session_t *s, const usmp_crypto_t *crypto, uint32_t type, uint8_t *frame,
                      size_t len)
{
  uint8_t *nonce = frame + USMP_HEADER_SIZE;

  if (s->tx_next == USMP_SEQ_END) return USMP_ERR_SEQ_EXHAUSTED;
  uint32_t seq = s->tx_next++;
  make_nonce(s, seq, nonce);
  usmp_frame_header(frame, type, seq, len + USMP_SEAL_OVERHEAD);
  int sealed = crypto->seal(s->suite, s->tx_key, nonce, frame, frame + USMP_PLAINTEXT_OFFSET, len);
  int err = usmp_callback_result(sealed, USMP_ERR_CRYPTO_FAILED);
  if (err != USMP_OK) return err;
  return usmp_frame_finish(frame, len + USMP_SEAL_OVERHEAD);
}

static bool is_sealed_type(uint32_t type)
{
  return (type >= USMP_TYPE_DATA && type <= USMP_TYPE_DATA_FRAG) || type == USMP_TYPE_REKEY;
}

/* What can be said without a key. */
static int check_outside(const usmp_session_t *s, const usmp_frame_t *frame)
{
  const uint8_t *nonce = frame->payload;

  if (!is_sealed_type(frame->type)) return USMP_ERR_UNEXPECTED_PACKET;
  if (frame->length < USMP_SEAL_OVERHEAD) return USMP_ERR_BAD_PAYLOAD;
  bool good = usmp_load32(nonce) == frame->seq && memcmp(nonce + 4, s->id, USMP_NONCE_SIZE - 4) == 0;
  return good ? USMP_OK : USMP_ERR_BAD_NONCE;
}

/* The frame was authenticated under this epoch: the peer has left all older ones. */
static void settle_epoch(usmp_session_t *s, int epoch)
{
  if (epoch == s->epoch_count - 1) s->rekey_open = s->rekey_won = false;
  if (epoch == 0) return;
  s->epoch_count = (unsigned)(s->epoch_count - epoch) & 3u;
  memmove(&s->epochs[0], &s->epochs[epoch], s->epoch_count * sizeof s->epochs[0]);
  usmp_wipe(&s->epochs[s->epoch_count], (size_t)(USMP_MAX_EPOCHS - s->epoch_count) * sizeof s->epochs[0]);
}

static usmp_freshness_t freshness(const usmp_session_t *s, int epoch, uint32_t seq)
{
  const usmp_replay_t *window = &s->epochs[epoch].window;

  if (is_datagram(s)) return usmp_replay_check(window, seq);
  return window->next == seq ? USMP_NEW : USMP_STALE;
}

int usmp_session_open(usmp_session_t *s, const usmp_crypto_t *crypto, const usmp_frame_t *frame,
                      uint8_t *out, int *epoch)
{
  const uint8_t *nonce = frame->payload;
  unsigned fresh = 0; /* a bit for each epoch in whose order the frame is */
  int count = s->epoch_count;
  int err;
  int i;

  *epoch = -1;
  for (i = count - 1; i >= 0; i--) {
    usmp_freshness_t how = freshness(s, i, frame->seq);
    if (how == USMP_DUPLICATE) *epoch = i; /* in the end the oldest that has had it */
    fresh = fresh << 1 | (how == USMP_NEW);
  }
  if (is_datagram(s) && fresh == 0) return USMP_ERR_REPLAYED;
  err = check_outside(s, frame);
  if (err != USMP_OK) return err;

  /* Tries the epochs from the oldest. On a stream the tag is judged before the order, and all others are tried too: a good
     frame out of order is told from a forged one. */
  int len = (int)frame->length - USMP_SEAL_OVERHEAD;
  int tries = is_datagram(s) ? count : 2 * count;
  err = USMP_ERR_DECRYPT_FAILED;
  for (int n = 0; n < tries && err == USMP_ERR_DECRYPT_FAILED; n++) {
    i = n % count;
    if ((fresh >> i & 1) != (n < count)) continue;
    err = crypto->open(s->suite, s->epochs[i].key, nonce, frame->header, nonce + USMP_NONCE_SIZE, (size_t)len, out);
    if (err == USMP_OK) break;
    usmp_wipe(out, (size_t)len);
    err = usmp_open_error(err);
  }
  if (err == USMP_ERR_DECRYPT_FAILED && *epoch >= 0) return USMP_ERR_REPLAYED;
  if (err == USMP_ERR_DECRYPT_FAILED && !is_datagram(s) && !s->heard) return USMP_ERR_SUITE_MISMATCH;
  if (err != USMP_OK) return err;

  if (frame->seq == USMP_SEQ_END || !(fresh >> i & 1)) {
    usmp_wipe(out, (size_t)len);
    return frame->seq == USMP_SEQ_END ? USMP_ERR_SEQ_EXHAUSTED : USMP_ERR_SEQ_MISMATCH;
  }
  usmp_replay_commit(&s->epochs[i].window, frame->seq);
  s->heard = true;
  settle_epoch(s, i);
  *epoch = 0;
  return len;
}

int usmp_session_rekey(usmp_session_t *s, const usmp_crypto_t *crypto,
                       const uint8_t salt[USMP_REKEY_SALT_SIZE], uint8_t *frame)
{
  usmp_epoch_t *newest = &s->epochs[s->epoch_count];

  if (s->rekey_open || s->epoch_count == USMP_MAX_EPOCHS) return USMP_ERR_INVALID_ARGUMENT;
  memcpy(frame + USMP_PLAINTEXT_OFFSET, salt, USMP_REKEY_SALT_SIZE);
  int len = usmp_session_seal(s, crypto, USMP_TYPE_REKEY, frame, USMP_REKEY_SALT_SIZE);
  if (len < 0) return len;
  memcpy(s->old_tx_key, s->tx_key, USMP_KEY_SIZE);
  int err = usmp_derive_rekey(crypto, s->tx_key, newest[-1].key, salt, s->id, s->tx_key, newest->key);
  if (err != USMP_OK) return err;
  memset(&newest->window, 0, sizeof newest->window);
  s->tx_next = 0;
  s->epoch_count++;
  s->rekey_open = true;
  return len;
}

int usmp_session_rekeyed(usmp_session_t *s, const usmp_crypto_t *crypto,
                         const uint8_t salt[USMP_REKEY_SALT_SIZE])
{
  usmp_epoch_t *peers = &s->epochs[1];
  uint8_t tx[USMP_KEY_SIZE];
  bool crossed = s->rekey_open && !s->rekey_won && s->epoch_count == 2;
  bool won = crossed && s->client;

  /* It must come under the newest key there is, or cross our own REKEY. */
  if (s->epoch_count != 1 && !crossed) return USMP_ERR_UNEXPECTED_PACKET;
  if (won) s->epochs[2] = *peers; /* ours; what the server sent before it learned so can still be read */
  int err = usmp_derive_rekey(crypto, s->epochs[0].key, crossed ? s->old_tx_key : s->tx_key, salt, s->id,
                              peers->key, tx);
  if (err != USMP_OK) return err;
  memset(&peers->window, 0, sizeof peers->window);
  s->epoch_count = won ? 3 : 2;
  s->rekey_won = won;
  if (!won) {
    memcpy(s->old_tx_key, s->tx_key, USMP_KEY_SIZE);
    memcpy(s->tx_key, tx, USMP_KEY_SIZE);
    s->tx_next = 0;
    s->rekey_open = false;
  }
  usmp_wipe(tx, sizeof tx);
  return crossed && !won;
}
