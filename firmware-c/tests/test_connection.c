/* The engine, both roles, on simulated time and a network with knobs. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "usmp/cobs.h"

static pair_t pair;
static uint8_t text[USMP_MAX_MESSAGE_LEN + 1];

static const uint8_t kinds[] = {USMP_KIND_STREAM, USMP_KIND_DATAGRAM, USMP_KIND_SERIAL};

static uint8_t a_suite(unsigned n)
{
  return usmp_suite_available((uint8_t)(1 + n % 2)) ? (uint8_t)(1 + n % 2) : USMP_CIPHER_DEFAULT;
}

static void fill(size_t len, unsigned seed)
{
  for (size_t i = 0; i < len; i++) text[i] = (uint8_t)(seed + i * 13);
}

static void send_text(side_t *from, size_t len, unsigned seed)
{
  fill(len, seed);
  assert_int_equal(usmp_conn_send(&from->conn, text, len, pair.now), 0);
}

/* The message is the next of those that came; `at` moves behind it. */
static void expect_text(const side_t *to, size_t *at, size_t len, unsigned seed)
{
  fill(len, seed);
  assert_true(*at + 2 + len <= to->got_len);
  assert_int_equal(usmp_load16(to->got + *at), len);
  assert_memory_equal(to->got + *at + 2, text, len);
  *at += 2 + len;
}

static void messages_both_ways(void **state)
{
  static const size_t sizes[] = {0, 1, 64, 451, 452, 453, 904, 905, 1356, 1357, 1808};

  (void)state;
  for (unsigned n = 0; n < 6; n++) {
    pair_connect(&pair, kinds[n / 2], a_suite(n));
    size_t at[2] = {0, 0};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      pair.client.got_len = pair.server.got_len = at[0] = at[1] = 0;
      send_text(&pair.client, sizes[i], i);
      send_text(&pair.server, sizes[i], i + 1);
      pair_settle(&pair);
      expect_text(&pair.server, &at[0], sizes[i], i);
      expect_text(&pair.client, &at[1], sizes[i], i + 1);
    }
    assert_memory_equal(usmp_conn_session_id(&pair.client.conn), usmp_conn_session_id(&pair.server.conn), 16);
    assert_memory_equal(usmp_conn_device_id(&pair.server.conn), pair.client.config.device_id, 6);
    assert_int_equal(usmp_conn_dropped(&pair.server.conn), 0);
  }
}

static void bye_tells_the_other_side(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_connect(&pair, kinds[n], USMP_CIPHER_DEFAULT);
    send_text(&pair.client, 1808, 3);
    usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now);
    pair_settle(&pair);
    assert_int_equal(pair.server.messages, 1);
    assert_int_equal(pair.server.reason, USMP_ERR_CLOSED);
    assert_int_equal(pair.client.reason, USMP_ERR_CLOSED);
    assert_int_equal(pair.client.closed + pair.server.closed, 2);
    assert_int_equal(usmp_conn_send(&pair.server.conn, text, 1, pair.now), USMP_ERR_NOT_CONNECTED);
    assert_null(usmp_conn_session_id(&pair.server.conn));
  }
}

static void lossy_datagrams_arrive_once_and_in_order(void **state)
{
  (void)state;
  for (unsigned round = 0; round < 20; round++) {
    pair_open(&pair, USMP_KIND_DATAGRAM, a_suite(round));
    pair.carry = pair_lossy;
    pair.dice = round;
    pair_run(&pair, 4000);
    if (!usmp_conn_established(&pair.client.conn)) continue; /* luck ran out within the handshake's time */
    size_t at = 0;
    unsigned sent = 0;
    for (; sent < 6 && usmp_conn_established(&pair.client.conn); sent++) {
      send_text(&pair.client, 100 + 300 * sent, sent);
      for (int i = 0; i < 200 && !usmp_conn_drained(&pair.client.conn); i++) pair_run(&pair, 100);
    }
    for (unsigned i = 0; i < pair.server.messages; i++) expect_text(&pair.server, &at, 100 + 300 * i, i);
    assert_true(pair.server.messages == sent || usmp_conn_error(&pair.client.conn) == USMP_ERR_TRANSPORT_FAILED);
    assert_int_equal(at, pair.server.got_len);
  }
}

static bool nothing_to_client(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)bytes, (void)len;
  return to != &p->client;
}

static void silence_ends_it(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_connect(&pair, kinds[n], USMP_CIPHER_DEFAULT);
    pair_run(&pair, 10 * 60 * 1000); /* PING and PONG keep it alive */
    assert_true(usmp_conn_established(&pair.client.conn) && usmp_conn_established(&pair.server.conn));
    assert_true(pair.client.pongs >= 25 && pair.client.pongs <= 31);
    pair.carry = nothing_to_client;
    pair_run(&pair, 100 * 1000);
    int expected = kinds[n] == USMP_KIND_DATAGRAM ? USMP_ERR_TRANSPORT_FAILED : USMP_ERR_IDLE_TIMEOUT;
    assert_int_equal(pair.client.reason, expected);
  }
}

static bool nothing_at_all(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)p, (void)to, (void)bytes, (void)len;
  return false;
}

/* A datagram is repeated for 30 s before it is given up. */
static void network_that_fails_for_a_while(void **state)
{
  (void)state;
  for (unsigned seconds = 20; seconds <= 40; seconds += 20) {
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    pair.carry = nothing_at_all;
    send_text(&pair.client, 100, 1);
    pair_run(&pair, seconds * 1000);
    pair.carry = NULL;
    pair_run(&pair, 6000);
    assert_int_equal(pair.server.messages, seconds == 20);
    assert_int_equal(pair.client.reason, seconds == 20 ? 0 : USMP_ERR_TRANSPORT_FAILED);
  }
}

static uint32_t acknowledged_at;

/* A peer that acknowledges a frame only now and then, and whose own messages all come. */
static bool slow_acknowledgements(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)len;
  if (to != &p->client || bytes[0] != 0xAC) return true;
  if (p->now - acknowledged_at < 900) return false;
  acknowledged_at = p->now;
  return true;
}

