/* The application layer over hooks, transports and listeners that the test makes: what they return is whatever it likes, time
   is simulated, and the peer is an engine behind the transport. Nothing here opens a socket. */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "pair.h"
#include "usmp.h"
#include "usmp/cobs.h"

static const uint8_t wrong_psk[32] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 11, 12};
static const int unexpected[] = {1, 127, 255, 256, 261, 0x1102, -1, -200, INT_MIN, INT_MAX};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* ---- the hooks ---- */

#define MUTEXES 16

static _Atomic uint32_t now;
static struct {
  int random;
  int device_id;
  int create;
  int lock;
  bool no_crypto;
  bool threads;
} hook;
static pthread_mutex_t mutexes[MUTEXES];
static bool mutex_used[MUTEXES];

int usmp_port_get_device_id(uint8_t *out, size_t len)
{
  if (hook.device_id == 0) memset(out, 0xD0, len);
  return hook.device_id;
}

int usmp_port_random(uint8_t *out, size_t len)
{
  static uint32_t seed = 1;

  if (hook.random != 0) return hook.random;
  for (size_t i = 0; i < len; i++) {
    seed = seed * 1664525u + 1013904223u;
    out[i] = (uint8_t)(seed >> 24);
  }
  return 0;
}

void usmp_port_delay_ms(uint32_t ms)
{
  if (hook.threads) sched_yield(); /* they decide how long it takes, not the clock */
  else now += ms;
}

uint32_t usmp_port_millis(void)
{
  return now;
}

static uint32_t fed_at;
static uint32_t longest_hunger; /* of the watchdog, since expect_fed_watchdog */

void usmp_port_wdt_feed(void)
{
  if (now - fed_at > longest_hunger) longest_hunger = now - fed_at;
  fed_at = now;
}

/* At least once a second since this was called last. */
static void expect_fed_watchdog(void)
{
  if (!hook.threads) assert_true(longest_hunger <= 1000 && now - fed_at <= 1000);
  fed_at = now;
  longest_hunger = 0;
}

void usmp_port_log(char level, const char *tag, const char *msg)
{
  (void)level, (void)tag, (void)msg;
}

const usmp_crypto_t *usmp_port_crypto(void)
{
  if (!TEST_CRYPTO_INIT() || hook.no_crypto) return NULL;
  return TEST_CRYPTO;
}

int usmp_port_mutex_create(usmp_mutex_t *mutex)
{
  if (hook.create != 0) return hook.create;
  for (int i = 0; i < MUTEXES; i++) {
    if (mutex_used[i]) continue;
    assert_int_equal(pthread_mutex_init(&mutexes[i], NULL), 0);
    mutex_used[i] = true;
    *mutex = &mutexes[i];
    return 0;
  }
  return -1;
}

int usmp_port_mutex_lock(usmp_mutex_t mutex)
{
  return hook.lock ? hook.lock : pthread_mutex_lock(mutex);
}

int usmp_port_mutex_unlock(usmp_mutex_t mutex)
{
  return pthread_mutex_unlock(mutex);
}

void usmp_port_mutex_destroy(usmp_mutex_t mutex)
{
  mutex_used[(pthread_mutex_t *)mutex - mutexes] = false;
  assert_int_equal(pthread_mutex_destroy(mutex), 0);
}

/* ---- the peer ---- */

static unsigned opened; /* transports */
static unsigned closed;

/* Time passes when the peer has nothing to say. */
static bool peer_idle(usmp_transport_t *t)
{
  uint32_t wait = usmp_conn_poll_timeout(&pair_peer.conn, now);

  now += wait < t->wait_ms ? wait : t->wait_ms;
  usmp_conn_handle_timeout(&pair_peer.conn, now);
  pair_peer_events();
  return true;
}

static int gone(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  (void)t, (void)buf, (void)max_len;
  return -1;
}

static void close_it(usmp_transport_t *t)
{
  (void)t;
  closed++;
}

static int result;

static int returns_result(usmp_transport_t *t)
{
  (void)t;
  return result;
}

static usmp_transport_t transport_of(usmp_kind_t kind)
{
  opened++;
  return (usmp_transport_t){
    .send = pair_peer_take, .recv = pair_peer_say, .close = close_it, .kind = kind, .fd = (int)(100 + opened)};
}

static usmp_transport_t offered; /* to the listener */
static size_t offered_len;
static int accept_result;
static unsigned accept_early; /* so often it returns at once with nobody */

