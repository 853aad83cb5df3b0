/* States that should not be: null and short arguments, calls after the end, a failing random source, a clock that
   jumps and wraps, random input. Each has a defined answer; pair.c stops at any nonce used twice. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static pair_t pair;
static uint8_t text[USMP_MAX_MESSAGE_LEN + 1];

static usmp_buffers_t buffers_of(side_t *side)
{
  return (usmp_buffers_t){side->frame, side->message, side->tx, sizeof side->frame, sizeof side->message, sizeof side->tx};
}

static int init(bool client, const usmp_config_t *config, const usmp_buffers_t *buffers)
{
  usmp_conn_t *conn = &pair.client.conn;
  return client ? usmp_conn_init_client(conn, config, buffers, 0) : usmp_conn_init_server(conn, config, buffers, 0);
}

static void bad_configuration_is_refused(void **state)
{
  static const uint8_t no_key[32] = {0};

  (void)state;
  pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  for (int client = 0; client < 2; client++) {
    const usmp_config_t good = pair.client.config;
    const usmp_buffers_t room = buffers_of(&pair.client);
    usmp_config_t config = good;
    usmp_buffers_t buffers = room;

    assert_int_equal(init(client, NULL, &room), USMP_ERR_INVALID_ARGUMENT);
    assert_int_equal(init(client, &good, NULL), USMP_ERR_INVALID_ARGUMENT);
#define REFUSED(change, code)                                \
  do {                                                       \
    change;                                                  \
    assert_int_equal(init(client, &config, &buffers), code); \
    config = good;                                           \
    buffers = room;                                          \
  } while (0)
    REFUSED(config.crypto = NULL, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(config.random = NULL, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(config.kind = 3, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(config.suite = 3, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(buffers.frame = NULL, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(buffers.frame_len--, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(buffers.message = NULL, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(buffers.message_len--, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(buffers.tx = NULL, USMP_ERR_INVALID_ARGUMENT);
    REFUSED(buffers.tx_len = USMP_TX_BUFFER_SIZE(1) - 1, USMP_ERR_INVALID_ARGUMENT);
    if (client) {
      REFUSED(config.psk = NULL, USMP_ERR_INVALID_ARGUMENT);
      REFUSED(config.psk_len = 15, USMP_ERR_WEAK_PSK);
      REFUSED((config.psk_len = 15, config.allow_weak_psk = true), USMP_ERR_WEAK_PSK);
      REFUSED(config.psk = no_key, USMP_ERR_WEAK_PSK);
      REFUSED((config.psk = no_key, config.allow_weak_psk = true), USMP_OK);
    } else {
      REFUSED(config.find_psk = NULL, USMP_ERR_INVALID_ARGUMENT);
    }
    config.stream_fragments = true;
    buffers.message_len = USMP_FRAGMENT_BUFFER_SIZE;
    assert_int_equal(init(client, &config, &buffers), 0);
  }
  assert_int_equal(usmp_conn_init_client(NULL, &pair.client.config, NULL, 0), USMP_ERR_INVALID_ARGUMENT);
}

/* Every function on a connection in `conn`, which may be null, of zeros, or ended with `error`. */
static void call_everything(usmp_conn_t *conn, int error)
{
  const uint8_t *bytes;
  usmp_event_t event;

  assert_int_equal(usmp_conn_receive(conn, text, 10, 5), error);
  assert_true(usmp_conn_send(conn, text, 10, 5) < 0);
  assert_true(usmp_conn_ping(conn, 5) < 0);
  assert_true(usmp_conn_rekey(conn, 5) < 0);
  usmp_conn_close(conn, USMP_ERR_CLOSED, 5);
  usmp_conn_transport_ended(conn, 0);
  usmp_conn_handle_timeout(conn, 5);
  assert_int_equal(usmp_conn_poll_timeout(conn, 5), UINT32_MAX);
  while (usmp_conn_poll_event(conn, &event)) assert_int_equal(event.kind, USMP_EVENT_CLOSED);
  while (usmp_conn_poll_transmit(conn, &bytes) > 0) usmp_conn_transmitted(conn, 1000, 5);
  usmp_conn_transmitted(conn, 1000, 5);
  assert_int_equal(usmp_conn_receive(conn, text, 10, 5), error); /* the first error, each time */
}