/* A program that ends, or a server that needs the place, must not wait for minutes: neither for a peer that is gone, nor for
   one that acknowledges a frame now and then, whenever the first one left, and whatever comes meanwhile. */
static void a_close_takes_five_seconds_however_slow_the_peer_is(void **state)
{
  static const int reasons[] = {USMP_ERR_CLOSED, USMP_ERR_ABORTED, USMP_ERR_TOO_MANY_CONNECTIONS, USMP_ERR_REPLACED, USMP_ERR_SHUTDOWN};

  (void)state;
  for (unsigned i = 0; i < 4 * sizeof reasons / sizeof reasons[0]; i++) {
    int reason = reasons[i / 4];
    bool gone = i % 2;
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    pair.client.config.keepalive_ms = UINT32_MAX;
    pair.carry = gone ? nothing_at_all : slow_acknowledgements;
    acknowledged_at = pair.now;
    while (usmp_conn_send(&pair.client.conn, text, 10, pair.now) == 0) pair_settle(&pair);
    if (gone && i % 4 == 3) pair_run(&pair, 28000); /* almost given up */
    usmp_conn_close(&pair.client.conn, reason, pair.now); /* the queue is full, and has no room for a BYE */
    assert_int_equal(usmp_conn_state(&pair.client.conn), USMP_CONN_CLOSING);
    uint32_t begin = pair.now;
    while (pair.client.closed == 0) {
      assert_true(pair.now - begin <= USMP_CLOSE_MS);
      usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now); /* asking again moves it neither */
      usmp_conn_set_paused(&pair.client.conn, i % 4 == 2, pair.now);
      if (!gone) send_text(&pair.server, 5, i), pair_settle(&pair);
      pair_run(&pair, 100);
      pair_events(&pair.client);
    }
    bool urgent = reason == USMP_ERR_REPLACED || reason == USMP_ERR_SHUTDOWN;
    assert_in_range(pair.now - begin, urgent ? 1000 : 5000, urgent ? 1100 : 5100);
    /* Who asked for a good end hears that messages were lost. */
    assert_int_equal(pair.client.reason, reason == USMP_ERR_CLOSED ? USMP_ERR_TRANSPORT_FAILED : reason);
  }
  /* What can be delivered in that time is, and then the BYE tells the peer. */
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  unsigned sent = 0;
  while (usmp_conn_send(&pair.client.conn, text, 10, pair.now) == 0) sent++;
  usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now);
  pair_settle(&pair);
  assert_int_equal(pair.server.messages, sent);
  assert_int_equal(pair.server.reason, USMP_ERR_CLOSED);
  assert_int_equal(pair.client.reason, USMP_ERR_CLOSED);
  /* A loss is a message, and nothing else. */
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  pair.carry = nothing_at_all;
  assert_int_equal(usmp_conn_ping(&pair.client.conn, pair.now), 0);
  usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now);
  pair_run(&pair, USMP_CLOSE_MS - 1);
  assert_int_equal(pair.client.closed, 0);
  pair_run(&pair, 1);
  pair_settle(&pair);
  assert_int_equal(pair.client.reason, USMP_ERR_CLOSED);
}

static void handshake_has_its_time(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_open(&pair, kinds[n], USMP_CIPHER_DEFAULT);
    pair.carry = nothing_at_all;
    pair_run(&pair, USMP_STEP_MS - 1);
    assert_int_equal(pair.client.closed, 0);
    pair_run(&pair, 1);
    pair_settle(&pair);
    assert_int_equal(pair.client.reason, USMP_ERR_HANDSHAKE_TIMEOUT);
    assert_int_equal(pair.server.closed, 0);
    pair_run(&pair, USMP_HANDSHAKE_MS - USMP_STEP_MS);
    pair_settle(&pair);
    /* A line is always open: its server waits for a HELLO without end. */
    assert_int_equal(pair.server.reason, kinds[n] == USMP_KIND_SERIAL ? 0 : USMP_ERR_HANDSHAKE_TIMEOUT);
  }
}

static void end_of_transport_is_told_apart(void **state)
{
  (void)state;
  pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  usmp_conn_transport_ended(&pair.client.conn, 0);
  assert_int_equal(usmp_conn_error(&pair.client.conn), USMP_ERR_HANDSHAKE_REFUSED);
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  usmp_conn_transport_ended(&pair.client.conn, 0);
  usmp_conn_transport_ended(&pair.server.conn, USMP_ERR_TRANSPORT_FAILED);
  assert_int_equal(usmp_conn_error(&pair.client.conn), USMP_ERR_TRUNCATED);
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_TRANSPORT_FAILED);
}