static int accept_offered(usmp_listener_t *listener, usmp_transport_t *to, uint32_t wait_ms)
{
  if (accept_early > 0) {
    accept_early--;
    now += 1;
    return 0;
  }
  if (accept_result == 0) {
    now += wait_ms;
    return 0;
  }
  *to = offered;
  if (offered.kind != USMP_KIND_DATAGRAM) return accept_result;
  listener->first_len = pair_peer_datagram(listener->first);
  if (offered_len) listener->first_len = offered_len;
  return accept_result;
}

static int begin(void **state)
{
  (void)state;
  memset(&hook, 0, sizeof hook);
  pair_peer_clock = usmp_port_millis;
  pair_peer_idle = peer_idle;
  now = 0xFFFFF000u;
  opened = closed = 0;
  offered_len = 0;
  accept_early = 0;
  accept_result = 1;
  return 0;
}

static usmp_t new_client(void)
{
  return (usmp_t){.psk = pair_psk, .psk_len = sizeof pair_psk, .keepalive_ms = 20000};
}

/* Every place of the pool is free: it takes as many sessions as it has places. */
static void expect_free_pool(void)
{
  usmp_t ctx[USMP_POOL_SIZE];

  for (int i = 0; i < USMP_POOL_SIZE; i++) {
    usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
    pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
    ctx[i] = new_client();
    assert_int_equal(usmp_connect(&ctx[i], &transport), USMP_OK);
  }
  for (int i = 0; i < USMP_POOL_SIZE; i++) usmp_close(&ctx[i]);
  assert_int_equal(opened, closed);
}

/* ---- what hooks return ---- */

static int find_result;
static bool find_fills;

static int unexpected_find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  if (find_fills) pair_find_psk(context, id, found);
  return find_result;
}

static void nobody_is_accepted_when_find_psk_returns_something_unexpected(void **state)
{
  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    for (unsigned i = 0; i < COUNT(unexpected); i++) {
      for (unsigned n = 0; n < 4; n++) {
        usmp_listener_t listener = {.accept = accept_offered};
        usmp_t ctx = {.keepalive_ms = 20000};
        find_result = unexpected[i];
        find_fills = n % 2;
        offered = transport_of((usmp_kind_t)kind);
        pair_peer_start((usmp_kind_t)kind, true, n / 2 ? pair_psk : wrong_psk);
        assert_int_equal(usmp_listen(&listener, unexpected_find_psk, NULL), USMP_OK);
        usmp_err_t err = usmp_accept(&listener, &ctx, 1000);
        assert_true(err < 0);
        assert_false(ctx.established);
        assert_int_equal(pair_peer.connected, 0);
        assert_int_equal(usmp_send(&ctx, pair_psk, 1), USMP_ERR_NOT_CONNECTED);
        usmp_close(&ctx);
      }
    }
  }
  expect_free_pool();
}

static void a_hook_that_says_anything_but_0_has_failed(void **state)
{
  (void)state;
  for (unsigned i = 0; i < COUNT(unexpected); i++) {
    usmp_listener_t listener = {.accept = accept_offered};
    int *const results[] = {&hook.random, &hook.device_id, &hook.create, &hook.lock};
    static const int errors[] = {USMP_ERR_RANDOM_FAILED, USMP_ERR_INVALID_ARGUMENT, USMP_ERR_TOO_MANY_CONNECTIONS,
                                 USMP_ERR_TOO_MANY_CONNECTIONS};
    hook.random = unexpected[i];
    assert_int_equal(usmp_listen(&listener, pair_find_psk, NULL), USMP_ERR_RANDOM_FAILED);
    hook.random = 0;
    for (unsigned n = 0; n < COUNT(results); n++) {
      static usmp_workspace_t scratch;
      usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
      usmp_t ctx = new_client();
      ctx.scratch = &scratch; /* the mutexes of the pool may be there already */
      ctx.scratch_len = sizeof scratch;
      pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
      *results[n] = unexpected[i];
      assert_int_equal(usmp_connect(&ctx, &transport), errors[n]);
      *results[n] = 0;
      assert_int_equal(opened, closed);
    }
  }
  expect_free_pool();
}

