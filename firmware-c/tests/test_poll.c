/* In what order the application layer takes input in and lets output out: its peer is an engine in the same thread, behind a
   transport that fails the test when it is asked to wait although something is left to do. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "usmp_posix.h"

static bool peer_was_idle; /* it had nothing to say: a session that waits for it waits without end */

static bool peer_idle(usmp_transport_t *t)
{
  peer_was_idle = true;
  assert_int_equal(t->wait_ms, 0);
  return false;
}

static void start_peer(usmp_kind_t kind, bool client)
{
  pair_peer_idle = peer_idle;
  pair_peer_start(kind, client, pair_psk);
  peer_was_idle = false;
}

static int peer_says(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  peer_was_idle = false;
  return pair_peer_say(t, buf, max_len);
}

static int find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = pair_psk;
  found->psk_len = sizeof pair_psk;
  return USMP_OK;
}

static int peer_says_and_leaves(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  if (usmp_conn_established(&pair_peer.conn)) usmp_conn_close(&pair_peer.conn, USMP_ERR_CLOSED, 0);
  return peer_says(t, buf, max_len);
}

static usmp_transport_t transport_of(usmp_kind_t kind)
{
  return (usmp_transport_t){.send = pair_peer_take, .recv = peer_says, .kind = kind, .fd = -1};
}

static int accept_peer(usmp_listener_t *listener, usmp_transport_t *to, uint32_t wait_ms)
{
  (void)wait_ms;
  *to = transport_of(USMP_KIND_DATAGRAM);
  listener->first_len = pair_peer_datagram(listener->first);
  return 1;
}

/* The HELLO came with the transport: its answer leaves before anything is awaited. */
static void first_datagram_is_answered_at_once(void **state)
{
  usmp_listener_t listener = {.accept = accept_peer};
  usmp_t ctx = {.keepalive_ms = 20000};

  (void)state;
  start_peer(USMP_KIND_DATAGRAM, true);
  assert_int_equal(usmp_listen(&listener, find_psk, NULL), USMP_OK);
  assert_int_equal(usmp_accept(&listener, &ctx, 0), USMP_OK);
  assert_false(peer_was_idle);
  usmp_close(&ctx);
}

/* Two messages came in one piece: the second is there, and nothing is awaited before it is handed over. */
static void second_message_of_a_piece_is_not_held_up(void **state)
{
  usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
  usmp_t ctx = {.psk = pair_psk, .psk_len = sizeof pair_psk, .keepalive_ms = 20000, .recv_timeout_ms = USMP_RECV_FOREVER};
  uint8_t got[64];

  (void)state;
  start_peer(USMP_KIND_STREAM, false);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  for (int i = 0; i < 3; i++) assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 10 + (size_t)i, 0), 0);
  for (int i = 0; i < 3; i++) assert_int_equal(usmp_recv(&ctx, got, sizeof got), 10 + i);
  assert_false(peer_was_idle);
  usmp_close(&ctx);
}

/* SESSION_OK and BYE came in one piece: there was a session, and it ended well. */
static void session_that_ends_at_once_has_begun(void **state)
{
  usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
  usmp_t ctx = {.psk = pair_psk, .psk_len = sizeof pair_psk, .keepalive_ms = 20000, .recv_timeout_ms = USMP_RECV_FOREVER};
  uint8_t got[64];

  (void)state;
  start_peer(USMP_KIND_STREAM, false);
  transport.recv = peer_says_and_leaves;
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), USMP_ERR_CLOSED);
  usmp_close(&ctx);
}

/* ---- a serial line whose client starts again at once ---- */

static struct {
  uint8_t bytes[1024];
  size_t len;
} on_the_line;

static void put_on_the_line(void)
{
  const uint8_t *bytes;
  size_t len;

  while ((len = usmp_conn_poll_transmit(&pair_peer.conn, &bytes)) > 0) {
    memcpy(on_the_line.bytes + on_the_line.len, bytes, len);
    on_the_line.len += len;
    usmp_conn_transmitted(&pair_peer.conn, len, 0);
  }
}

static int line_says(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  size_t len = on_the_line.len;

  if (len == 0) return peer_says(t, buf, max_len);
  assert_true(len <= max_len);
  memcpy(buf, on_the_line.bytes, len);
  on_the_line.len = 0;
  return (int)len;
}

static int accept_line(usmp_listener_t *listener, usmp_transport_t *to, uint32_t wait_ms)
{
  (void)listener, (void)wait_ms;
  *to = transport_of(USMP_KIND_SERIAL);
  to->recv = line_says;
  return 1;
}