static void wrong_psk_and_unknown_device_look_alike(void **state)
{
  (void)state;
  for (unsigned unknown = 0; unknown < 2; unknown++) {
    pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
    usmp_buffers_t buffers = {pair.client.frame,         pair.client.message,         pair.client.tx,
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

static void other_suite_is_named(void **state)
{
  (void)state;
  if (!usmp_suite_available(1) || !usmp_suite_available(2)) return;
  pair_open(&pair, USMP_KIND_STREAM, 1);
  pair.server.config.suite = 2;
  pair_run(&pair, 100);
  send_text(&pair.client, 10, 0);
  pair_settle(&pair);
  assert_int_equal(pair.server.reason, USMP_ERR_SUITE_MISMATCH);
}

/* ---- rekey ---- */

static void rekey_with_traffic_under_way(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 6; n++) {
    pair_connect(&pair, kinds[n / 2], a_suite(n));
    side_t *initiator = n % 2 ? &pair.client : &pair.server;
    side_t *other = n % 2 ? &pair.server : &pair.client;
    for (unsigned i = 0; i < 8; i++) {
      size_t at = 0;
      initiator->got_len = other->got_len = 0;
      send_text(other, 1000, i); /* crosses the REKEY */
      assert_int_equal(usmp_conn_rekey(&initiator->conn, pair.now), 0);
      assert_int_equal(usmp_conn_rekey(&initiator->conn, pair.now),
                       kinds[n / 2] == USMP_KIND_DATAGRAM ? USMP_ERR_QUEUE_FULL : USMP_ERR_INVALID_ARGUMENT);
      if (kinds[n / 2] != USMP_KIND_DATAGRAM) send_text(initiator, 500, i + 50);
      pair_settle(&pair);
      pair.now += 1100; /* PING and PONG are counted by the second */
      if (kinds[n / 2] == USMP_KIND_DATAGRAM) send_text(initiator, 500, i + 50);
      pair_settle(&pair);
      expect_text(initiator, &at, 1000, i);
      at = 0;
      expect_text(other, &at, 500, i + 50);
      assert_false(initiator->conn.u.record_layer.rekey_pending);
      assert_true(usmp_is_zero(initiator->conn.u.record_layer.prev_tx_key, USMP_KEY_SIZE));
      assert_true(usmp_is_zero(initiator->conn.u.record_layer.epochs[1].key, 2 * sizeof(usmp_epoch_t)));
    }
    assert_int_equal(pair.client.closed + pair.server.closed, 0);
  }
}

static void rekey_from_both_sides_at_once(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_connect(&pair, kinds[n], a_suite(n));
    for (unsigned i = 0; i < 8; i++) {
      size_t at = 0;
      pair.client.got_len = pair.server.got_len = 0;
      assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), 0);
      assert_int_equal(usmp_conn_rekey(&pair.server.conn, pair.now), 0);
      if (kinds[n] != USMP_KIND_DATAGRAM) {
        send_text(&pair.server, 600, i);
        send_text(&pair.client, 700, i);
      }
      pair_settle(&pair);
      pair.now += 1100;
      if (kinds[n] == USMP_KIND_DATAGRAM) {
        send_text(&pair.server, 600, i);
        send_text(&pair.client, 700, i);
      }
      pair_settle(&pair);
      expect_text(&pair.client, &at, 600, i);
      at = 0;
      expect_text(&pair.server, &at, 700, i);
      pair.now += 1100;
    }
    assert_int_equal(pair.client.closed + pair.server.closed, 0);
    assert_memory_equal(pair.client.conn.u.record_layer.tx_key, pair.server.conn.u.record_layer.epochs[0].key, USMP_KEY_SIZE);
  }
}

static void rekey_over_lossy_datagrams(void **state)
{
  unsigned finished = 0;

  (void)state;
  for (unsigned round = 0; round < 30; round++) {
    pair_connect(&pair, USMP_KIND_DATAGRAM, a_suite(round));
    pair.carry = pair_lossy;
    pair.dice = 77 + round;
    for (unsigned i = 0; i < 5; i++) {
      int a = usmp_conn_rekey(&pair.client.conn, pair.now);
      int b = round % 2 ? usmp_conn_rekey(&pair.server.conn, pair.now) : 0;
      assert_true(a == 0 || a == USMP_ERR_NOT_CONNECTED || a == USMP_ERR_QUEUE_FULL || a == USMP_ERR_INVALID_ARGUMENT);
      assert_true(b == 0 || b == USMP_ERR_NOT_CONNECTED || b == USMP_ERR_QUEUE_FULL || b == USMP_ERR_INVALID_ARGUMENT);
      pair_run(&pair, 15000);
    }
    pair.carry = NULL;
    pair_run(&pair, 10000);
    if (usmp_conn_error(&pair.client.conn) || usmp_conn_error(&pair.server.conn)) {
      int reason = usmp_conn_error(&pair.client.conn);
      if (reason == 0) reason = usmp_conn_error(&pair.server.conn);
      assert_int_equal(reason, USMP_ERR_TRANSPORT_FAILED); /* five losses in a row, and nothing else */
      continue;
    }
    size_t at = 0;
    pair.server.got_len = pair.client.got_len = 0;
    send_text(&pair.client, 600, 1);
    send_text(&pair.server, 600, 2);
    pair_run(&pair, 10000);
    expect_text(&pair.server, &at, 600, 1);
    at = 0;
    expect_text(&pair.client, &at, 600, 2);
    finished++;
  }
  assert_true(finished >= 15);
}

/* ---- our PINGs: four in any second ---- */

/* Everything that can be moved now, confirmed by a message: nothing but the PONG is missing. */
static void rekey_and_confirm(side_t *initiator, side_t *other, unsigned seed)
{
  assert_int_equal(usmp_conn_rekey(&initiator->conn, pair.now), 0);
  pair_settle(&pair);
  send_text(other, 10, seed);
  pair_settle(&pair);
  assert_false(initiator->conn.u.record_layer.rekey_pending);
}

static void rekeys_in_a_row_do_not_flood(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 6; n++) {
    pair_connect(&pair, kinds[n / 2], a_suite(n));
    side_t *initiator = n % 2 ? &pair.client : &pair.server;
    side_t *other = n % 2 ? &pair.server : &pair.client;
    for (unsigned i = 0; i < 16; i++) rekey_and_confirm(initiator, other, i);
    assert_int_equal(usmp_conn_rekey(&initiator->conn, pair.now), USMP_ERR_INVALID_ARGUMENT); /* 16 in a burst (5.2) */
    assert_int_equal(initiator->pongs, 4);
    assert_int_equal(usmp_conn_poll_timeout(&initiator->conn, pair.now), 1000);
    pair_run(&pair, 999);
    assert_int_equal(initiator->pongs, 4);
    pair_run(&pair, 1);
    pair_settle(&pair);
    assert_int_equal(initiator->pongs, 5); /* one for all that waited */
    pair_run(&pair, 64000);
    /* Both sides at once: the other has four of its own in the same second. */
    for (unsigned i = 0; i < 16; i++) {
      rekey_and_confirm(other, initiator, i);
      rekey_and_confirm(initiator, other, i);
      pair_run(&pair, 333);
    }
    pair_run(&pair, 2000);
    assert_int_equal(usmp_conn_dropped(&pair.client.conn) + usmp_conn_dropped(&pair.server.conn), 0);
    assert_int_equal(pair.client.closed + pair.server.closed, 0);
  }
}

