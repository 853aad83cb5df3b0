#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"

const uint8_t pair_psk[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
unsigned pair_random_calls;
unsigned pair_random_fails_at;

int pair_random(void *context, uint8_t *out, size_t len)
{
  static uint32_t state = 1;

  (void)context;
  if (++pair_random_calls == pair_random_fails_at) return -1;
  for (size_t i = 0; i < len; i++) {
    state = state * 1664525u + 1013904223u;
    out[i] = (uint8_t)(state >> 24);
  }
  return 0;
}

int pair_find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context;
  if (id[0] != 0xD0) return USMP_ERR_UNKNOWN_DEVICE;
  found->psk = pair_psk;
  found->psk_len = sizeof pair_psk;
  return 0;
}

/* ---- a crypto table that remembers what was sealed ---- */

#define REMEMBERED 65536
static struct {
  uint8_t key[USMP_KEY_SIZE];
  uint8_t nonce[USMP_NONCE_SIZE];
} * used;
static size_t used_count;
static usmp_crypto_t recording;

static int recording_seal(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                          const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len)
{
  size_t newest = used_count < 2000 ? 0 : used_count - 2000;
  for (size_t i = newest; i < used_count; i++) {
    bool same = memcmp(used[i].nonce, nonce, USMP_NONCE_SIZE) == 0 && memcmp(used[i].key, key, USMP_KEY_SIZE) == 0;
    assert_false(same);
  }
  assert_true(used_count < REMEMBERED);
  memcpy(used[used_count].key, key, USMP_KEY_SIZE);
  memcpy(used[used_count++].nonce, nonce, USMP_NONCE_SIZE);
  return TEST_CRYPTO->seal(suite, key, nonce, aad, text, len);
}

const usmp_crypto_t *pair_crypto(void)
{
  if (!used) {
    assert_true(TEST_CRYPTO_INIT());
    used = calloc(REMEMBERED, sizeof *used);
    recording = *TEST_CRYPTO;
    recording.seal = recording_seal;
  }
  return &recording;
}

/* ---- the network ---- */

static int start_side(side_t *side, bool client, uint32_t now)
{
  usmp_buffers_t buffers = {side->frame, side->message, side->tx, sizeof side->frame, sizeof side->message, sizeof side->tx};

  return client ? usmp_conn_init_client(&side->conn, &side->config, &buffers, now)
                : usmp_conn_init_server(&side->conn, &side->config, &buffers, now);
}

static void open_side(side_t *side, uint8_t kind, uint8_t suite, bool client, uint32_t now)
{
  memset(side, 0, sizeof *side);
  side->config = (usmp_config_t){.crypto = pair_crypto(),
                                 .random = pair_random,
                                 .find_psk = pair_find_psk,
                                 .psk = pair_psk,
                                 .psk_len = sizeof pair_psk,
                                 .device_id = {0xD0, 1, 2, 3, 4, 5},
                                 .suite = suite,
                                 .kind = kind};
  assert_int_equal(start_side(side, client, now), 0);
}

void pair_open(pair_t *pair, uint8_t kind, uint8_t suite)
{
  memset(pair, 0, sizeof *pair);
  pair_random_fails_at = 0;
  pair->now = 0xFFFFF000u; /* the clock wraps four seconds later, in every test */
  open_side(&pair->server, kind, suite, false, pair->now);
  open_side(&pair->client, kind, suite, true, pair->now);
}

void pair_connect(pair_t *pair, uint8_t kind, uint8_t suite)
{
  pair_open(pair, kind, suite);
  pair_run(pair, 1000);
  assert_true(usmp_conn_established(&pair->client.conn));
  assert_true(usmp_conn_established(&pair->server.conn));
}

bool pair_dice(pair_t *pair, unsigned percent)
{
  pair->dice = pair->dice * 1103515245u + 12345u;
  return (pair->dice >> 16) % 100 < percent;
}

bool pair_lossy(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)to, (void)bytes, (void)len;
  return !pair_dice(pair, 25);
}