static void a_transport_that_returns_something_unexpected_opens_no_session(void **state)
{
  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    for (unsigned i = 0; i < COUNT(unexpected); i++) {
      usmp_t ctx = new_client();
      usmp_transport_t transport = transport_of((usmp_kind_t)kind);
      result = unexpected[i];
      transport.reconnect = returns_result;
      transport.available = returns_result;
      pair_peer_start((usmp_kind_t)kind, false, pair_psk);
      assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK); /* `available` says what it likes */
      assert_int_equal(usmp_step(&ctx), USMP_OK);
      assert_int_equal(usmp_reconnect(&ctx), USMP_ERR_UNREACHABLE);
      assert_int_equal(opened, closed);
      assert_false(usmp_is_connected(&ctx));
    }
  }
  expect_free_pool();
}

static int sends_result(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  (void)t, (void)data, (void)len;
  return result; /* and nothing is sent */
}

static int receives_result(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  (void)buf, (void)max_len;
  now += t->wait_ms;
  return result; /* and nothing is written */
}

static void a_transport_that_lies_about_lengths_opens_no_session(void **state)
{
  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    for (unsigned i = 0; i < COUNT(unexpected); i++) {
      for (unsigned n = 0; n < 2; n++) {
        usmp_t ctx = new_client();
        usmp_transport_t transport = transport_of((usmp_kind_t)kind);
        result = unexpected[i];
        if (n) transport.send = sends_result;
        else transport.recv = receives_result;
        pair_peer_start((usmp_kind_t)kind, false, pair_psk);
        assert_true(usmp_connect(&ctx, &transport) < 0);
        assert_int_equal(opened, closed);
      }
    }
  }
  expect_free_pool();
}

static void a_listener_that_returns_something_unexpected_opens_no_session(void **state)
{
  (void)state;
  for (unsigned i = 0; i < COUNT(unexpected); i++) {
    usmp_listener_t listener = {.accept = accept_offered};
    usmp_t ctx = {.keepalive_ms = 20000};
    pair_peer_start(USMP_KIND_STREAM, true, pair_psk);
    offered = transport_of(USMP_KIND_STREAM);
    assert_int_equal(usmp_listen(&listener, pair_find_psk, NULL), USMP_OK);
    if (unexpected[i] != 1) { /* is what it should say */
      accept_result = unexpected[i];
      assert_int_equal(usmp_accept(&listener, &ctx, 1000), USMP_ERR_TRANSPORT_FAILED);
      accept_result = 1;
    } else {
      close_it(&offered);
    }
    offered = transport_of((usmp_kind_t)unexpected[i]); /* a kind that there is not */
    if (unexpected[i] == 1) close_it(&offered);
    else assert_int_equal(usmp_accept(&listener, &ctx, 1000), USMP_ERR_INVALID_ARGUMENT);
    pair_peer_start(USMP_KIND_DATAGRAM, true, pair_psk);
    offered = transport_of(USMP_KIND_DATAGRAM);
    offered_len = i % 2 ? SIZE_MAX : sizeof listener.first + 1; /* a HELLO longer than its place */
    assert_int_equal(usmp_accept(&listener, &ctx, 1000), USMP_ERR_TRANSPORT_FAILED);
    offered_len = 0;
    usmp_close(&ctx); /* closes nothing twice */
    assert_int_equal(opened, closed);
  }
  expect_free_pool();
}

/* ---- memory and descriptors ---- */

static void sessions_that_died_unclosed_leave_room_for_the_next(void **state)
{
  uint8_t got[64];

  (void)state;
  for (int i = 0; i < 50; i++) {
    usmp_t ctx = new_client(); /* forgotten, never closed */
    usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
    pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
    assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 9, now), 0);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 9);
    ctx.transport.recv = gone;
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), USMP_ERR_TRUNCATED);
    assert_int_equal(opened, closed);
    for (int again = 0; again < 2; again++) { /* the reason stays */
      assert_int_equal(usmp_recv(&ctx, got, sizeof got), USMP_ERR_TRUNCATED);
      assert_int_equal(usmp_step(&ctx), USMP_ERR_TRUNCATED);
      assert_int_equal(usmp_send(&ctx, pair_psk, 1), USMP_ERR_NOT_CONNECTED);
    }
  }
  expect_free_pool();
}

static void the_last_message_of_a_session_that_died_is_still_read(void **state)
{
  usmp_t ctx = new_client();
  usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
  uint8_t got[64];

  (void)state;
  pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 9, now), 0);
  usmp_conn_close(&pair_peer.conn, USMP_ERR_CLOSED, now);
  while (usmp_step(&ctx) == USMP_OK && ctx.established && !usmp_message_waits(&ctx)) continue;
  assert_true(usmp_message_waits(&ctx));
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 9);
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), USMP_ERR_CLOSED);
  expect_free_pool();
}