static void pings_leave_when_they_may(void **state)
{
  enum { TURNS = 4000 };
  static uint32_t left_at[TURNS];

  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    unsigned count = 0;
    pair_connect(&pair, kinds[n], USMP_CIPHER_DEFAULT);
    pair.client.config.keepalive_ms = 300;
    for (unsigned i = 0; i < TURNS; i++) {
      if (pair_dice(&pair, 30)) assert_int_equal(usmp_conn_ping(&pair.client.conn, pair.now), 0);
      if (usmp_conn_poll_timeout(&pair.client.conn, pair.now) == 0) usmp_conn_handle_timeout(&pair.client.conn, pair.now);
      pair_settle(&pair);
      for (; count < pair.client.pongs; count++) {
        left_at[count] = pair.now;
        assert_true(count < 4 || left_at[count] - left_at[count - 4] >= 1000);
      }
      pair.now += pair_dice(&pair, 50) ? 0 : pair_dice(&pair, 5) ? 700 : 13;
    }
    assert_true(count > 40);
    assert_int_equal(pair.client.closed + pair.server.closed, 0);
    assert_int_equal(usmp_conn_dropped(&pair.server.conn), 0);
  }
}

/* Two seconds' worth of PINGs arrive at once, and then their PONGs: all of it is honest. */
static void a_stall_makes_no_flood(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  for (unsigned second = 0; second < 2; second++) {
    for (unsigned i = 0; i < 4; i++) {
      assert_int_equal(usmp_conn_ping(&pair.client.conn, pair.now), 0);
      assert_int_equal(usmp_conn_ping(&pair.server.conn, pair.now), 0);
    }
    pair.now += 1000;
  }
  pair_settle(&pair);
  assert_int_equal(pair.client.closed + pair.server.closed, 0);
  assert_int_equal(pair.client.conn.pings_unanswered + pair.server.conn.pings_unanswered, 0);
}

/* Seals what an honest client does not, and hands it to the server. */
static void client_seals(uint8_t type, size_t len)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];

  memset(frame + USMP_PLAINTEXT_OFFSET, type, len);
  int sealed = usmp_record_layer_seal(&pair.client.conn.u.record_layer, pair_crypto(), type, frame, len);
  assert_true(sealed > 0);
  int taken = usmp_conn_receive(&pair.server.conn, frame, (size_t)sealed, pair.now);
  assert_true(taken == sealed || usmp_conn_error(&pair.server.conn) < 0);
  pair_events(&pair.server);
}

/* What is sealed for the server's answers is thrown away, PONGs are counted. */
static unsigned pongs_sent(void)
{
  const uint8_t *bytes;
  size_t len;
  unsigned count = 0;

  while ((len = usmp_conn_poll_transmit(&pair.server.conn, &bytes)) > 0) {
    for (size_t at = 0; bytes[0] == USMP_MAGIC_0 && at < len; at += USMP_HEADER_SIZE + (size_t)usmp_load16(bytes + at + 8)) {
      count += bytes[at + 3] == USMP_TYPE_PONG;
    }
    usmp_conn_transmitted(&pair.server.conn, len, pair.now);
  }
  return count;
}

/* As many PINGs as an honest peer makes in a minute, after a minute in which the network stood still. */
static void pings_that_piled_up_for_a_minute_are_no_flood(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  for (unsigned n = 0; n < 3; n++) {
    unsigned pongs = 0;
    for (unsigned i = 0; i < 480; i++) {
      client_seals(USMP_TYPE_PING, 0);
      pongs += pongs_sent();
    }
    assert_int_equal(pongs, 8); /* a published peer takes no more in a second */
    assert_int_equal(usmp_conn_error(&pair.server.conn), 0);
    pair.now += 60000;
  }
  for (unsigned i = 0; i < 512; i++) client_seals(USMP_TYPE_PING, 0);
  assert_int_equal(usmp_conn_error(&pair.server.conn), 0);
  client_seals(USMP_TYPE_PING, 0);
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_FLOOD);
}

/* On datagrams a frame of the peer's own ends the session too, and nothing else does. */
static void rekeys_without_end_are_a_flood(void **state)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  uint8_t salt[USMP_REKEY_SALT_SIZE] = {7};

  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  for (unsigned i = 0; i < 65; i++) {
    usmp_record_layer_t *session = &pair.client.conn.u.record_layer;
    int len = usmp_record_layer_start_rekey(session, pair_crypto(), salt, frame);
    assert_true(len > 0);
    session->rekey_pending = false; /* it does not wait for an answer */
    session->epoch_count = 1;
    session->epochs[0] = session->epochs[1];
    int taken = usmp_conn_receive(&pair.server.conn, frame, (size_t)len, pair.now);
    assert_int_equal(taken, i < 64 ? len : USMP_ERR_FLOOD);
  }
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  for (unsigned i = 0; i < 513; i++) {
    assert_int_equal(usmp_conn_error(&pair.server.conn), 0);
    client_seals(USMP_TYPE_PING, 0);
    pongs_sent();
  }
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_FLOOD);
}

/* ---- ends that do not read ---- */

static bool none_to_server(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)bytes, (void)len;
  return to != &p->server;
}

static void an_end_that_does_not_read_shows_life(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_connect(&pair, kinds[n], USMP_CIPHER_DEFAULT);
    pair.server.config.keepalive_ms = UINT32_MAX; /* even with its keepalive off */
    usmp_conn_set_paused(&pair.server.conn, true, pair.now);
    if (kinds[n] != USMP_KIND_DATAGRAM) pair.carry = none_to_server; /* its driver reads nothing */
    pair_run(&pair, 10 * 60 * 1000);
    assert_int_equal(pair.client.closed + pair.server.closed, 0);
    assert_true(usmp_conn_poll_timeout(&pair.server.conn, pair.now) <= USMP_KEEPALIVE_MS);
    usmp_conn_set_paused(&pair.server.conn, false, pair.now); /* its idle time starts now */
    pair.carry = nothing_at_all;
    pair_run(&pair, 25000);
    assert_int_equal(pair.server.closed, 0);
    pair_run(&pair, 36000);
    assert_int_equal(pair.server.reason, USMP_ERR_IDLE_TIMEOUT);
  }
}

/* What piled up while the receiver did not read is no flood, however long that was. */
static void pings_that_came_while_nobody_read_are_no_flood(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  usmp_conn_set_paused(&pair.server.conn, true, pair.now);
  pair.now += 300000;
  usmp_conn_set_paused(&pair.server.conn, false, pair.now);
  for (unsigned i = 0; i < 512 + 2400; i++) client_seals(USMP_TYPE_PONG, 0);
  assert_int_equal(usmp_conn_error(&pair.server.conn), 0);
  client_seals(USMP_TYPE_PONG, 0);
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_FLOOD);
}

