/* The engine, both roles, on simulated time and a network with knobs: begin, end, commands, the caller's memory, serial lines. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "usmp/cobs.h"

static pair_t pair;

static void messages_both_ways(void **state)
{
  static const size_t sizes[] = {0, 1, 64, 451, 452, 453, 904, 905, 1356, 1357, 1808};

  (void)state;
  for (unsigned n = 0; n < 6; n++) {
    pair_connect(&pair, pair_kinds[n / 2], pair_suite(n));
    size_t at[2] = {0, 0};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      pair.client.got_len = pair.server.got_len = at[0] = at[1] = 0;
      pair_send_text(&pair, &pair.client, sizes[i], i);
      pair_send_text(&pair, &pair.server, sizes[i], i + 1);
      pair_settle(&pair);
      pair_expect_text(&pair.server, &at[0], sizes[i], i);
      pair_expect_text(&pair.client, &at[1], sizes[i], i + 1);
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
    pair_connect(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
    pair_send_text(&pair, &pair.client, 1808, 3);
    usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now);
    pair_settle(&pair);
    assert_int_equal(pair.server.messages, 1);
    assert_int_equal(pair.server.reason, USMP_ERR_CLOSED);
    assert_int_equal(pair.client.reason, USMP_ERR_CLOSED);
    assert_int_equal(pair.client.closed + pair.server.closed, 2);
    assert_int_equal(usmp_conn_send(&pair.server.conn, pair_text, 1, pair.now), USMP_ERR_NOT_CONNECTED);
    assert_null(usmp_conn_session_id(&pair.server.conn));
  }
}

static void silence_ends_it(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_connect(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
    pair_run(&pair, 10 * 60 * 1000); /* PING and PONG keep it alive */
    assert_true(usmp_conn_established(&pair.client.conn) && usmp_conn_established(&pair.server.conn));
    assert_true(pair.client.pongs >= 25 && pair.client.pongs <= 31);
    pair.carry = pair_nothing_to_client;
    pair_run(&pair, 100 * 1000);
    int expected = pair_kinds[n] == USMP_KIND_DATAGRAM ? USMP_ERR_TRANSPORT_FAILED : USMP_ERR_IDLE_TIMEOUT;
    assert_int_equal(pair.client.reason, expected);
  }
}

/* A datagram is repeated for 30 s before it is given up. */
static void network_that_fails_for_a_while(void **state)
{
  (void)state;
  for (unsigned seconds = 20; seconds <= 40; seconds += 20) {
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    pair.carry = pair_nothing_at_all;
    pair_send_text(&pair, &pair.client, 100, 1);
    pair_run(&pair, seconds * 1000);
    pair.carry = NULL;
    pair_run(&pair, 6000);
    assert_int_equal(pair.server.messages, seconds == 20);
    assert_int_equal(pair.client.reason, seconds == 20 ? 0 : USMP_ERR_TRANSPORT_FAILED);
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

static void other_suite_is_named(void **state)
{
  (void)state;
  if (!usmp_suite_available(1) || !usmp_suite_available(2)) return;
  pair_open(&pair, USMP_KIND_STREAM, 1);
  pair.server.config.suite = 2;
  pair_run(&pair, 100);
  pair_send_text(&pair, &pair.client, 10, 0);
  pair_settle(&pair);
  assert_int_equal(pair.server.reason, USMP_ERR_SUITE_MISMATCH);
}

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
  for (unsigned i = 0; i < 10; i++) pair_send_text(&pair, &pair.client, 50, i), pair_settle(&pair);
  for (unsigned i = 0; i < 10; i++) pair_expect_text(&pair.server, &at, 50, i);
}

static void lost_frame_on_a_line_ends_it_aloud(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_SERIAL, USMP_CIPHER_DEFAULT);
  pair_send_text(&pair, &pair.client, 50, 0);
  pair_flush(&pair, &pair.client);
  pair.server.inbox[5] ^= 1; /* damaged: dropped, and the next one shows it */
  pair_feed(&pair, &pair.server);
  assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_BAD_CRC);
  pair_send_text(&pair, &pair.client, 50, 1);
  pair_settle(&pair);
  assert_int_equal(pair.server.reason, USMP_ERR_SEQ_MISMATCH);
  assert_int_equal(pair.client.reason, USMP_ERR_CLOSED); /* told by BYE: it can reconnect at once */
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
    int len = usmp_frame_encode(USMP_WIRE_VERSION, packet + 4, types[i / 2], 0, USMP_CHALLENGE_SIZE);
    size_t encoded = usmp_cobs_encode(packet + 4, (size_t)len, packet);
    packet[encoded] = 0;
    assert_int_equal(usmp_conn_receive(&to->conn, packet, encoded + 1, pair.now), encoded + 1);
    assert_int_equal(usmp_conn_dropped(&to->conn), i / 2 + 1);
  }
  size_t at = 0;
  pair_send_text(&pair, &pair.client, 50, 0);
  pair_settle(&pair);
  pair_expect_text(&pair.server, &at, 50, 0);
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
  pair_client_seals(&pair, type, 9);
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
  usmp_buffers_t buffers = {pair.server.frame,        small,        pair.server.tx,
                            sizeof pair.server.frame, sizeof small, sizeof pair.server.tx};
  pair.server.config.stream_fragments = true;
  assert_int_equal(usmp_conn_init_server(&pair.server.conn, &pair.server.config, &buffers, pair.now), 0);
  pair_run(&pair, 100);
  pair_send_text(&pair, &pair.client, 1000, 5);
  pair_settle(&pair);
  assert_int_equal(pair.server.messages, 1);
  assert_int_equal(pair.server.got_len, 1000 + 3 * 2);
  assert_memory_equal(pair.server.got + 2, pair_text, 452);
  assert_memory_equal(pair.server.got + 2 * 2 + 452, pair_text + 452, 452);
  assert_memory_equal(pair.server.got + 3 * 2 + 904, pair_text + 904, 96);
}