/* The last message, BYE and the HELLO of the next session came in one piece: none of them is lost. */
static void hello_behind_a_bye_opens_the_next_session(void **state)
{
  usmp_listener_t listener = {.accept = accept_line};
  uint8_t got[64];

  (void)state;
  start_peer(USMP_KIND_SERIAL, true);
  assert_int_equal(usmp_listen(&listener, find_psk, NULL), USMP_OK);
  for (int i = 0; i < 20; i++) {
    usmp_t ctx = {.keepalive_ms = 20000, .recv_timeout_ms = USMP_RECV_FOREVER};
    assert_int_equal(usmp_accept(&listener, &ctx, 0), USMP_OK);
    assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 10, 0), 0);
    put_on_the_line();
    usmp_conn_close(&pair_peer.conn, USMP_ERR_CLOSED, 0);
    put_on_the_line();
    start_peer(USMP_KIND_SERIAL, true);
    put_on_the_line();
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 10);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), USMP_ERR_CLOSED);
    usmp_close(&ctx);
  }
}

/* The same of a client that was restarted without a word, and speaks at once: its message is the new session's. */
static void message_behind_a_handshake_beside_is_the_new_sessions(void **state)
{
  usmp_listener_t listener = {.accept = accept_line};
  usmp_t ctx = {.keepalive_ms = 20000, .recv_timeout_ms = 2000};
  uint8_t got[64];

  (void)state;
  start_peer(USMP_KIND_SERIAL, true);
  assert_int_equal(usmp_listen(&listener, find_psk, NULL), USMP_OK);
  assert_int_equal(usmp_accept(&listener, &ctx, 0), USMP_OK);
  for (int i = 0; i < 3; i++) {
    start_peer(USMP_KIND_SERIAL, true);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), USMP_ERR_REPLACED);
    assert_int_equal(usmp_step(&ctx), USMP_OK);
    assert_true(usmp_conn_established(&pair_peer.conn));
    assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 10 + (size_t)i, 0), 0);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 10 + i);
  }
  usmp_close(&ctx);
}

/* ---- a receive that is blocked in the transport ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool blocked;
static bool released;

static int blocking_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  pthread_mutex_lock(&mutex);
  blocked = true;
  pthread_cond_broadcast(&changed);
  while (!released) pthread_cond_wait(&changed, &mutex);
  blocked = false;
  pthread_mutex_unlock(&mutex);
  t->wait_ms = 0;
  return peer_says(t, buf, max_len);
}

static void *receive_one(void *argument)
{
  static uint8_t got[64];
  static int len;
  len = usmp_recv(argument, got, sizeof got);
  return &len;
}

/* All that other threads may do while one waits for input; none of it comes back if it waits behind that. */
static void nothing_waits_behind_a_blocked_receive(void **state)
{
  usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
  usmp_t ctx = {.psk = pair_psk, .psk_len = sizeof pair_psk, .keepalive_ms = 20000, .recv_timeout_ms = USMP_RECV_FOREVER};
  pthread_t receiver;
  void *result;

  (void)state;
  start_peer(USMP_KIND_STREAM, false);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  ctx.transport.recv = blocking_recv;
  assert_int_equal(pthread_create(&receiver, NULL, receive_one, &ctx), 0);
  pthread_mutex_lock(&mutex);
  while (!blocked) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < 50; i++) assert_int_equal(usmp_send(&ctx, pair_psk, sizeof pair_psk), USMP_OK);
  assert_int_equal(usmp_ping(&ctx), USMP_OK);
  assert_int_equal(usmp_rekey(&ctx), USMP_OK);
  assert_int_equal(usmp_step(&ctx), USMP_OK);
  assert_false(usmp_message_waits(&ctx));
  assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 10, 0), 0);
  pthread_mutex_lock(&mutex);
  assert_true(blocked);
  released = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  pthread_join(receiver, &result);
  assert_int_equal(*(int *)result, 10);
  usmp_close(&ctx);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(first_datagram_is_answered_at_once),
    cmocka_unit_test(second_message_of_a_piece_is_not_held_up),
    cmocka_unit_test(session_that_ends_at_once_has_begun),
    cmocka_unit_test(hello_behind_a_bye_opens_the_next_session),
    cmocka_unit_test(message_behind_a_handshake_beside_is_the_new_sessions),
    cmocka_unit_test(nothing_waits_behind_a_blocked_receive),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