static void a_connect_that_fails_closes_its_transport(void **state)
{
  usmp_t busy[USMP_POOL_SIZE];
  usmp_t ctx = new_client();
  usmp_transport_t transport;

  (void)state;
  for (int i = 0; i < USMP_POOL_SIZE; i++) {
    busy[i] = new_client();
    transport = transport_of(USMP_KIND_STREAM);
    pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
    assert_int_equal(usmp_connect(&busy[i], &transport), USMP_OK);
  }
  transport = transport_of(USMP_KIND_STREAM);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_TOO_MANY_CONNECTIONS);
  assert_int_equal(opened - closed, USMP_POOL_SIZE);
  for (int i = 0; i < USMP_POOL_SIZE; i++) usmp_close(&busy[i]);
  transport = transport_of((usmp_kind_t)7);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_INVALID_ARGUMENT);
  ctx.psk_len = 15;
  transport = transport_of(USMP_KIND_STREAM);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_WEAK_PSK);
  ctx = new_client();
  hook.no_crypto = true;
  transport = transport_of(USMP_KIND_STREAM);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_CRYPTO_FAILED);
  hook.no_crypto = false;
  assert_int_equal(opened, closed);
  /* Connecting with a session that is still open closes that one's. */
  for (int i = 0; i < 3; i++) {
    transport = transport_of(USMP_KIND_STREAM);
    pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
    assert_int_equal(opened - closed, 1);
  }
  usmp_close(&ctx);
  expect_free_pool();
}

/* ---- threads ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool blocked;
static bool released;

/* A peer that does not read: send waits until the test lets it go on. */
static int blocking_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  pthread_mutex_lock(&mutex);
  blocked = true;
  pthread_cond_broadcast(&changed);
  while (!released) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  return pair_peer_take(t, data, len);
}

static void *send_one(void *argument)
{
  static usmp_err_t err[2];
  static atomic_int n;
  usmp_err_t *mine = &err[n++ % 2];
  *mine = usmp_send(argument, pair_psk, sizeof pair_psk);
  return mine;
}

static void nothing_waits_behind_a_send_whose_peer_does_not_read(void **state)
{
  usmp_t ctx = new_client();
  usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
  pthread_t senders[2];
  uint8_t got[64];
  void *err;

  (void)state;
  pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  ctx.transport.send = blocking_send;
  blocked = released = false;
  hook.threads = true;
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&senders[i], NULL, send_one, &ctx), 0);
  pthread_mutex_lock(&mutex);
  while (!blocked) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  /* None of this comes back if it waits behind the one that sends. */
  assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 10, now), 0);
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 10);
  ctx.recv_timeout_ms = 100;
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
  assert_true(ctx.timed_out);
  assert_int_equal(usmp_step(&ctx), USMP_OK);
  assert_false(usmp_message_waits(&ctx));
  assert_int_equal(pair_peer.messages, 0);
  pthread_mutex_lock(&mutex);
  released = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < 2; i++) {
    pthread_join(senders[i], &err);
    assert_int_equal(*(usmp_err_t *)err, USMP_OK);
  }
  assert_int_equal(pair_peer.messages, 2);
  usmp_close(&ctx);
}

/* A PONG is told with 0 as well, but does not wake. */
static void *receive_until_woken(void *argument)
{
  static uint8_t got[64];
  static int len;
  usmp_t *ctx = argument;
  do len = usmp_recv(ctx, got, sizeof got);
  while (len == 0 && !ctx->woken);
  return &len;
}