/* A message under way is repeated as long as the peer shows life, ten minutes at most; a peer that is gone costs 30 s. */
static void a_message_waits_for_a_peer_that_does_not_read(void **state)
{
  (void)state;
  for (unsigned minutes = 9; minutes <= 11; minutes += 2) {
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    usmp_conn_set_paused(&pair.server.conn, true, pair.now);
    send_text(&pair.client, 1000, 3);
    pair_run(&pair, minutes * 60 * 1000);
    assert_int_equal(pair.client.reason, minutes == 9 ? 0 : USMP_ERR_TRANSPORT_FAILED);
    assert_int_equal(pair.server.messages, 0);
    if (minutes == 11) continue;
    usmp_conn_set_paused(&pair.server.conn, false, pair.now);
    pair_run(&pair, 6000);
    assert_int_equal(pair.server.messages, 1);
  }
}

/* Its process stood still for a minute while an acknowledgement was lost: it asks once more before it gives up. */
static void who_was_held_up_sends_once_more(void **state)
{
  (void)state;
  for (unsigned answered = 0; answered < 2; answered++) {
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    pair.client.config.idle_ms = UINT32_MAX;
    pair.carry = nothing_at_all;
    send_text(&pair.client, 100, 1);
    pair_settle(&pair);
    pair.now += 50000;
    if (answered) pair.carry = NULL;
    usmp_conn_handle_timeout(&pair.client.conn, pair.now);
    assert_int_equal(usmp_conn_error(&pair.client.conn), 0);
    pair_run(&pair, 6000);
    assert_int_equal(pair.server.messages, answered);
    assert_int_equal(usmp_conn_error(&pair.client.conn), answered ? 0 : USMP_ERR_TRANSPORT_FAILED);
  }
}

/* ---- commands ---- */

/* A stop overtakes the command before it: that one must not come behind it. */
static void a_datagram_older_than_the_newest_is_not_delivered(void **state)
{
  (void)state;
  for (unsigned drop = 0; drop < 2; drop++) {
    usmp_record_layer_t *session = &pair.client.conn.u.record_layer;
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    pair.server.config.drop_late = drop;
    for (unsigned rekeyed = 0; rekeyed < 2; rekeyed++) {
      uint32_t seqs[] = {9, 7, 8, 10, 1};
      unsigned before = pair.server.messages;
      const uint8_t *bytes;
      for (unsigned i = 0; i < 5; i++) {
        session->tx_next = seqs[i];
        client_seals(USMP_TYPE_DATA, 20);
        assert_int_equal(usmp_conn_poll_transmit(&pair.server.conn, &bytes), USMP_UTACK_MAX_SIZE); /* all are acknowledged */
        usmp_conn_transmitted(&pair.server.conn, 0, pair.now);
      }
      assert_int_equal(pair.server.messages - before, drop ? 2 : 5);
      if (drop) assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_SEQ_MISMATCH);
      session->tx_next = 11;
      assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), 0); /* numbers start again from 0 */
      pair_run(&pair, 1000);
    }
  }
}

/* ---- guesses ---- */

static void a_proof(const uint8_t mac[USMP_MAC_SIZE])
{
  uint8_t packet[128];
  bool serial = pair.server.config.kind == USMP_KIND_SERIAL;

  memcpy(packet + 4 + USMP_HEADER_SIZE, mac, USMP_MAC_SIZE);
  int len = usmp_frame_encode(packet + 4, USMP_TYPE_HELLO_ACK, 2, USMP_MAC_SIZE);
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
  usmp_buffers_t buffers = {pair.client.frame,         pair.client.message,         pair.client.tx,
                            sizeof pair.client.frame, sizeof pair.client.message, sizeof pair.client.tx};
  assert_int_equal(usmp_conn_init_client(&pair.client.conn, &pair.client.config, &buffers, pair.now), 0);
  pair_flush(&pair, &pair.client);
  pair_feed(&pair, &pair.server);
  pair_flush(&pair, &pair.server); /* the CHALLENGE waits in the client's inbox */
}