static void calls_on_nothing_and_after_the_end(void **state)
{
  static usmp_conn_t zeros;

  (void)state;
  call_everything(NULL, USMP_ERR_INVALID_ARGUMENT);
  call_everything(&zeros, USMP_ERR_NOT_CONNECTED);
  static const uint8_t kinds[] = {USMP_KIND_STREAM, USMP_KIND_DATAGRAM, USMP_KIND_SERIAL};
  for (unsigned n = 0; n < 3; n++) {
    pair_connect(&pair, kinds[n], USMP_CIPHER_DEFAULT);
    usmp_conn_transport_ended(&pair.client.conn, 0);
    call_everything(&pair.client.conn, USMP_ERR_TRUNCATED);
    assert_true(usmp_is_zero((const uint8_t *)&pair.client.conn.u, sizeof pair.client.conn.u)); /* secrets are gone */
    usmp_conn_wipe(&pair.server.conn);
    call_everything(&pair.server.conn, USMP_ERR_NOT_CONNECTED);
  }
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  memset(text, 0, sizeof text);
  assert_int_equal(usmp_conn_receive(&pair.client.conn, text, 2, 5), USMP_ERR_BAD_MAGIC);
  call_everything(&pair.client.conn, USMP_ERR_BAD_MAGIC);
}

static void arguments_of_commands(void **state)
{
  usmp_conn_t *conn = &pair.client.conn;

  (void)state;
  pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  assert_int_equal(usmp_conn_send(conn, text, 1, pair.now), USMP_ERR_NOT_CONNECTED); /* not yet */
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  assert_int_equal(usmp_conn_send(conn, NULL, 1, pair.now), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_conn_send(conn, text, 1809, pair.now), USMP_ERR_MESSAGE_TOO_LARGE);
  assert_int_equal(usmp_conn_send(conn, NULL, 0, pair.now), 0);
  assert_int_equal(usmp_conn_receive(conn, NULL, 1, pair.now), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_conn_receive(conn, NULL, 0, pair.now), 0);
  assert_int_equal(usmp_conn_receive(conn, text, (size_t)-1, pair.now), USMP_ERR_INVALID_ARGUMENT);
  assert_false(usmp_conn_poll_event(conn, NULL));
  assert_int_equal(usmp_conn_poll_transmit(conn, NULL), 0);
  pair_settle(&pair);
  assert_int_equal(pair.server.messages, 1);
}

/* The random source fails at its first call, at its second, ...: the connection ends with RANDOM_FAILED and
   nothing is sent that was to hold those bytes. */
static void random_source_fails_at(uint8_t kind, unsigned at)
{
  pair_connect(&pair, kind, USMP_CIPHER_DEFAULT);
  usmp_buffers_t buffers = buffers_of(&pair.client);
  usmp_buffers_t server_buffers = buffers_of(&pair.server);
  assert_int_equal(usmp_conn_init_server(&pair.server.conn, &pair.server.config, &server_buffers, pair.now), 0);
  pair.server.closed = pair.client.closed = 0;
  pair_random_calls = 0;
  pair_random_fails_at = at;
  int err = usmp_conn_init_client(&pair.client.conn, &pair.client.config, &buffers, pair.now);
  if (at == 1) {
    assert_int_equal(err, USMP_ERR_RANDOM_FAILED);
    call_everything(&pair.client.conn, USMP_ERR_NOT_CONNECTED);
    return;
  }
  pair_run(&pair, 100);
  if (at <= 5) {
    assert_int_equal(pair.server.reason, USMP_ERR_RANDOM_FAILED);
    assert_int_equal(usmp_conn_state(&pair.client.conn), USMP_CONN_AWAIT_CHALLENGE);
    return;
  }
  assert_true(usmp_conn_established(&pair.client.conn));
  assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), USMP_ERR_RANDOM_FAILED);
  assert_int_equal(usmp_conn_error(&pair.client.conn), USMP_ERR_RANDOM_FAILED);
  assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), USMP_ERR_NOT_CONNECTED);
}

static void random_source_fails(void **state)
{
  (void)state;
  for (uint8_t kind = 0; kind < 3; kind++) {
    for (unsigned at = 1; at <= 6; at++) random_source_fails_at(kind, at);
  }
  pair_random_fails_at = 0;
}

static unsigned seals_left;
static int failing_seal(uint8_t suite, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, uint8_t *out, size_t len)
{
  if (seals_left-- == 0) return USMP_ERR_CRYPTO_FAILED;
  return pair_crypto()->seal(suite, key, nonce, aad, out, len);
}

static void crypto_library_fails(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 4; n++) {
    usmp_crypto_t failing = *pair_crypto();
    failing.seal = failing_seal;
    pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
    pair.client.config.crypto = &failing;
    seals_left = n;
    assert_int_equal(usmp_conn_send(&pair.client.conn, text, 1808, pair.now), USMP_ERR_CRYPTO_FAILED);
    call_everything(&pair.client.conn, USMP_ERR_CRYPTO_FAILED);
  }
}

