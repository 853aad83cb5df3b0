/* PINGs, PONGs and the flood budget; ends that do not read. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static pair_t pair;

/* Everything that can be moved now, confirmed by a message: nothing but the PONG is missing. */
static void rekey_and_confirm(side_t *initiator, side_t *other, unsigned seed)
{
  assert_int_equal(usmp_conn_rekey(&initiator->conn, pair.now), 0);
  pair_settle(&pair);
  pair_send_text(&pair, other, 10, seed);
  pair_settle(&pair);
  assert_false(initiator->conn.u.record_layer.rekey_pending);
}

static void rekeys_in_a_row_do_not_flood(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 6; n++) {
    pair_connect(&pair, pair_kinds[n / 2], pair_suite(n));
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
    pair_connect(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
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

/* As many PINGs as an honest peer makes in a minute, after a minute in which the network stood still. */
static void pings_that_piled_up_for_a_minute_are_no_flood(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  for (unsigned n = 0; n < 3; n++) {
    unsigned pongs = 0;
    for (unsigned i = 0; i < 480; i++) {
      pair_client_seals(&pair, USMP_TYPE_PING, 0);
      pongs += pair_pongs_sent(&pair);
    }
    assert_int_equal(pongs, 8); /* a published peer takes no more in a second */
    assert_int_equal(usmp_conn_error(&pair.server.conn), 0);
    pair.now += 60000;
  }
  for (unsigned i = 0; i < 512; i++) pair_client_seals(&pair, USMP_TYPE_PING, 0);
  assert_int_equal(usmp_conn_error(&pair.server.conn), 0);
  pair_client_seals(&pair, USMP_TYPE_PING, 0);
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
    pair_client_seals(&pair, USMP_TYPE_PING, 0);
    pair_pongs_sent(&pair);
  }
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_FLOOD);
}

static void an_end_that_does_not_read_shows_life(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_connect(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
    pair.server.config.keepalive_ms = UINT32_MAX; /* even with its keepalive off */
    usmp_conn_set_paused(&pair.server.conn, true, pair.now);
    if (pair_kinds[n] != USMP_KIND_DATAGRAM) pair.carry = pair_nothing_to_server; /* its driver reads nothing */
    pair_run(&pair, 10 * 60 * 1000);
    assert_int_equal(pair.client.closed + pair.server.closed, 0);
    assert_true(usmp_conn_poll_timeout(&pair.server.conn, pair.now) <= USMP_KEEPALIVE_MS);
    usmp_conn_set_paused(&pair.server.conn, false, pair.now); /* its idle time starts now */
    pair.carry = pair_nothing_at_all;
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
  for (unsigned i = 0; i < 512 + 2400; i++) pair_client_seals(&pair, USMP_TYPE_PONG, 0);
  assert_int_equal(usmp_conn_error(&pair.server.conn), 0);
  pair_client_seals(&pair, USMP_TYPE_PONG, 0);
  assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_FLOOD);
}

static void ping_waits_for_room(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  while (usmp_conn_send(&pair.client.conn, pair_text, 10, pair.now) == 0) continue;
  assert_int_equal(usmp_conn_ping(&pair.client.conn, pair.now), 0);
  assert_true(usmp_conn_poll_timeout(&pair.client.conn, pair.now) > 1000);
  pair_settle(&pair);
  assert_int_equal(usmp_conn_poll_timeout(&pair.client.conn, pair.now), 0);
  pair_run(&pair, 1);
  assert_int_equal(pair.client.pongs, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(rekeys_in_a_row_do_not_flood),
    cmocka_unit_test(pings_leave_when_they_may),
    cmocka_unit_test(a_stall_makes_no_flood),
    cmocka_unit_test(pings_that_piled_up_for_a_minute_are_no_flood),
    cmocka_unit_test(rekeys_without_end_are_a_flood),
    cmocka_unit_test(an_end_that_does_not_read_shows_life),
    cmocka_unit_test(pings_that_came_while_nobody_read_are_no_flood),
    cmocka_unit_test(ping_waits_for_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