/* On datagrams and lines anybody can send a wrong proof: some do no harm, and five end it. */
static void keys_cannot_be_guessed_without_end(void **state)
{
  static const uint8_t wrong[USMP_MAC_SIZE] = {1};

  (void)state;
  for (unsigned n = 1; n < 3; n++) {
    for (unsigned guesses = 4; guesses <= 5; guesses++) {
      pair_open(&pair, kinds[n], USMP_CIPHER_DEFAULT);
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
      pair_open(&pair, kinds[n], USMP_CIPHER_DEFAULT);
      for (; usmp_conn_error(&pair.server.conn) == 0; ms += 100) {
        assert_true(ms <= 10000);
        if (kinds[n] == USMP_KIND_SERIAL || ms == 0) hello_again();
        pair.client.inbox_len = pair.client.datagrams = 0;
        if (guess && ms % 2000 == 1000) a_proof(wrong);
        pair.now += 100;
        usmp_conn_handle_timeout(&pair.server.conn, pair.now);
        pongs_sent();
      }
      assert_int_equal(usmp_conn_error(&pair.server.conn), guess ? USMP_ERR_AUTH_FAILED : USMP_ERR_HANDSHAKE_TIMEOUT);
      assert_int_equal(ms, guess ? 9100 : 10000);
    }
    /* An attempt is for one device. */
    pair_open(&pair, kinds[n], USMP_CIPHER_DEFAULT);
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

/* ---- a store of keys that is away ---- */

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
    uint8_t kind = kinds[i / 3];
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
  assert_int_equal(pair.client.reason, USMP_ERR_HANDSHAKE_TIMEOUT); /* nothing is repeated there: it starts anew */
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
      open_with_store(kinds[n], i ? 261 : USMP_ERR_UNKNOWN_DEVICE);
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
  for (pair.now += 60000; usmp_conn_error(&pair.server.conn) == 0; ms += 1000) { /* a line is always open */
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

/* The same HELLO all the time, and on a line that of other devices: the store is asked once a second. */
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

static void ping_waits_for_room(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  while (usmp_conn_send(&pair.client.conn, text, 10, pair.now) == 0) continue;
  assert_int_equal(usmp_conn_ping(&pair.client.conn, pair.now), 0);
  assert_true(usmp_conn_poll_timeout(&pair.client.conn, pair.now) > 1000);
  pair_settle(&pair);
  assert_int_equal(usmp_conn_poll_timeout(&pair.client.conn, pair.now), 0);
  pair_run(&pair, 1);
  assert_int_equal(pair.client.pongs, 1);
}

/* ---- what others may send (WEAKNESSES W6, W7, W10) ---- */

static void junk_datagrams_change_nothing(void **state)
{
  uint8_t junk[64];

  (void)state;
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  static const uint32_t seqs[] = {0, 1, 5, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF};
  for (unsigned i = 0; i < 6; i++) {
    memset(junk, 0x5A, sizeof junk);
    usmp_store32(junk + 12, seqs[i]); /* even the nonce is right */
    memcpy(junk + 16, usmp_conn_session_id(&pair.server.conn), 8);
    int len = usmp_frame_encode(junk, USMP_TYPE_DATA, seqs[i], 40);
    assert_int_equal(usmp_conn_receive(&pair.server.conn, junk, (size_t)len, pair.now), len);
    const uint8_t *bytes;
    assert_int_equal(usmp_conn_poll_transmit(&pair.server.conn, &bytes), 0); /* not acknowledged */
    assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_DECRYPT_FAILED);
  }
  size_t at = 0;
  send_text(&pair.client, 100, 1);
  pair_settle(&pair);
  expect_text(&pair.server, &at, 100, 1);
}

/* What somebody else sends who knows the addresses and has no PSK. */
static void forge(unsigned salt)
{
  uint8_t forged[128];

  memset(forged, 0x11 + (int)salt, sizeof forged);
  int len = usmp_frame_encode(forged, USMP_TYPE_CHALLENGE, 0, USMP_CHALLENGE_SIZE);
  assert_true(usmp_conn_receive(&pair.client.conn, forged, (size_t)len, pair.now) >= 0);
  len = usmp_frame_encode(forged, USMP_TYPE_SESSION_OK, 0, USMP_SESSION_OK_SIZE);
  assert_true(usmp_conn_receive(&pair.client.conn, forged, (size_t)len, pair.now) >= 0);
  len = usmp_frame_encode(forged, USMP_TYPE_HELLO_ACK, 0, USMP_MAC_SIZE);
  assert_true(usmp_conn_receive(&pair.server.conn, forged, (size_t)len, pair.now) >= 0);
  len = usmp_frame_encode(forged, USMP_TYPE_BYE, 0, USMP_SEAL_OVERHEAD);
  assert_true(usmp_conn_receive(&pair.client.conn, forged, (size_t)len, pair.now) >= 0);
  assert_true(usmp_conn_receive(&pair.server.conn, forged + 1, 20, pair.now) >= 0);
}

static void forged_handshake_datagrams_do_not_end_it(void **state)
{
  (void)state;
  for (unsigned late = 0; late < 4; late++) { /* how many steps are made before the attacker comes */
    pair_open(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    pair_flush(&pair, &pair.client); /* HELLO */
    if (late == 0) forge(late);
    pair_feed(&pair, &pair.server);
    pair_flush(&pair, &pair.server); /* CHALLENGE */
    if (late == 1) forge(late);
    pair_feed(&pair, &pair.client);
    if (late == 2) forge(late);
    pair_flush(&pair, &pair.client); /* HELLO_ACK */
    if (late == 3) forge(late);
    pair_run(&pair, 4000);
    assert_true(usmp_conn_established(&pair.client.conn));
    assert_true(usmp_conn_established(&pair.server.conn));
  }
}

/* Nobody without the session's key can make a sender believe that a frame has arrived. */
static void forged_acknowledgements_are_not_believed(void **state)
{
  uint8_t key[USMP_KEY_SIZE];
  uint8_t utack[USMP_UTACK_MAX_SIZE];
  const uint8_t *bytes;

  (void)state;
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  for (int rekeyed = 0; rekeyed < 2; rekeyed++) {
    send_text(&pair.client, 10, 0);
    assert_true(usmp_conn_poll_transmit(&pair.client.conn, &bytes) > 0);
    uint8_t type = bytes[3];
    uint32_t seq = usmp_load32(bytes + 4);
    usmp_conn_transmitted(&pair.client.conn, 0, pair.now);
    for (int fill_byte = 0; fill_byte < 256; fill_byte += 15) { /* wiped memory, and other keys that are no secret */
      memset(key, fill_byte, sizeof key);
      for (int with_key = 0; with_key < 2; with_key++) {
        int len = usmp_utack_build(pair_crypto(), with_key ? key : NULL, type, seq, utack);
        assert_true(usmp_conn_receive(&pair.client.conn, utack, (size_t)len, pair.now) > 0);
        assert_false(usmp_conn_drained(&pair.client.conn));
      }
    }
    pair_run(&pair, 3000);
    assert_true(usmp_conn_drained(&pair.client.conn));
    assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), 0);
    pair_run(&pair, 3000);
  }
}

/* HELLO_RETRY is sent once and not repeated: an acknowledgement alone must not silence the client. */
static void hello_is_repeated_until_it_is_answered(void **state)
{
  static const uint8_t utack[USMP_UTACK_SIZE] = {0xAC, 0xAC, USMP_TYPE_HELLO};
  const uint8_t *bytes;

  (void)state;
  pair_open(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  for (int sends = 1; sends <= 6; sends++) {
    assert_true(usmp_conn_poll_transmit(&pair.client.conn, &bytes) > 0);
    assert_int_equal(bytes[3], USMP_TYPE_HELLO);
    usmp_conn_transmitted(&pair.client.conn, 0, pair.now);
    assert_true(usmp_conn_receive(&pair.client.conn, utack, sizeof utack, pair.now) > 0);
    assert_int_equal(usmp_conn_poll_transmit(&pair.client.conn, &bytes), 0);
    pair.now += usmp_conn_poll_timeout(&pair.client.conn, pair.now);
    usmp_conn_handle_timeout(&pair.client.conn, pair.now);
    if (usmp_conn_error(&pair.client.conn)) break;
  }
  assert_int_equal(usmp_conn_error(&pair.client.conn), USMP_ERR_HANDSHAKE_TIMEOUT);
}

/* A repeat of what was taken is acknowledged again; another handshake frame in a session is not. */
static void only_repeats_are_acknowledged(void **state)
{
  uint8_t hello[USMP_HEADER_SIZE + USMP_HELLO_SIZE];
  const uint8_t *bytes;

  (void)state;
  pair_open(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  size_t len = usmp_conn_poll_transmit(&pair.client.conn, &bytes);
  assert_int_equal(len, sizeof hello);
  memcpy(hello, bytes, len);
  pair_run(&pair, 100);
  assert_true(usmp_conn_established(&pair.server.conn));
  for (int other = 0; other < 2; other++) {
    hello[40] = (uint8_t)(hello[40] ^ other);
    assert_true(usmp_frame_encode(hello, USMP_TYPE_HELLO, 0, USMP_HELLO_SIZE) > 0);
    assert_int_equal(usmp_conn_receive(&pair.server.conn, hello, sizeof hello, pair.now), sizeof hello);
    assert_int_equal(usmp_conn_poll_transmit(&pair.server.conn, &bytes), other ? 0 : USMP_UTACK_SIZE);
    usmp_conn_transmitted(&pair.server.conn, 0, pair.now);
  }
  assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_UNEXPECTED_PACKET);
}

/* ---- a line ---- */

static bool noisy_line(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)to;
  if (p->carried % 40 == 1) { /* a boot message in front of the piece; packets are guarded by zeros */
    static const char boot[] = "\r\nets Jun  8 2016 rst:0x1\r\n";
    if (bytes[0] != 0) return true;
    memmove(bytes + sizeof boot - 1, bytes, *len);
    memcpy(bytes, boot, sizeof boot - 1);
    *len += sizeof boot - 1;
  }
  return true;
}

static void noise_between_packets_costs_nothing(void **state)
{
  (void)state;
  pair_open(&pair, USMP_KIND_SERIAL, USMP_CIPHER_DEFAULT);
  pair.carry = noisy_line;
  pair_run(&pair, 1000);
  assert_true(usmp_conn_established(&pair.client.conn));
  size_t at = 0;
  for (unsigned i = 0; i < 10; i++) send_text(&pair.client, 50, i), pair_settle(&pair);
  for (unsigned i = 0; i < 10; i++) expect_text(&pair.server, &at, 50, i);
}

static void lost_frame_on_a_line_ends_it_aloud(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_SERIAL, USMP_CIPHER_DEFAULT);
  send_text(&pair.client, 50, 0);
  pair_flush(&pair, &pair.client);
  pair.server.inbox[5] ^= 1; /* damaged: dropped, and the next one shows it */
  pair_feed(&pair, &pair.server);
  assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_BAD_CRC);
  send_text(&pair.client, 50, 1);
  pair_settle(&pair);
  assert_int_equal(pair.server.reason, USMP_ERR_SEQ_MISMATCH);
  assert_int_equal(pair.client.reason, USMP_ERR_CLOSED); /* told by BYE: it can connect anew at once */
}

