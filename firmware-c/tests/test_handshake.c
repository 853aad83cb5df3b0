/* The handshake within a connection: its time, wrong keys, guesses, a store of keys that is away. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "usmp/cobs.h"

static pair_t pair;

static void handshake_has_its_time(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_open(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
    pair.carry = pair_nothing_at_all;
    pair_run(&pair, USMP_STEP_MS - 1);
    assert_int_equal(pair.client.closed, 0);
    pair_run(&pair, 1);
    pair_settle(&pair);
    assert_int_equal(pair.client.reason, USMP_ERR_HANDSHAKE_TIMEOUT);
    assert_int_equal(pair.server.closed, 0);
    pair_run(&pair, USMP_HANDSHAKE_MS - USMP_STEP_MS);
    pair_settle(&pair);
    /* A line is always open: its server waits for a HELLO without end. */
    assert_int_equal(pair.server.reason, pair_kinds[n] == USMP_KIND_SERIAL ? 0 : USMP_ERR_HANDSHAKE_TIMEOUT);
  }
}

static void wrong_psk_and_unknown_device_look_alike(void **state)
{
  (void)state;
  for (unsigned unknown = 0; unknown < 2; unknown++) {
    pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
    usmp_buffers_t buffers = {pair.client.frame,        pair.client.message,        pair.client.tx,
                              sizeof pair.client.frame, sizeof pair.client.message, sizeof pair.client.tx};
    static const uint8_t other_psk[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    pair.client.config.psk = unknown ? pair_psk : other_psk;
    pair.client.config.psk_len = unknown ? sizeof pair_psk : sizeof other_psk;
    pair.client.config.device_id[0] = unknown ? 0xEE : 0xD0;
    assert_int_equal(usmp_conn_init_client(&pair.client.conn, &pair.client.config, &buffers, pair.now), 0);
    pair_settle(&pair);
    assert_int_equal(pair.server.reason, unknown ? USMP_ERR_UNKNOWN_DEVICE : USMP_ERR_AUTH_FAILED);
    assert_int_equal(usmp_conn_state(&pair.client.conn), USMP_CONN_AWAIT_SESSION_OK); /* the wire is silent */
  }
}

static void a_proof(const uint8_t mac[USMP_MAC_SIZE])
{
  uint8_t packet[128];
  bool serial = pair.server.config.kind == USMP_KIND_SERIAL;

  memcpy(packet + 4 + USMP_HEADER_SIZE, mac, USMP_MAC_SIZE);
  int len = usmp_frame_encode(USMP_WIRE_VERSION, packet + 4, USMP_TYPE_HELLO_ACK, 2, USMP_MAC_SIZE);
  const uint8_t *bytes = packet + 4;
  if (serial) {
    len = (int)usmp_cobs_encode(packet + 4, (size_t)len, packet);
    packet[len++] = 0;
    bytes = packet;
  }
  int taken = usmp_conn_receive(&pair.server.conn, bytes, (size_t)len, pair.now);
  assert_true(taken == len || usmp_conn_error(&pair.server.conn) < 0);
  pair_events(&pair.server);
}

static void hello_again(void)
{
  usmp_buffers_t buffers = {pair.client.frame,        pair.client.message,        pair.client.tx,
                            sizeof pair.client.frame, sizeof pair.client.message, sizeof pair.client.tx};
  assert_int_equal(usmp_conn_init_client(&pair.client.conn, &pair.client.config, &buffers, pair.now), 0);
  pair_flush(&pair, &pair.client);
  pair_feed(&pair, &pair.server);
  pair_flush(&pair, &pair.server); /* the CHALLENGE waits in the client's inbox */
}

/* On datagrams and serial lines anybody can send a wrong proof: some do no harm, and five end it. */
static void keys_cannot_be_guessed_without_end(void **state)
{
  static const uint8_t wrong[USMP_MAC_SIZE] = {1};

  (void)state;
  for (unsigned n = 1; n < 3; n++) {
    for (unsigned guesses = 4; guesses <= 5; guesses++) {
      pair_open(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
      hello_again();
      for (unsigned i = 0; i < guesses; i++) a_proof(wrong);
      assert_int_equal(usmp_conn_error(&pair.server.conn), guesses == 5 ? USMP_ERR_AUTH_FAILED : 0);
      pair_feed(&pair, &pair.client);
      pair_run(&pair, 1000);
      assert_int_equal(usmp_conn_established(&pair.server.conn), guesses == 4);
    }
    /* Nor by starting again: neither the count nor the deadline moves. */
    for (unsigned guess = 0; guess < 2; guess++) {
      unsigned ms = 0;
      pair_open(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
      for (; usmp_conn_error(&pair.server.conn) == 0; ms += 100) {
        assert_true(ms <= 10000);
        if (pair_kinds[n] == USMP_KIND_SERIAL || ms == 0) hello_again();
        pair.client.inbox_len = pair.client.datagrams = 0;
        if (guess && ms % 2000 == 1000) a_proof(wrong);
        pair.now += 100;
        usmp_conn_handle_timeout(&pair.server.conn, pair.now);
        pair_pongs_sent(&pair);
      }
      assert_int_equal(usmp_conn_error(&pair.server.conn), guess ? USMP_ERR_AUTH_FAILED : USMP_ERR_HANDSHAKE_TIMEOUT);
      assert_int_equal(ms, guess ? 9100 : 10000);
    }
    /* An attempt is for one device. */
    pair_open(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
    hello_again();
    pair.client.config.device_id[5] ^= 1;
    hello_again();
    assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_UNEXPECTED_PACKET);
    pair.now += 4000;
    a_proof(wrong); /* ... and one wrong proof is what it ends with */
    usmp_conn_transport_ended(&pair.server.conn, 0);
    assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_AUTH_FAILED);
  }
}

static int store_result;

static unsigned look_ups;

static int a_store(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  look_ups++;
  int known = pair_find_psk(context, id, found);
  return store_result ? store_result : known;
}

static void open_with_store(uint8_t kind, int result_of_store)
{
  pair_open(&pair, kind, USMP_CIPHER_DEFAULT);
  pair.server.config.find_psk = a_store;
  store_result = result_of_store;
  look_ups = 0;
}

/* The types of the frames that went to the client. */
static bool challenged;

static bool note_challenge(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  /* Pieces of 7 bytes stand in a stream behind each other: the type is in the first one. */
  size_t magic = p->client.config.kind == USMP_KIND_SERIAL ? 2 : 0;
  if (to == &p->client && *len > magic + 3 && bytes[magic] == 0xCD) challenged |= bytes[magic + 3] == USMP_TYPE_CHALLENGE;
  return true;
}

/* A device must not take an outage of its server for a wrong key. */
static void a_store_that_is_away_is_told_to_the_device(void **state)
{
  static const int failures[] = {USMP_ERR_RANDOM_FAILED, USMP_ERR_CRYPTO_FAILED, USMP_ERR_TRANSPORT_FAILED};

  (void)state;
  for (unsigned i = 0; i < 9; i++) {
    uint8_t kind = pair_kinds[i / 3];
    open_with_store(kind, failures[i % 3]);
    pair.carry = note_challenge;
    challenged = false;
    pair_run(&pair, 100);
    assert_int_equal(usmp_conn_hint(&pair.client.conn), USMP_ERROR_INTERNAL);
    assert_int_equal(usmp_conn_state(&pair.client.conn), USMP_CONN_AWAIT_CHALLENGE); /* a hint ends nothing */
    assert_int_equal(usmp_conn_error(&pair.server.conn), kind == USMP_KIND_STREAM ? failures[i % 3] : 0);
    assert_memory_equal(usmp_conn_device_id(&pair.server.conn), pair.client.config.device_id, USMP_DEVICE_ID_LEN);
    pair_run(&pair, 12000); /* for as long as the store is away, and no longer than the handshake */
    pair_settle(&pair);
    assert_int_equal(pair.server.reason, failures[i % 3]);
    assert_int_equal(pair.server.closed, 1);
    assert_false(challenged);
  }
}

static void a_store_that_comes_back_lets_the_device_in(void **state)
{
  (void)state;
  open_with_store(USMP_KIND_DATAGRAM, USMP_ERR_TRANSPORT_FAILED);
  pair_run(&pair, 3000);
  store_result = 0; /* the HELLO is repeated */
  pair_run(&pair, 1100);
  assert_true(usmp_conn_established(&pair.server.conn) && usmp_conn_established(&pair.client.conn));

  open_with_store(USMP_KIND_SERIAL, USMP_ERR_TRANSPORT_FAILED);
  pair_run(&pair, 9000);
  assert_int_equal(pair.client.reason, USMP_ERR_HANDSHAKE_TIMEOUT); /* nothing is repeated there: a new connection is needed */
  store_result = 0;
  hello_again();
  pair_feed(&pair, &pair.client);
  pair_settle(&pair);
  assert_true(usmp_conn_established(&pair.server.conn) && usmp_conn_established(&pair.client.conn));
}

/* From outside it is a wrong key. */
static void an_unknown_device_is_not_told(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    for (unsigned i = 0; i < 2; i++) {
      open_with_store(pair_kinds[n], i ? 261 : USMP_ERR_UNKNOWN_DEVICE);
      pair.carry = note_challenge;
      challenged = false;
      pair_run(&pair, 100);
      assert_true(challenged);
      assert_int_equal(usmp_conn_hint(&pair.client.conn), 0);
      assert_int_equal(usmp_conn_state(&pair.client.conn), USMP_CONN_AWAIT_SESSION_OK);
    }
  }
}

static void a_failed_look_up_gives_no_time_and_no_guesses(void **state)
{
  static const uint8_t wrong[USMP_MAC_SIZE] = {1};

  (void)state;
  /* A line: HELLOs without end do not move the deadline. */
  open_with_store(USMP_KIND_SERIAL, USMP_ERR_CRYPTO_FAILED);
  unsigned ms = 0;
  for (pair.now += 60000; usmp_conn_error(&pair.server.conn) == 0; ms += 1000) { /* a serial line is always open */
    assert_true(ms <= 10000);
    hello_again();
    pair.client.inbox_len = 0;
    pair.now += 1000;
    usmp_conn_handle_timeout(&pair.server.conn, pair.now);
  }
  assert_int_equal(ms, 10000);
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_CRYPTO_FAILED);

  /* A guess that was made before is what the attempt ends with, so that it is counted. */
  open_with_store(USMP_KIND_SERIAL, 0);
  hello_again();
  a_proof(wrong);
  store_result = USMP_ERR_CRYPTO_FAILED;
  hello_again();
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_AUTH_FAILED);

  /* Datagrams: another HELLO has a cookie that nobody has checked. */
  open_with_store(USMP_KIND_DATAGRAM, USMP_ERR_CRYPTO_FAILED);
  pair_settle(&pair);
  store_result = 0;
  hello_again();
  assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_BAD_COOKIE);
  assert_int_equal(usmp_conn_state(&pair.server.conn), USMP_CONN_AWAIT_HELLO);
}