static void sequence_numbers_run_out(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  pair.client.conn.u.record_layer.tx_next = pair.server.conn.u.record_layer.epochs[0].window.next = 0xFFFFFFFC;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(usmp_conn_send(&pair.client.conn, text, 10, pair.now), 0);
    pair_settle(&pair);
  }
  assert_int_equal(pair.server.messages, 3);
  assert_int_equal(usmp_conn_ping(&pair.client.conn, pair.now), USMP_ERR_SEQ_EXHAUSTED);
  assert_int_equal(usmp_conn_error(&pair.client.conn), USMP_ERR_SEQ_EXHAUSTED);
}

/* The clock stands still, runs back, jumps by half its range: no loop, no crash, a defined state. */
static void clock_misbehaves(void **state)
{
  static const uint32_t times[] = {0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 1, 0xFFFFF000};

  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
      pair_connect(&pair, (uint8_t)kind, USMP_CIPHER_DEFAULT);
      usmp_conn_handle_timeout(&pair.client.conn, times[i]);
      usmp_conn_handle_timeout(&pair.server.conn, times[i]);
      int error = usmp_conn_error(&pair.client.conn);
      assert_true(error == 0 || error == USMP_ERR_IDLE_TIMEOUT);
      uint32_t wait = usmp_conn_poll_timeout(&pair.server.conn, times[i]);
      assert_true(wait <= USMP_IDLE_MS || usmp_conn_error(&pair.server.conn));
    }
  }
}

/* Bytes turned at random on their way, at every place of a whole session: each side ends with a code of the list or
   goes on, and no message comes that was not sent. */
static unsigned turn_at;
static bool turning(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)to;
  if (p->carried == turn_at) bytes[p->dice % *len] ^= (uint8_t)(1u << (p->dice >> 8) % 8);
  return true;
}

static void any_byte_may_turn(void **state)
{
  (void)state;
  for (unsigned round = 0; round < 600; round++) {
    pair_open(&pair, (uint8_t)(round % 3), USMP_CIPHER_DEFAULT);
    turn_at = 1 + round / 3;
    pair.carry = turning;
    pair.dice = round * 2654435761u;
    memset(text, 0xA5, sizeof text);
    pair_run(&pair, 3000);
    if (usmp_conn_established(&pair.client.conn)) {
      assert_int_equal(usmp_conn_send(&pair.client.conn, text, 600, pair.now), 0);
      pair_run(&pair, 3000);
      int err = usmp_conn_rekey(&pair.client.conn, pair.now);
      assert_true(err <= 0);
      pair_run(&pair, 3000);
    }
    if (pair.server.messages) assert_memory_equal(pair.server.got + 2, text, 600);
    side_t *sides[2] = {&pair.client, &pair.server};
    for (int i = 0; i < 2; i++) {
      int error = usmp_conn_error(&sides[i]->conn);
      assert_true(error == 0 || strcmp(usmp_err_name(error), "UNKNOWN") != 0);
      if (round % 3 == USMP_KIND_DATAGRAM) assert_int_equal(error, 0); /* one bad datagram ends nothing */
    }
  }
}

static void error_frames_end_nothing(void **state)
{
  uint8_t frame[USMP_HEADER_SIZE + USMP_ERROR_SIZE] = {0};

  (void)state;
  pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  frame[USMP_HEADER_SIZE] = 2;
  int len = usmp_frame_encode(USMP_WIRE_VERSION, frame, USMP_TYPE_ERROR, 0, USMP_ERROR_SIZE);
  assert_int_equal(usmp_conn_receive(&pair.client.conn, frame, (size_t)len, pair.now), len);
  assert_int_equal(usmp_conn_hint(&pair.client.conn), 2);
  pair_run(&pair, 100);
  assert_true(usmp_conn_established(&pair.client.conn));
  frame[USMP_HEADER_SIZE] = 4;
  len = usmp_frame_encode(USMP_WIRE_VERSION, frame, USMP_TYPE_ERROR, 0, USMP_ERROR_SIZE);
  assert_int_equal(usmp_conn_receive(&pair.client.conn, frame, (size_t)len, pair.now), len);
  assert_int_equal(usmp_conn_hint(&pair.client.conn), 2);
  assert_true(usmp_conn_established(&pair.client.conn));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(bad_configuration_is_refused),
    cmocka_unit_test(calls_on_nothing_and_after_the_end),
    cmocka_unit_test(arguments_of_commands),
    cmocka_unit_test(random_source_fails),
    cmocka_unit_test(crypto_library_fails),
    cmocka_unit_test(sequence_numbers_run_out),
    cmocka_unit_test(clock_misbehaves),
    cmocka_unit_test(any_byte_may_turn),
    cmocka_unit_test(error_frames_end_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