/* Packets with a right CRC that are not authentic: left from an older session, or noise. */
static void strangers_on_a_line_change_nothing(void **state)
{
  static const uint8_t types[] = {USMP_TYPE_CHALLENGE, USMP_TYPE_DATA, USMP_TYPE_BYE, 0x0C, USMP_TYPE_ERROR};

  (void)state;
  pair_connect(&pair, USMP_KIND_SERIAL, USMP_CIPHER_DEFAULT);
  for (unsigned i = 0; i < 2 * sizeof types; i++) {
    uint8_t packet[128] = {0};
    side_t *to = i % 2 ? &pair.client : &pair.server;
    int len = usmp_frame_encode(packet + 4, types[i / 2], 0, USMP_CHALLENGE_SIZE);
    size_t encoded = usmp_cobs_encode(packet + 4, (size_t)len, packet);
    packet[encoded] = 0;
    assert_int_equal(usmp_conn_receive(&to->conn, packet, encoded + 1, pair.now), encoded + 1);
    assert_int_equal(usmp_conn_dropped(&to->conn), i / 2 + 1);
  }
  size_t at = 0;
  send_text(&pair.client, 50, 0);
  pair_settle(&pair);
  expect_text(&pair.server, &at, 50, 0);
}

/* ---- memory the caller chooses ---- */

static uint8_t an_utack[USMP_UTACK_MAX_SIZE];

/* Keeps the last acknowledgement of DATA number 1, and no PONG. */
static bool note_utack(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  if (to != &p->client) return true;
  if (bytes[0] != 0xAC) return bytes[3] != USMP_TYPE_PONG;
  if (bytes[2] == USMP_TYPE_DATA && bytes[3] == 1) memcpy(an_utack, bytes, *len);
  return true;
}

static bool nothing_to_server(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)bytes, (void)len;
  return to != &p->server;
}

static void an_old_acknowledgement_is_not_taken_for_a_new_one(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  pair.carry = note_utack;
  for (unsigned i = 0; i < 2; i++) send_text(&pair.client, 10, i);
  pair_settle(&pair);
  assert_int_equal(an_utack[3], 1);
  assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), 0);
  pair_settle(&pair);
  assert_true(pair.client.conn.u.record_layer.rekey_pending);
  assert_int_equal(pair.client.conn.u.record_layer.tx_next, 1);
  pair.carry = nothing_to_server;
  send_text(&pair.client, 10, 2); /* DATA number 1 under the new key, lost */
  pair_settle(&pair);
  assert_int_equal(usmp_conn_receive(&pair.client.conn, an_utack, sizeof an_utack, pair.now), sizeof an_utack);
  pair.carry = NULL;
  pair_run(&pair, 10000); /* so it is sent again */
  assert_int_equal(pair.server.messages, 3);
}

/* Only REKEY and acknowledgements reach the server. */
static bool no_pong(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)len;
  return to != &p->server || bytes[0] == 0xAC || bytes[3] != USMP_TYPE_PONG;
}