/* The same HELLO all the time, and on a serial line that of other devices: the store is asked once a second. */
static void a_peer_asks_a_store_that_is_away_without_bound(void **state)
{
  static const uint8_t unanswered[] = {USMP_KIND_DATAGRAM, USMP_KIND_SERIAL};

  (void)state;
  for (unsigned n = 0; n < 2; n++) {
    uint8_t hello[USMP_MAX_PACKET_SIZE];
    const uint8_t *bytes;
    open_with_store(unanswered[n], USMP_ERR_TRANSPORT_FAILED);
    size_t len = usmp_conn_poll_transmit(&pair.client.conn, &bytes);
    memcpy(hello, bytes, len);
    for (unsigned ms = 0; ms < 5000; ms += 10) {
      assert_int_equal(usmp_conn_receive(&pair.server.conn, hello, len, pair.now), len);
      while (usmp_conn_poll_transmit(&pair.server.conn, &bytes) > 0) usmp_conn_transmitted(&pair.server.conn, 1000, pair.now);
      assert_int_equal(look_ups, ms / 1000 + 1);
      pair.now += 10;
      usmp_conn_handle_timeout(&pair.server.conn, pair.now);
    }
    store_result = 0; /* one that comes in time is taken as before */
    pair.now += 1000;
    assert_int_equal(usmp_conn_receive(&pair.server.conn, hello, len, pair.now), len);
    assert_int_equal(usmp_conn_state(&pair.server.conn), USMP_CONN_AWAIT_HELLO_ACK);
  }
  open_with_store(USMP_KIND_SERIAL, USMP_ERR_TRANSPORT_FAILED);
  for (uint8_t device = 0; device < 100; device++) {
    pair.client.config.device_id[5] = device;
    hello_again();
  }
  assert_int_equal(look_ups, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(handshake_has_its_time),
    cmocka_unit_test(wrong_psk_and_unknown_device_look_alike),
    cmocka_unit_test(keys_cannot_be_guessed_without_end),
    cmocka_unit_test(a_store_that_is_away_is_told_to_the_device),
    cmocka_unit_test(a_store_that_comes_back_lets_the_device_in),
    cmocka_unit_test(an_unknown_device_is_not_told),
    cmocka_unit_test(a_failed_look_up_gives_no_time_and_no_guesses),
    cmocka_unit_test(a_peer_asks_a_store_that_is_away_without_bound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