static void a_thread_in_recv_can_be_woken(void **state)
{
  usmp_t ctx = new_client();
  usmp_transport_t transport = transport_of(USMP_KIND_STREAM);
  pthread_t receiver;
  void *len;

  (void)state;
  pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
  assert_int_equal(usmp_wake(&ctx), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  for (int before = 0; before < 2; before++) { /* also when nobody is in recv yet */
    if (before) assert_int_equal(usmp_wake(&ctx), USMP_OK);
    assert_int_equal(pthread_create(&receiver, NULL, receive_until_woken, &ctx), 0);
    if (!before) assert_int_equal(usmp_wake(&ctx), USMP_OK);
    pthread_join(receiver, &len);
    assert_int_equal(*(int *)len, 0);
    assert_true(ctx.woken && ctx.timed_out);
  }
  ctx.recv_timeout_ms = 500;
  uint8_t got[4];
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
  assert_false(ctx.woken); /* once */
  usmp_close(&ctx);
}

/* ---- use ---- */

static void a_message_that_never_fits_is_not_met_for_ever(void **state)
{
  uint8_t got[64];

  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    usmp_t ctx = new_client();
    usmp_transport_t transport = transport_of((usmp_kind_t)kind);
    pair_peer_start((usmp_kind_t)kind, false, pair_psk);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
    ctx.recv_timeout_ms = 2000;
    for (uint8_t round = 0; round < 3; round++) {
      assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 20, now), 0);
      assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 5, now), 0);
      assert_int_equal(usmp_recv(&ctx, got, 10), USMP_ERR_MESSAGE_TOO_LARGE);
      if (round == 2) { /* once more with more room */
        assert_int_equal(usmp_recv(&ctx, got, 20), 20);
      } else {
        assert_int_equal(usmp_recv(&ctx, got, 10), USMP_ERR_MESSAGE_TOO_LARGE);
      }
      assert_int_equal(usmp_recv(&ctx, got, 10), 5);
    }
    usmp_close(&ctx);
  }
}

static void accept_waits_as_long_as_it_was_told(void **state)
{
  usmp_listener_t listener = {.accept = accept_offered};
  usmp_t ctx = {.keepalive_ms = 20000};

  (void)state;
  assert_int_equal(usmp_listen(&listener, pair_find_psk, NULL), USMP_OK);
  pair_peer_start(USMP_KIND_DATAGRAM, true, pair_psk);
  offered = transport_of(USMP_KIND_DATAGRAM);
  accept_early = 5; /* datagrams that open no connection: a first HELLO, noise */
  assert_int_equal(usmp_accept(&listener, &ctx, 1000), USMP_OK);
  usmp_close(&ctx);
  accept_early = 5;
  accept_result = 0;
  uint32_t before = now;
  assert_int_equal(usmp_accept(&listener, &ctx, 1000), USMP_ERR_NOT_CONNECTED);
  assert_true(now - before >= 1000);
}

/* The application of either side works for nine minutes on a message and only ticks: both sessions stay, and nothing of what
   the peer sent meanwhile is lost. */
static void an_application_that_takes_no_messages_keeps_its_session(void **state)
{
  enum { MESSAGES = 8, SIZE = 400 };
  static uint8_t message[SIZE];
  static uint8_t got[SIZE];

  (void)state;
  for (unsigned n = 0; n < 6; n++) {
    bool server = n % 2;
    usmp_kind_t kind = (usmp_kind_t)(n / 2);
    usmp_listener_t listener = {.accept = accept_offered};
    usmp_t ctx = new_client();
    offered = transport_of(kind);
    pair_peer_start(kind, server, pair_psk);
    assert_int_equal(usmp_listen(&listener, pair_find_psk, NULL), USMP_OK);
    usmp_err_t err = server ? usmp_accept(&listener, &ctx, 1000) : usmp_connect(&ctx, &offered);
    assert_int_equal(err, USMP_OK);
    uint8_t sent = 0;
    for (uint32_t ms = 0; ms < 9 * 60 * 1000; ms += 1000) {
      now += 1000;
      message[0] = sent;
      if (sent < MESSAGES && usmp_conn_send(&pair_peer.conn, message, SIZE, now) == 0) sent++;
      assert_int_equal(usmp_keepalive_tick(&ctx), USMP_OK);
      if (ms > 60000) assert_true(ctx.work->message_waits);
      usmp_conn_handle_timeout(&pair_peer.conn, now);
      pair_peer_events();
      assert_int_equal(usmp_conn_error(&pair_peer.conn), 0);
    }
    ctx.recv_timeout_ms = 20000;
    for (uint8_t i = 0; i < sent; i++) {
      assert_int_equal(usmp_recv(&ctx, got, sizeof got), SIZE);
      assert_int_equal(got[0], i);
    }
    assert_true(sent > 3);
    usmp_close(&ctx);
  }
}

/* ---- time ---- */

static unsigned junk; /* datagrams that stand in front of what the peer says */

static int junk_first(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  if (junk == 0) return pair_peer_say(t, buf, max_len);
  junk--;
  memset(buf, 0x5A, 30);
  return 30;
}

