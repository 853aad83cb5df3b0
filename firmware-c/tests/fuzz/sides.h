/* One connection for a fuzz target; everything secret is fixed, so that inputs can be found again. */
#ifndef USMP_FUZZ_SIDES_H
#define USMP_FUZZ_SIDES_H

#include <assert.h>
#include <string.h>

#include "../../src/connection_internal.h"
#include "usmp/crypto_bearssl.h"

typedef struct fuzz_side {
  usmp_conn_t conn;
  usmp_config_t config;
  uint8_t frame[USMP_FRAME_BUFFER_SIZE];
  uint8_t message[USMP_MESSAGE_BUFFER_SIZE];
  uint8_t tx[USMP_TX_BUFFER_SIZE(4)];
} fuzz_side_t;

static uint8_t fuzz_state;
static const uint8_t fuzz_psk[32] = {7, 6, 5, 4, 3, 2, 1};

static int fuzz_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  memset(out, ++fuzz_state, len);
  return 0;
}

static int fuzz_find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context;
  found->psk = fuzz_psk;
  found->psk_len = sizeof fuzz_psk;
  return id[0] == 0xFF ? USMP_ERR_UNKNOWN_DEVICE : 0;
}

/* What an input chooses in its first byte. */
enum {
  FUZZ_DATAGRAM = 1,
  FUZZ_CLIENT = 2, /* the side that is fuzzed, where there is but one */
  FUZZ_SERIAL = 4,
  FUZZ_AES = 8,
  FUZZ_PIECES = 16 /* the server hands pieces over one by one */
};

static uint8_t fuzz_kind(uint8_t choice)
{
  if (choice & FUZZ_DATAGRAM) return USMP_KIND_DATAGRAM;
  return choice & FUZZ_SERIAL ? USMP_KIND_SERIAL : USMP_KIND_STREAM;
}

static uint8_t fuzz_suite(uint8_t choice)
{
  return choice & FUZZ_AES ? USMP_CIPHER_AES256_GCM : USMP_CIPHER_CHACHA20_POLY1305;
}

static void fuzz_open(fuzz_side_t *side, uint8_t choice, bool client)
{
  usmp_buffers_t buffers = {side->frame, side->message, side->tx, sizeof side->frame, sizeof side->message, sizeof side->tx};

  memset(side, 0, sizeof *side);
  side->config = (usmp_config_t){.crypto = &usmp_crypto_bearssl,
                                 .random = fuzz_random,
                                 .find_psk = fuzz_find_psk,
                                 .psk = fuzz_psk,
                                 .psk_len = sizeof fuzz_psk,
                                 .suite = fuzz_suite(choice),
                                 .kind = fuzz_kind(choice),
                                 .stream_fragments = !client && choice & FUZZ_PIECES};
  int err = client ? usmp_conn_init_client(&side->conn, &side->config, &buffers, 0)
                   : usmp_conn_init_server(&side->conn, &side->config, &buffers, 0);
  assert(err == 0);
}

/* Takes everything out of a connection; the bytes go to `last` (the newest that were not an acknowledgement). */
static size_t fuzz_drain(fuzz_side_t *side, uint8_t *last, uint32_t now)
{
  const uint8_t *bytes;
  size_t len;
  size_t kept = 0;
  usmp_event_t event;

  while ((len = usmp_conn_poll_transmit(&side->conn, &bytes)) > 0) {
    if (last && len <= USMP_MAX_PACKET_SIZE && !usmp_utack_is(bytes, len)) {
      memcpy(last, bytes, len);
      kept = len;
    }
    usmp_conn_transmitted(&side->conn, len, now);
  }
  while (usmp_conn_poll_event(&side->conn, &event)) {
    if (event.kind != USMP_EVENT_MESSAGE) continue;
    assert(event.offset + event.len <= USMP_MAX_MESSAGE_LEN && event.data == side->message);
    assert(event.len <= USMP_MAX_DATA_LEN || !side->config.stream_fragments);
  }
  return kept;
}

static void fuzz_check(const fuzz_side_t *side)
{
  int error = usmp_conn_error(&side->conn);
  assert(error == 0 || strcmp(usmp_err_name(error), "UNKNOWN") != 0);
  assert(side->conn.tx_head <= side->conn.tx_tail && side->conn.tx_tail <= side->conn.tx_cap);
  /* A datagram that is not authentic ends nothing but an attempt, by its fifth wrong proof of any kind. */
  assert(error == 0 || side->config.kind != USMP_KIND_DATAGRAM || error == USMP_ERR_CLOSED || error == USMP_ERR_SEQ_EXHAUSTED ||
         error == USMP_ERR_HANDSHAKE_TIMEOUT || error == USMP_ERR_IDLE_TIMEOUT || error == USMP_ERR_TRANSPORT_FAILED ||
         error == USMP_ERR_FLOOD || error == USMP_ERR_AUTH_FAILED || error == USMP_ERR_UNKNOWN_DEVICE ||
         error == USMP_ERR_LOW_ORDER_POINT);
}

#endif