static void full_queue_changes_nothing(void **state)
{
  static uint8_t tx[USMP_TX_BUFFER_SIZE(1)];

  (void)state;
  for (unsigned n = 0; n < 3; n++) {
    pair_open(&pair, pair_kinds[n], USMP_CIPHER_DEFAULT);
    usmp_buffers_t buffers = {pair.client.frame,        pair.client.message,        tx,
                              sizeof pair.client.frame, sizeof pair.client.message, sizeof tx};
    assert_int_equal(usmp_conn_init_client(&pair.client.conn, &pair.client.config, &buffers, pair.now), 0);
    pair_run(&pair, 100);
    uint32_t before = pair.client.conn.u.record_layer.tx_next;
    assert_int_equal(usmp_conn_send(&pair.client.conn, pair_text, 453, pair.now), USMP_ERR_QUEUE_FULL);
    assert_int_equal(pair.client.conn.u.record_layer.tx_next, before);
    for (unsigned i = 0; i < 5; i++) {
      pair_send_text(&pair, &pair.client, 452, i);
      assert_int_equal(usmp_conn_send(&pair.client.conn, pair_text, 1, pair.now), USMP_ERR_QUEUE_FULL);
      pair_settle(&pair);
    }
    assert_int_equal(pair.server.messages, 5);
  }
}

static unsigned frames_taken;

static int counting_on_frame(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  frames_taken++;
  return usmp_wire_v2_client.on_frame(conn, frame);
}

static int failing_start(usmp_conn_t *conn)
{
  (void)conn;
  return USMP_ERR_RANDOM_FAILED;
}

static void the_wire_protocol_of_the_configuration_is_used(void **state)
{
  usmp_wire_protocol_t wire = usmp_wire_v2_client;
  side_t *client = &pair.client;
  usmp_buffers_t buffers = {client->frame,        client->message,        client->tx,
                            sizeof client->frame, sizeof client->message, sizeof client->tx};

  (void)state;
  pair_open(&pair, USMP_KIND_STREAM, USMP_CIPHER_DEFAULT);
  client->config.wire = &wire;
  wire.on_frame = counting_on_frame;
  assert_int_equal(usmp_conn_init_client(&client->conn, &client->config, &buffers, pair.now), 0);
  pair_run(&pair, 1000);
  assert_true(usmp_conn_established(&client->conn));
  assert_int_equal(frames_taken, 2); /* CHALLENGE and SESSION_OK */
  wire.start = failing_start;
  assert_int_equal(usmp_conn_init_client(&client->conn, &client->config, &buffers, pair.now), USMP_ERR_RANDOM_FAILED);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(messages_both_ways),
    cmocka_unit_test(bye_tells_the_other_side),
    cmocka_unit_test(silence_ends_it),
    cmocka_unit_test(network_that_fails_for_a_while),
    cmocka_unit_test(end_of_transport_is_told_apart),
    cmocka_unit_test(other_suite_is_named),
    cmocka_unit_test(noise_between_packets_costs_nothing),
    cmocka_unit_test(lost_frame_on_a_line_ends_it_aloud),
    cmocka_unit_test(strangers_on_a_line_change_nothing),
    cmocka_unit_test(pieces_under_two_keys_are_not_one_message),
    cmocka_unit_test(fragments_can_be_handed_over_one_by_one),
    cmocka_unit_test(full_queue_changes_nothing),
    cmocka_unit_test(the_wire_protocol_of_the_configuration_is_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