static int something_waits(usmp_transport_t *t)
{
  const uint8_t *bytes;
  (void)t;
  return junk > 0 || usmp_conn_poll_transmit(&pair_peer.conn, &bytes) > 0;
}

/* The process stood still for longer than the idle time, while what the peer said waits in the transport: behind a few
   datagrams that are nobody's, and as a stream behind a message that was not read. */
static void what_waits_is_read_before_silence_is_judged(void **state)
{
  uint8_t got[64];

  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    usmp_t ctx = new_client();
    usmp_transport_t transport = transport_of((usmp_kind_t)kind);
    transport.recv = junk_first;
    transport.available = something_waits;
    pair_peer_start((usmp_kind_t)kind, false, pair_psk);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
    assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 10, now), 0);
    if (kind == USMP_KIND_DATAGRAM) junk = 20;
    now += 200000;
    assert_int_equal(usmp_keepalive_tick(&ctx), USMP_OK);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 10);
    usmp_conn_wipe(&pair_peer.conn);
    now += 200000; /* and when nothing waits, it is silence */
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++) err = usmp_recv(&ctx, got, sizeof got);
    assert_int_equal(err, USMP_ERR_IDLE_TIMEOUT);
    usmp_close(&ctx);
  }
}

/* ---- guesses ---- */

static bool has_challenge; /* the peer got one */

static void note_challenge(void)
{
  if (usmp_conn_state(&pair_peer.conn) == USMP_CONN_AWAIT_SESSION_OK) has_challenge = true;
}

/* A device with a wrong key has five attempts, each of which is one failure, whatever ends it. */
static void attempts_with_a_wrong_key_are_locked_out(void **state)
{
  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    usmp_listener_t listener = {.accept = accept_offered};
    assert_int_equal(usmp_listen(&listener, pair_find_psk, NULL), USMP_OK);
    for (unsigned attempt = 1; attempt <= 6; attempt++) {
      usmp_t ctx = {.keepalive_ms = 20000};
      offered = transport_of((usmp_kind_t)kind);
      pair_peer_start((usmp_kind_t)kind, true, wrong_psk);
      pair_peer.config.step_ms = 1000; /* it goes away: a deadline is what ends it on datagrams and serial lines */
      usmp_err_t err = usmp_accept(&listener, &ctx, 1000);
      assert_int_equal(err, attempt <= 5 ? USMP_ERR_AUTH_FAILED : USMP_ERR_LOCKED_OUT);
    }
    expect_free_pool();
  }
}