void pair_flush(pair_t *pair, side_t *from)
{
  side_t *to = from == &pair->client ? &pair->server : &pair->client;
  const uint8_t *bytes;
  size_t len;

  while ((len = usmp_conn_poll_transmit(&from->conn, &bytes)) > 0) {
    bool datagram = from->config.kind == USMP_KIND_DATAGRAM;
    if (!datagram && len > 7) len = 7; /* a transport that takes a few bytes at a time */
    assert_true(to->inbox_len + len + 64 < sizeof to->inbox);
    uint8_t *place = to->inbox + to->inbox_len;
    size_t carried = len;
    memcpy(place, bytes, len);
    pair->carried++;
    usmp_conn_transmitted(&from->conn, len, pair->now);
    if (pair->carry && !pair->carry(pair, to, place, &carried)) continue;
    to->inbox_len += carried;
    if (datagram) to->lengths[to->datagrams++] = (uint16_t)carried;
  }
}

void pair_events(side_t *side)
{
  usmp_event_t event;

  while (usmp_conn_poll_event(&side->conn, &event)) {
    if (event.kind == USMP_EVENT_CONNECTED) side->connected++;
    if (event.kind == USMP_EVENT_PONG) side->pongs++;
    if (event.kind == USMP_EVENT_CLOSED) {
      side->closed++;
      side->reason = event.reason;
    }
    if (event.kind != USMP_EVENT_MESSAGE) continue;
    assert_true(side->got_len + event.len + 2 < sizeof side->got);
    if (event.last) side->messages++;
    usmp_store16(side->got + side->got_len, (uint16_t)event.len);
    memcpy(side->got + side->got_len + 2, event.data, event.len);
    side->got_len += event.len + 2;
  }
}

void pair_feed(pair_t *pair, side_t *to)
{
  size_t at = 0;
  size_t datagram = 0;

  while (at < to->inbox_len) {
    bool packets = to->config.kind == USMP_KIND_DATAGRAM;
    size_t len = packets ? to->lengths[datagram] : to->inbox_len - at;
    int taken = usmp_conn_receive(&to->conn, to->inbox + at, len, pair->now);
    pair_events(to);
    if (taken < 0) break;
    at += (size_t)taken;
    if (packets && (size_t)taken == len) datagram++;
  }
  to->inbox_len = 0;
  to->datagrams = 0;
}

void pair_settle(pair_t *pair)
{
  for (;;) {
    pair_events(&pair->client);
    pair_events(&pair->server);
    pair_flush(pair, &pair->client);
    pair_flush(pair, &pair->server);
    if (pair->client.inbox_len == 0 && pair->server.inbox_len == 0) return;
    pair_feed(pair, &pair->server);
    pair_feed(pair, &pair->client);
  }
}

void pair_run(pair_t *pair, uint32_t ms)
{
  uint32_t begin = pair->now;

  for (;;) {
    pair_settle(pair);
    uint32_t wait = usmp_conn_poll_timeout(&pair->client.conn, pair->now);
    uint32_t other = usmp_conn_poll_timeout(&pair->server.conn, pair->now);
    if (other < wait) wait = other;
    uint32_t left = ms - (pair->now - begin);
    if (wait > left) {
      pair->now += left;
      return;
    }
    pair->now += wait;
    usmp_conn_handle_timeout(&pair->client.conn, pair->now);
    usmp_conn_handle_timeout(&pair->server.conn, pair->now);
  }
}

/* ---- what tests send and lose ---- */

const uint8_t pair_kinds[3] = {USMP_KIND_STREAM, USMP_KIND_DATAGRAM, USMP_KIND_SERIAL};
uint8_t pair_text[USMP_MAX_MESSAGE_LEN + 1];

uint8_t pair_suite(unsigned n)
{
  return usmp_suite_available((uint8_t)(1 + n % 2)) ? (uint8_t)(1 + n % 2) : USMP_CIPHER_DEFAULT;
}

void pair_fill(size_t len, unsigned seed)
{
  for (size_t i = 0; i < len; i++) pair_text[i] = (uint8_t)(seed + i * 13);
}

void pair_send_text(pair_t *pair, side_t *from, size_t len, unsigned seed)
{
  pair_fill(len, seed);
  assert_int_equal(usmp_conn_send(&from->conn, pair_text, len, pair->now), 0);
}

