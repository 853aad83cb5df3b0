/* Datagrams: lost, repeated, late and forged ones; acknowledgements; a close (WEAKNESSES W6, W7, W10). */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static pair_t pair;

static void lossy_datagrams_arrive_once_and_in_order(void **state)
{
  (void)state;
  for (unsigned round = 0; round < 20; round++) {
    pair_open(&pair, USMP_KIND_DATAGRAM, pair_suite(round));
    pair.carry = pair_lossy;
    pair.dice = round;
    pair_run(&pair, 4000);
    if (!usmp_conn_established(&pair.client.conn)) continue; /* luck ran out within the handshake's time */
    size_t at = 0;
    unsigned sent = 0;
    for (; sent < 6 && usmp_conn_established(&pair.client.conn); sent++) {
      pair_send_text(&pair, &pair.client, 100 + 300 * sent, sent);
      for (int i = 0; i < 200 && !usmp_conn_drained(&pair.client.conn); i++) pair_run(&pair, 100);
    }
    for (unsigned i = 0; i < pair.server.messages; i++) pair_expect_text(&pair.server, &at, 100 + 300 * i, i);
    assert_true(pair.server.messages == sent || usmp_conn_error(&pair.client.conn) == USMP_ERR_TRANSPORT_FAILED);
    assert_int_equal(at, pair.server.got_len);
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
  static const int reasons[] = {USMP_ERR_CLOSED, USMP_ERR_ABORTED, USMP_ERR_TOO_MANY_CONNECTIONS, USMP_ERR_REPLACED,
                                USMP_ERR_SHUTDOWN};

  (void)state;
  for (unsigned i = 0; i < 4 * sizeof reasons / sizeof reasons[0]; i++) {
    int reason = reasons[i / 4];
    bool gone = i % 2;
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    pair.client.config.keepalive_ms = UINT32_MAX;
    pair.carry = gone ? pair_nothing_at_all : slow_acknowledgements;
    acknowledged_at = pair.now;
    while (usmp_conn_send(&pair.client.conn, pair_text, 10, pair.now) == 0) pair_settle(&pair);
    if (gone && i % 4 == 3) pair_run(&pair, 28000);       /* almost given up */
    usmp_conn_close(&pair.client.conn, reason, pair.now); /* the queue is full, and has no room for a BYE */
    assert_int_equal(usmp_conn_state(&pair.client.conn), USMP_CONN_CLOSING);
    uint32_t begin = pair.now;
    while (pair.client.closed == 0) {
      assert_true(pair.now - begin <= USMP_CLOSE_MS);
      usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now); /* asking again moves it neither */
      usmp_conn_set_paused(&pair.client.conn, i % 4 == 2, pair.now);
      if (!gone) pair_send_text(&pair, &pair.server, 5, i), pair_settle(&pair);
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
  while (usmp_conn_send(&pair.client.conn, pair_text, 10, pair.now) == 0) sent++;
  usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now);
  pair_settle(&pair);
  assert_int_equal(pair.server.messages, sent);
  assert_int_equal(pair.server.reason, USMP_ERR_CLOSED);
  assert_int_equal(pair.client.reason, USMP_ERR_CLOSED);
  /* A loss is a message, and nothing else. */
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  pair.carry = pair_nothing_at_all;
  assert_int_equal(usmp_conn_ping(&pair.client.conn, pair.now), 0);
  usmp_conn_close(&pair.client.conn, USMP_ERR_CLOSED, pair.now);
  pair_run(&pair, USMP_CLOSE_MS - 1);
  assert_int_equal(pair.client.closed, 0);
  pair_run(&pair, 1);
  pair_settle(&pair);
  assert_int_equal(pair.client.reason, USMP_ERR_CLOSED);
}

/* A message under way is repeated as long as the peer shows life, ten minutes at most; a peer that is gone costs 30 s. */
static void a_message_waits_for_a_peer_that_does_not_read(void **state)
{
  (void)state;
  for (unsigned minutes = 9; minutes <= 11; minutes += 2) {
    pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
    usmp_conn_set_paused(&pair.server.conn, true, pair.now);
    pair_send_text(&pair, &pair.client, 1000, 3);
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
    pair.carry = pair_nothing_at_all;
    pair_send_text(&pair, &pair.client, 100, 1);
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
        pair_client_seals(&pair, USMP_TYPE_DATA, 20);
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
    int len = usmp_frame_encode(USMP_WIRE_VERSION, junk, USMP_TYPE_DATA, seqs[i], 40);
    assert_int_equal(usmp_conn_receive(&pair.server.conn, junk, (size_t)len, pair.now), len);
    const uint8_t *bytes;
    assert_int_equal(usmp_conn_poll_transmit(&pair.server.conn, &bytes), 0); /* not acknowledged */
    assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_DECRYPT_FAILED);
  }
  size_t at = 0;
  pair_send_text(&pair, &pair.client, 100, 1);
  pair_settle(&pair);
  pair_expect_text(&pair.server, &at, 100, 1);
}