/* Nor can it be tried without end while the right device has a session. */
static void attempts_beside_a_session_are_locked_out(void **state)
{
  (void)state;
  for (unsigned kind = USMP_KIND_DATAGRAM; kind <= USMP_KIND_SERIAL; kind++) {
    usmp_listener_t listener = {.accept = accept_offered};
    usmp_t ctx = {0};
    unsigned challenges = 0;
    assert_int_equal(usmp_listen(&listener, pair_find_psk, NULL), USMP_OK);
    offered = transport_of((usmp_kind_t)kind);
    pair_peer_start((usmp_kind_t)kind, true, pair_psk);
    assert_int_equal(usmp_accept(&listener, &ctx, 1000), USMP_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(usmp_step(&ctx), USMP_OK); /* SESSION_OK is acknowledged */
    for (unsigned attempt = 0; attempt < 40; attempt++) {
      pair_peer_start((usmp_kind_t)kind, true, wrong_psk);
      has_challenge = false;
      for (int i = 0; i < 12; i++) {
        assert_int_equal(usmp_step(&ctx), USMP_OK);
        note_challenge();
      }
      challenges += has_challenge;
      now += 11000; /* the deadline of the attempt */
      assert_int_equal(usmp_step(&ctx), USMP_OK);
    }
    assert_true(challenges >= 5 && challenges < 16); /* without a lockout 40 */
    usmp_close(&ctx);
    expect_free_pool();
  }
}

/* The store of keys is away for a while: every device is told so, and gets in when it is back. */
static void a_store_that_is_away_locks_nobody_out(void **state)
{
  (void)state;
  for (unsigned kind = 0; kind < 3; kind++) {
    usmp_listener_t listener = {.accept = accept_offered};
    assert_int_equal(usmp_listen(&listener, unexpected_find_psk, NULL), USMP_OK);
    find_fills = true;
    for (unsigned attempt = 1; attempt <= 8; attempt++) {
      usmp_t ctx = {.keepalive_ms = 20000};
      find_result = attempt <= 7 ? USMP_ERR_TRANSPORT_FAILED : 0;
      offered = transport_of((usmp_kind_t)kind);
      pair_peer_start((usmp_kind_t)kind, true, pair_psk);
      usmp_err_t err = usmp_accept(&listener, &ctx, 1000);
      assert_int_equal(err, find_result);
      assert_int_equal(usmp_conn_hint(&pair_peer.conn), find_result ? USMP_ERROR_INTERNAL : 0); /* it had left before the end */
      usmp_close(&ctx);
    }
    expect_free_pool();
  }
}

/* ---- the close ---- */

static int swallow(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  (void)t, (void)data;
  return (int)len;
}

static void a_close_takes_five_seconds_when_the_peer_is_gone(void **state)
{
  (void)state;
  usmp_t ctx = new_client();
  usmp_transport_t transport = transport_of(USMP_KIND_DATAGRAM);
  pair_peer_start(USMP_KIND_DATAGRAM, false, pair_psk);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  ctx.transport.send = swallow;
  for (int i = 0; i < 3; i++)
    assert_int_equal(usmp_conn_send(&ctx.work->conn, pair_psk, 10, now), 0); /* as another thread does */
  uint32_t before = now;
  usmp_close(&ctx);
  assert_int_equal(now - before, USMP_CLOSE_MS);
  expect_free_pool();
}

/* ---- a peer that does not read ---- */

static int no_room(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  (void)t, (void)data, (void)len;
  return USMP_SEND_NO_ROOM;
}

static const usmp_kind_t ordered[] = {USMP_KIND_STREAM, USMP_KIND_SERIAL};

static void connect_to_deaf_peer(usmp_t *ctx, usmp_kind_t kind)
{
  usmp_transport_t transport = transport_of(kind);

  *ctx = new_client();
  pair_peer_start(kind, false, pair_psk);
  assert_int_equal(usmp_connect(ctx, &transport), USMP_OK);
  ctx->transport.send = no_room;
  fed_at = now;
  longest_hunger = 0;
}

/* It sends messages and PINGs, so that there is always something to answer and silence is no reason to end. */
static void a_peer_that_never_reads_holds_up_recv_and_starves_the_watchdog(void **state)
{
  uint8_t got[64];

  (void)state;
  for (unsigned n = 0; n < COUNT(ordered); n++) {
    usmp_t ctx;
    connect_to_deaf_peer(&ctx, ordered[n]);
    ctx.recv_timeout_ms = 100;
    uint32_t begun = now;
    unsigned messages = 0;
    int len = 0;
    for (unsigned i = 0; len >= 0; i++) {
      if (i % 10 == 0) {
        assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, 10, now), 0);
        assert_int_equal(usmp_conn_ping(&pair_peer.conn, now), 0);
      }
      uint32_t before = now;
      len = usmp_recv(&ctx, got, sizeof got);
      assert_true(now - before <= 100);
      if (len > 0) messages++;
      if (len >= 0 && i % 7 == 0) {
        before = now;
        assert_int_equal(usmp_keepalive_tick(&ctx), USMP_OK);
        assert_int_equal(usmp_ping(&ctx), USMP_OK);
        assert_int_equal(now, before);
      }
    }
    assert_int_equal(len, USMP_ERR_TRANSPORT_FAILED); /* not without end, either */
    assert_true(now - begun >= USMP_IDLE_MS && now - begun <= USMP_IDLE_MS + 2000);
    assert_true(messages >= 50); /* what it said was read all the time */
    expect_fed_watchdog();
    usmp_close(&ctx);
  }
  expect_free_pool();
}

static void a_peer_that_never_reads_holds_up_close(void **state)
{
  (void)state;
  for (unsigned n = 0; n < COUNT(ordered); n++) {
    for (unsigned full = 0; full < 2; full++) { /* the queue, so that there is no room for the BYE */
      usmp_t ctx;
      connect_to_deaf_peer(&ctx, ordered[n]);
      while (full && usmp_conn_send(&ctx.work->conn, pair_psk, sizeof pair_psk, now) == 0)
        assert_int_equal(usmp_step(&ctx), USMP_OK);
      uint32_t before = now;
      usmp_close(&ctx);
      assert_true(now - before <= USMP_CLOSE_MS + 2);
      expect_fed_watchdog();
    }
  }
  expect_free_pool();
}