void pair_expect_text(const side_t *to, size_t *at, size_t len, unsigned seed)
{
  pair_fill(len, seed);
  assert_true(*at + 2 + len <= to->got_len);
  assert_int_equal(usmp_load16(to->got + *at), len);
  assert_memory_equal(to->got + *at + 2, pair_text, len);
  *at += 2 + len;
}

bool pair_nothing_to_client(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)bytes, (void)len;
  return to != &pair->client;
}

bool pair_nothing_to_server(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)bytes, (void)len;
  return to != &pair->server;
}

bool pair_nothing_at_all(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)pair, (void)to, (void)bytes, (void)len;
  return false;
}

void pair_client_seals(pair_t *pair, uint8_t type, size_t len)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];

  memset(frame + USMP_PLAINTEXT_OFFSET, type, len);
  int sealed = usmp_record_layer_seal(&pair->client.conn.u.record_layer, pair_crypto(), type, frame, len);
  assert_true(sealed > 0);
  int taken = usmp_conn_receive(&pair->server.conn, frame, (size_t)sealed, pair->now);
  assert_true(taken == sealed || usmp_conn_error(&pair->server.conn) < 0);
  pair_events(&pair->server);
}

unsigned pair_pongs_sent(pair_t *pair)
{
  const uint8_t *bytes;
  size_t len;
  unsigned count = 0;

  while ((len = usmp_conn_poll_transmit(&pair->server.conn, &bytes)) > 0) {
    for (size_t at = 0; bytes[0] == USMP_MAGIC_0 && at < len; at += USMP_HEADER_SIZE + (size_t)usmp_load16(bytes + at + 8)) {
      count += bytes[at + 3] == USMP_TYPE_PONG;
    }
    usmp_conn_transmitted(&pair->server.conn, len, pair->now);
  }
  return count;
}

/* ---- the peer behind a transport ---- */

side_t pair_peer;
uint32_t (*pair_peer_clock)(void);
bool (*pair_peer_idle)(usmp_transport_t *t);

static uint32_t peer_now(void)
{
  return pair_peer_clock ? pair_peer_clock() : 0;
}

static int find_any(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = pair_psk;
  found->psk_len = sizeof pair_psk;
  return 0;
}

void pair_peer_start(usmp_kind_t kind, bool client, const uint8_t *psk)
{
  assert_true(TEST_CRYPTO_INIT());
  memset(&pair_peer, 0, sizeof pair_peer);
  pair_peer.config = (usmp_config_t){.crypto = TEST_CRYPTO,
                                     .random = pair_random,
                                     .find_psk = find_any,
                                     .psk = psk,
                                     .psk_len = 32,
                                     .device_id = {0xD0, 1, 2, 3, 4, 5},
                                     .kind = (uint8_t)kind};
  assert_int_equal(start_side(&pair_peer, client, peer_now()), 0);
}

void pair_peer_events(void)
{
  pair_peer.got_len = 0;
  pair_events(&pair_peer);
}

int pair_peer_take(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  (void)t;
  for (size_t at = 0; at < len;) {
    int taken = usmp_conn_receive(&pair_peer.conn, data + at, len - at, peer_now());
    pair_peer_events();
    if (taken < 0) break;
    at += (size_t)taken;
  }
  return (int)len;
}

static size_t peer_output(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  const uint8_t *bytes;
  size_t len;
  size_t total = 0;

  while (total < max_len && (len = usmp_conn_poll_transmit(&pair_peer.conn, &bytes)) > 0) {
    if (len > max_len - total) len = max_len - total; /* of a stream */
    memcpy(buf + total, bytes, len);
    total += len;
    usmp_conn_transmitted(&pair_peer.conn, len, peer_now());
    if (t->kind == USMP_KIND_DATAGRAM) break;
  }
  return total;
}

int pair_peer_say(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  size_t len = peer_output(t, buf, max_len);

  if (len == 0 && pair_peer_idle && pair_peer_idle(t)) len = peer_output(t, buf, max_len);
  return (int)len;
}

size_t pair_peer_datagram(uint8_t *out)
{
  const uint8_t *bytes;
  size_t len = usmp_conn_poll_transmit(&pair_peer.conn, &bytes);

  memcpy(out, bytes, len);
  usmp_conn_transmitted(&pair_peer.conn, len, peer_now());
  return len;
}