/* What somebody else sends who knows the addresses and has no PSK. */
static void forge(unsigned salt)
{
  uint8_t forged[128];

  memset(forged, 0x11 + (int)salt, sizeof forged);
  int len = usmp_frame_encode(USMP_WIRE_VERSION, forged, USMP_TYPE_CHALLENGE, 0, USMP_CHALLENGE_SIZE);
  assert_true(usmp_conn_receive(&pair.client.conn, forged, (size_t)len, pair.now) >= 0);
  len = usmp_frame_encode(USMP_WIRE_VERSION, forged, USMP_TYPE_SESSION_OK, 0, USMP_SESSION_OK_SIZE);
  assert_true(usmp_conn_receive(&pair.client.conn, forged, (size_t)len, pair.now) >= 0);
  len = usmp_frame_encode(USMP_WIRE_VERSION, forged, USMP_TYPE_HELLO_ACK, 0, USMP_MAC_SIZE);
  assert_true(usmp_conn_receive(&pair.server.conn, forged, (size_t)len, pair.now) >= 0);
  len = usmp_frame_encode(USMP_WIRE_VERSION, forged, USMP_TYPE_BYE, 0, USMP_SEAL_OVERHEAD);
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
    pair_send_text(&pair, &pair.client, 10, 0);
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
    assert_true(usmp_frame_encode(USMP_WIRE_VERSION, hello, USMP_TYPE_HELLO, 0, USMP_HELLO_SIZE) > 0);
    assert_int_equal(usmp_conn_receive(&pair.server.conn, hello, sizeof hello, pair.now), sizeof hello);
    assert_int_equal(usmp_conn_poll_transmit(&pair.server.conn, &bytes), other ? 0 : USMP_UTACK_SIZE);
    usmp_conn_transmitted(&pair.server.conn, 0, pair.now);
  }
  assert_int_equal(usmp_conn_last_drop(&pair.server.conn), USMP_ERR_UNEXPECTED_PACKET);
}

static uint8_t an_utack[USMP_UTACK_MAX_SIZE];

/* Keeps the last acknowledgement of DATA number 1, and no PONG. */
static bool note_utack(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  if (to != &p->client) return true;
  if (bytes[0] != 0xAC) return bytes[3] != USMP_TYPE_PONG;
  if (bytes[2] == USMP_TYPE_DATA && bytes[3] == 1) memcpy(an_utack, bytes, *len);
  return true;
}

static void an_old_acknowledgement_is_not_taken_for_a_new_one(void **state)
{
  (void)state;
  pair_connect(&pair, USMP_KIND_DATAGRAM, USMP_CIPHER_DEFAULT);
  pair.carry = note_utack;
  for (unsigned i = 0; i < 2; i++) pair_send_text(&pair, &pair.client, 10, i);
  pair_settle(&pair);
  assert_int_equal(an_utack[3], 1);
  assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), 0);
  pair_settle(&pair);
  assert_true(pair.client.conn.u.record_layer.rekey_pending);
  assert_int_equal(pair.client.conn.u.record_layer.tx_next, 1);
  pair.carry = pair_nothing_to_server;
  pair_send_text(&pair, &pair.client, 10, 2); /* DATA number 1 under the new key, lost */
  pair_settle(&pair);
  assert_int_equal(usmp_conn_receive(&pair.client.conn, an_utack, sizeof an_utack, pair.now), sizeof an_utack);
  pair.carry = NULL;
  pair_run(&pair, 10000); /* so it is sent again */
  assert_int_equal(pair.server.messages, 3);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(lossy_datagrams_arrive_once_and_in_order),
    cmocka_unit_test(a_close_takes_five_seconds_however_slow_the_peer_is),
    cmocka_unit_test(a_message_waits_for_a_peer_that_does_not_read),
    cmocka_unit_test(who_was_held_up_sends_once_more),
    cmocka_unit_test(a_datagram_older_than_the_newest_is_not_delivered),
    cmocka_unit_test(junk_datagrams_change_nothing),
    cmocka_unit_test(forged_handshake_datagrams_do_not_end_it),
    cmocka_unit_test(forged_acknowledgements_are_not_believed),
    cmocka_unit_test(hello_is_repeated_until_it_is_answered),
    cmocka_unit_test(only_repeats_are_acknowledged),
    cmocka_unit_test(an_old_acknowledgement_is_not_taken_for_a_new_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