/* The same under a number of the test's own choice. */
static void client_seals_as(uint8_t type, uint32_t seq)
{
  pair.client.conn.u.record_layer.tx_next = seq;
  client_seals(type, 9);
}

static void pieces_under_two_keys_are_not_one_message(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  client_seals_as(USMP_TYPE_DATA_FRAG, 7);
  pair.carry = no_pong;
  assert_int_equal(usmp_conn_rekey(&pair.server.conn, pair.now), 0);
  pair_settle(&pair);
  client_seals_as(USMP_TYPE_DATA, 8); /* the next number, but under the new key */
  assert_int_equal(pair.server.messages, 0);
  assert_int_equal(pair.server.conn.last_drop, USMP_ERR_BAD_FRAGMENT);
  client_seals_as(USMP_TYPE_DATA, 9);
  assert_int_equal(pair.server.messages, 1);
  assert_int_equal(pair.server.conn.event_len, 9);
}

static void fragments_can_be_handed_over_one_by_one(void **state)
{
  static uint8_t small[USMP_FRAGMENT_BUFFER_SIZE];

  (void)state;
  pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  usmp_buffers_t buffers = {pair.server.frame,         small,        pair.server.tx,
                            sizeof pair.server.frame, sizeof small, sizeof pair.server.tx};
  pair.server.config.stream_fragments = true;
  assert_int_equal(usmp_conn_init_server(&pair.server.conn, &pair.server.config, &buffers, pair.now), 0);
  pair_run(&pair, 100);
  send_text(&pair.client, 1000, 5);
  pair_settle(&pair);
  assert_int_equal(pair.server.messages, 1);
  assert_int_equal(pair.server.got_len, 1000 + 3 * 2);
  assert_memory_equal(pair.server.got + 2, text, 452);
  assert_memory_equal(pair.server.got + 2 * 2 + 452, text + 452, 452);
  assert_memory_equal(pair.server.got + 3 * 2 + 904, text + 904, 96);
}

static void full_queue_changes_nothing(void **state)
{
  static uint8_t tx[USMP_TX_BUFFER_SIZE(1)];

  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_open(&pair, kinds[n], USMP_CIPHER_DEFAULT);
    usmp_buffers_t buffers = {pair.client.frame,         pair.client.message,         tx,
                              sizeof pair.client.frame, sizeof pair.client.message, sizeof tx};
    assert_int_equal(usmp_conn_init_client(&pair.client.conn, &pair.client.config, &buffers, pair.now), 0);
    pair_run(&pair, 100);
    uint32_t before = pair.client.conn.u.record_layer.tx_next;
    assert_int_equal(usmp_conn_send(&pair.client.conn, text, 453, pair.now), USMP_ERR_QUEUE_FULL);
    assert_int_equal(pair.client.conn.u.record_layer.tx_next, before);
    for (unsigned i = 0; i < 5; i++) {
      send_text(&pair.client, 452, i);
      assert_int_equal(usmp_conn_send(&pair.client.conn, text, 1, pair.now), USMP_ERR_QUEUE_FULL);
      pair_settle(&pair);
    }
    assert_int_equal(pair.server.messages, 5);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(messages_both_ways),
    cmocka_unit_test(bye_tells_the_other_side),
    cmocka_unit_test(lossy_datagrams_arrive_once_and_in_order),
    cmocka_unit_test(silence_ends_it),
    cmocka_unit_test(network_that_fails_for_a_while),
    cmocka_unit_test(a_close_takes_five_seconds_however_slow_the_peer_is),
    cmocka_unit_test(handshake_has_its_time),
    cmocka_unit_test(end_of_transport_is_told_apart),
    cmocka_unit_test(wrong_psk_and_unknown_device_look_alike),
    cmocka_unit_test(other_suite_is_named),
    cmocka_unit_test(rekey_with_traffic_under_way),
    cmocka_unit_test(rekey_from_both_sides_at_once),
    cmocka_unit_test(rekey_over_lossy_datagrams),
    cmocka_unit_test(rekeys_in_a_row_do_not_flood),
    cmocka_unit_test(pings_leave_when_they_may),
    cmocka_unit_test(a_stall_makes_no_flood),
    cmocka_unit_test(ping_waits_for_room),
    cmocka_unit_test(pings_that_piled_up_for_a_minute_are_no_flood),
    cmocka_unit_test(rekeys_without_end_are_a_flood),
    cmocka_unit_test(an_end_that_does_not_read_shows_life),
    cmocka_unit_test(pings_that_came_while_nobody_read_are_no_flood),
    cmocka_unit_test(a_message_waits_for_a_peer_that_does_not_read),
    cmocka_unit_test(who_was_held_up_sends_once_more),
    cmocka_unit_test(a_datagram_older_than_the_newest_is_not_delivered),
    cmocka_unit_test(keys_cannot_be_guessed_without_end),
    cmocka_unit_test(a_store_that_is_away_is_told_to_the_device),
    cmocka_unit_test(a_store_that_comes_back_lets_the_device_in),
    cmocka_unit_test(an_unknown_device_is_not_told),
    cmocka_unit_test(a_failed_look_up_gives_no_time_and_no_guesses),
    cmocka_unit_test(a_peer_asks_a_store_that_is_away_without_bound),
    cmocka_unit_test(junk_datagrams_change_nothing),
    cmocka_unit_test(forged_handshake_datagrams_do_not_end_it),
    cmocka_unit_test(forged_acknowledgements_are_not_believed),
    cmocka_unit_test(hello_is_repeated_until_it_is_answered),
    cmocka_unit_test(only_repeats_are_acknowledged),
    cmocka_unit_test(strangers_on_a_line_change_nothing),
    cmocka_unit_test(noise_between_packets_costs_nothing),
    cmocka_unit_test(lost_frame_on_a_line_ends_it_aloud),
    cmocka_unit_test(fragments_can_be_handed_over_one_by_one),
    cmocka_unit_test(pieces_under_two_keys_are_not_one_message),
    cmocka_unit_test(an_old_acknowledgement_is_not_taken_for_a_new_one),
    cmocka_unit_test(full_queue_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
