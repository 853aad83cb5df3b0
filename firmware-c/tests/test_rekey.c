/* Rekeys: with traffic under way, from both sides at once, over lossy datagrams. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static pair_t pair;

static void rekey_with_traffic_under_way(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 6; n++) {
    pair_connect(&pair, pair_kinds[n / 2], pair_suite(n));
    side_t *initiator = n % 2 ? &pair.client : &pair.server;
    side_t *other = n % 2 ? &pair.server : &pair.client;
    for (unsigned i = 0; i < 8; i++) {
      size_t at = 0;
      initiator->got_len = other->got_len = 0;
      pair_send_text(&pair, other, 1000, i); /* crosses the REKEY */
      assert_int_equal(usmp_conn_rekey(&initiator->conn, pair.now), 0);
      assert_int_equal(usmp_conn_rekey(&initiator->conn, pair.now),
                       pair_kinds[n / 2] == USMP_KIND_DATAGRAM ? USMP_ERR_QUEUE_FULL : USMP_ERR_INVALID_ARGUMENT);
      if (pair_kinds[n / 2] != USMP_KIND_DATAGRAM) pair_send_text(&pair, initiator, 500, i + 50);
      pair_settle(&pair);
      pair.now += 1100; /* PING and PONG are counted by the second */
      if (pair_kinds[n / 2] == USMP_KIND_DATAGRAM) pair_send_text(&pair, initiator, 500, i + 50);
      pair_settle(&pair);
      pair_expect_text(initiator, &at, 1000, i);
      at = 0;
      pair_expect_text(other, &at, 500, i + 50);
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
    pair_connect(&pair, pair_kinds[n], pair_suite(n));
    for (unsigned i = 0; i < 8; i++) {
      size_t at = 0;
      pair.client.got_len = pair.server.got_len = 0;
      assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), 0);
      assert_int_equal(usmp_conn_rekey(&pair.server.conn, pair.now), 0);
      if (pair_kinds[n] != USMP_KIND_DATAGRAM) {
        pair_send_text(&pair, &pair.server, 600, i);
        pair_send_text(&pair, &pair.client, 700, i);
      }
      pair_settle(&pair);
      pair.now += 1100;
      if (pair_kinds[n] == USMP_KIND_DATAGRAM) {
        pair_send_text(&pair, &pair.server, 600, i);
        pair_send_text(&pair, &pair.client, 700, i);
      }
      pair_settle(&pair);
      pair_expect_text(&pair.client, &at, 600, i);
      at = 0;
      pair_expect_text(&pair.server, &at, 700, i);
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
    pair_connect(&pair, USMP_KIND_DATAGRAM, pair_suite(round));
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
    pair_send_text(&pair, &pair.client, 600, 1);
    pair_send_text(&pair, &pair.server, 600, 2);
    pair_run(&pair, 10000);
    pair_expect_text(&pair.server, &at, 600, 1);
    at = 0;
    pair_expect_text(&pair.client, &at, 600, 2);
    finished++;
  }
  assert_true(finished >= 15);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(rekey_with_traffic_under_way),
    cmocka_unit_test(rekey_from_both_sides_at_once),
    cmocka_unit_test(rekey_over_lossy_datagrams),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