static void a_send_to_a_peer_that_never_reads_starves_the_watchdog_and_misses_the_end(void **state)
{
  (void)state;
  for (unsigned n = 0; n < COUNT(ordered); n++) {
    for (unsigned says_bye = 0; says_bye < 2; says_bye++) {
      usmp_t ctx;
      connect_to_deaf_peer(&ctx, ordered[n]);
      ctx.transport.available = something_waits;
      ctx.transport.own_available = something_waits;
      if (says_bye) usmp_conn_close(&pair_peer.conn, USMP_ERR_CLOSED, now);
      uint32_t before = now;
      assert_int_equal(usmp_send(&ctx, pair_psk, sizeof pair_psk), says_bye ? USMP_ERR_CLOSED : USMP_ERR_TRANSPORT_FAILED);
      assert_true(says_bye ? now - before <= 10 : now - before <= USMP_IDLE_MS + 2);
      expect_fed_watchdog();
      usmp_close(&ctx);
    }
  }
  expect_free_pool();
}

static unsigned refusals;

/* Two of three times there is no room, and then for three bytes. */
static int little_room(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  if (++refusals % 3 != 0) return USMP_SEND_NO_ROOM;
  return pair_peer_take(t, data, len < 3 ? len : 3);
}

static void what_there_was_no_room_for_is_lost(void **state)
{
  static uint8_t message[USMP_MAX_MESSAGE_LEN];
  uint8_t got[64];

  (void)state;
  for (unsigned n = 0; n < COUNT(ordered); n++) {
    usmp_t ctx;
    connect_to_deaf_peer(&ctx, ordered[n]);
    ctx.transport.send = little_room;
    for (unsigned i = 1; i <= 5; i++) {
      assert_int_equal(usmp_send(&ctx, message, sizeof message), USMP_OK);
      assert_int_equal(pair_peer.messages, i);
    }
    /* An answer that could not leave does so while a message is awaited. */
    ctx.transport.send = no_room;
    ctx.recv_timeout_ms = 100;
    assert_int_equal(usmp_conn_ping(&pair_peer.conn, now), 0);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
    assert_int_equal(pair_peer.conn.pings_unanswered, 1);
    ctx.transport.send = pair_peer_take;
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
    assert_int_equal(pair_peer.conn.pings_unanswered, 0);
    /* A close delivers what is queued before its BYE. */
    assert_int_equal(usmp_conn_send(&ctx.work->conn, pair_psk, sizeof pair_psk, now), 0);
    ctx.transport.send = little_room;
    usmp_close(&ctx);
    assert_int_equal(pair_peer.messages, 6);
    assert_int_equal(usmp_conn_error(&pair_peer.conn), USMP_ERR_CLOSED);
  }
  expect_free_pool();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
  const struct CMUnitTest tests[] = {
    TEST(nobody_is_accepted_when_find_psk_returns_something_unexpected),
    TEST(a_hook_that_says_anything_but_0_has_failed),
    TEST(a_transport_that_returns_something_unexpected_opens_no_session),
    TEST(a_transport_that_lies_about_lengths_opens_no_session),
    TEST(a_listener_that_returns_something_unexpected_opens_no_session),
    TEST(sessions_that_died_unclosed_leave_room_for_the_next),
    TEST(the_last_message_of_a_session_that_died_is_still_read),
    TEST(a_connect_that_fails_closes_its_transport),
    TEST(nothing_waits_behind_a_send_whose_peer_does_not_read),
    TEST(a_thread_in_recv_can_be_woken),
    TEST(a_message_that_never_fits_is_not_met_for_ever),
    TEST(accept_waits_as_long_as_it_was_told),
    TEST(an_application_that_takes_no_messages_keeps_its_session),
    TEST(what_waits_is_read_before_silence_is_judged),
    TEST(attempts_with_a_wrong_key_are_locked_out),
    TEST(attempts_beside_a_session_are_locked_out),
    TEST(a_store_that_is_away_locks_nobody_out),
    TEST(a_close_takes_five_seconds_when_the_peer_is_gone),
    TEST(a_peer_that_never_reads_holds_up_recv_and_starves_the_watchdog),
    TEST(a_peer_that_never_reads_holds_up_close),
    TEST(a_send_to_a_peer_that_never_reads_starves_the_watchdog_and_misses_the_end),
    TEST(what_there_was_no_room_for_is_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
