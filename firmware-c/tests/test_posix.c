/* The application layer: published names, threads, transports that misbehave, and the POSIX port for real. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "usmp_posix.h"

static const uint8_t psk[] = "a key of enough bytes for a test";

static int find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = psk;
  found->psk_len = sizeof psk - 1;
  return USMP_OK;
}

/* ---- a server that sends everything back, in a thread ---- */

typedef struct echo {
  usmp_listener_t listener;
  pthread_t thread;
  _Atomic unsigned sessions; /* to serve */
  usmp_workspace_t memory;
} echo_t;

static void echo_session(usmp_t *ctx)
{
  static uint8_t message[USMP_MAX_MESSAGE_LEN];

  for (;;) {
    int len = usmp_recv(ctx, message, sizeof message);
    if (len == USMP_ERR_REPLACED) continue;
    if (len < 0 || usmp_send(ctx, message, (uint16_t)len) < 0) return;
  }
}

static void *echo_run(void *argument)
{
  echo_t *echo = argument;

  while (echo->sessions > 0) {
    usmp_t ctx = {.keepalive_ms = 20000,
                  .recv_timeout_ms = USMP_RECV_FOREVER,
                  .scratch = &echo->memory,
                  .scratch_len = sizeof echo->memory};
    if (usmp_accept(&echo->listener, &ctx, 1000) < 0) continue;
    echo->sessions--;
    echo_session(&ctx);
    usmp_close(&ctx);
  }
  return NULL;
}

static void echo_start(echo_t *echo, bool udp, unsigned sessions)
{
  int err = udp ? usmp_listener_udp_init(&echo->listener, "127.0.0.1", 0)
                : usmp_listener_tcp_init(&echo->listener, "127.0.0.1", 0);
  assert_int_equal(err, 0);
  assert_int_equal(usmp_listen(&echo->listener, find_psk, NULL), 0);
  echo->sessions = sessions;
  assert_int_equal(pthread_create(&echo->thread, NULL, echo_run, echo), 0);
}

static void echo_join(echo_t *echo)
{
  pthread_join(echo->thread, NULL);
  echo->listener.close(&echo->listener);
}

static echo_t echo;
static uint8_t sent[USMP_MAX_MESSAGE_LEN];
static uint8_t got[USMP_MAX_MESSAGE_LEN];

static usmp_t new_session(void)
{
  usmp_t ctx = {0};
  ctx.psk = psk;
  ctx.psk_len = sizeof psk - 1;
  ctx.keepalive_ms = 15000;
  ctx.recv_timeout_ms = USMP_RECV_FOREVER;
  return ctx;
}

static void dial(usmp_transport_t *transport, bool udp)
{
  int err = udp ? usmp_transport_udp_init(transport, "127.0.0.1", echo.listener.port)
                : usmp_transport_tcp_init(transport, "127.0.0.1", echo.listener.port);
  assert_int_equal(err, 0);
}

static void round_trip(usmp_t *ctx, uint16_t len)
{
  for (size_t i = 0; i < len; i++) sent[i] = (uint8_t)(i + len);
  assert_int_equal(usmp_send(ctx, sent, len), USMP_OK);
  assert_int_equal(usmp_recv(ctx, got, sizeof got), len);
  assert_false(ctx->timed_out);
  assert_memory_equal(sent, got, len);
}

static void sessions_over_tcp_and_udp(void **state)
{
  (void)state;
  for (int udp = 0; udp < 2; udp++) {
    usmp_t ctx = new_session();
    usmp_transport_t transport = {0};
    echo_start(&echo, udp, 2);
    dial(&transport, udp);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
    assert_true(usmp_is_connected(&ctx));
    for (uint16_t len = 0; len <= 1808; len = (uint16_t)(len + 226)) round_trip(&ctx, len);
    assert_int_equal(usmp_ping(&ctx), USMP_OK);
    assert_int_equal(usmp_keepalive_tick(&ctx), USMP_OK);
    assert_int_equal(usmp_rekey(&ctx), USMP_OK);
    round_trip(&ctx, 100);
    ctx.recv_timeout_ms = 50;
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
    assert_true(ctx.timed_out);
    ctx.recv_timeout_ms = USMP_RECV_FOREVER;
    assert_int_equal(usmp_send(&ctx, sent, 100), USMP_OK);
    while (!usmp_message_waits(&ctx)) assert_int_equal(usmp_step(&ctx), USMP_OK);
    assert_int_equal(usmp_recv(&ctx, got, 99), USMP_ERR_MESSAGE_TOO_LARGE);
    assert_int_equal(usmp_recv(&ctx, got, 100), 100);
    assert_int_equal(usmp_send(&ctx, sent, 1809), USMP_ERR_MESSAGE_TOO_LARGE);
    uint8_t first[USMP_SESSION_ID_LEN];
    memcpy(first, ctx.session_id, sizeof first);
    usmp_close(&ctx);
    assert_int_equal(usmp_send(&ctx, sent, 1), USMP_ERR_NOT_CONNECTED);
    assert_int_equal(usmp_reconnect(&ctx), USMP_OK);
    assert_memory_not_equal(first, ctx.session_id, sizeof first);
    round_trip(&ctx, 10);
    usmp_close(&ctx);
    echo_join(&echo);
  }
}

static void *finish_connect(void *argument)
{
  while (!usmp_is_connected(argument)) {
    if (usmp_step(argument) != USMP_OK) return argument;
    usmp_port_delay_ms(1);
  }
  return NULL;
}

static void connecting_step_by_step(void **state)
{
  (void)state;
  usmp_t ctx = new_session();
  usmp_transport_t transport = {0};
  echo_start(&echo, false, 1);
  dial(&transport, false);
  assert_int_equal(usmp_connect_async(&ctx, &transport), USMP_OK);
  assert_int_equal(usmp_get_state(&ctx), USMP_STATE_AWAITING_CHALLENGE);
  assert_int_equal(usmp_send(&ctx, sent, 1), USMP_ERR_NOT_CONNECTED);
  while (!usmp_is_connected(&ctx)) {
    assert_int_equal(usmp_step(&ctx), USMP_OK);
    usmp_port_delay_ms(1);
  }
  round_trip(&ctx, 77);
  usmp_close(&ctx);
  echo_join(&echo);
}

/* A client over UDP loses its power and comes back at the same address: its socket stays, the session is forgotten. */
static void restarted_client_gets_in_at_once(void **state)
{
  static const uint8_t wrong[32] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
  usmp_workspace_t memory[3]; /* forgotten, not closed */
  usmp_t before[3];
  usmp_transport_t transport = {0};
  uint8_t hello[USMP_HEADER_SIZE + USMP_HELLO_COOKIE_SIZE] = {0};

  (void)state;
  echo_start(&echo, true, 1);
  dial(&transport, true);
  for (int i = 0; i < 3; i++) {
    before[i] = new_session();
    before[i].scratch = &memory[i];
    before[i].scratch_len = sizeof memory[i];
    usmp_transport_t line = transport;
    assert_int_equal(usmp_connect(&before[i], &line), USMP_OK);
    round_trip(&before[i], 300);
    /* Who writes this address on datagrams, without reading what comes back, changes nothing. */
    for (unsigned n = 0; n < 40; n++) {
      memset(hello + USMP_HEADER_SIZE, (int)n, sizeof hello - USMP_HEADER_SIZE);
      int len = usmp_frame_encode(USMP_WIRE_VERSION, hello, USMP_TYPE_HELLO, n % 2,
                                  n % 2 ? USMP_HELLO_COOKIE_SIZE : USMP_HELLO_SIZE);
      assert_int_equal(transport.send(&transport, hello, (size_t)len), len);
    }
    round_trip(&before[i], 400);
  }
  /* Nor does who reads it as well, and has no key. */
  usmp_workspace_t other_memory;
  usmp_t other = new_session();
  other.scratch = &other_memory;
  other.scratch_len = sizeof other_memory;
  other.psk = wrong;
  other.psk_len = sizeof wrong;
  usmp_transport_t borrowed = transport;
  borrowed.close = NULL;
  assert_int_equal(usmp_connect(&other, &borrowed), USMP_ERR_HANDSHAKE_TIMEOUT);
  round_trip(&before[2], 500);
  usmp_close(&before[2]);
  echo_join(&echo);
}

/* ---- threads ---- */

static void *receive_one(void *argument)
{
  static int len;
  len = usmp_recv(argument, got, sizeof got);
  return &len;
}

static void *send_many(void *argument)
{
  for (int i = 0; i < 200; i++) {
    if (usmp_send(argument, sent, 16) != USMP_OK) return argument;
  }
  return NULL;
}

static void send_does_not_wait_behind_recv(void **state)
{
  (void)state;
  for (int udp = 0; udp < 2; udp++) {
    usmp_t ctx = new_session();
    usmp_transport_t transport = {0};
    pthread_t receiver;
    void *result;
    echo_start(&echo, udp, 1);
    dial(&transport, udp);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
    assert_int_equal(pthread_create(&receiver, NULL, receive_one, &ctx), 0);
    usmp_port_delay_ms(100); /* it waits in recv now, for up to a second at a time */
    uint32_t begin = usmp_port_millis();
    assert_int_equal(usmp_send(&ctx, sent, 500), USMP_OK);
    assert_true(usmp_port_millis() - begin < 300);
    pthread_join(receiver, &result);
    assert_int_equal(*(int *)result, 500);
    usmp_close(&ctx);
    echo_join(&echo);
  }
}

/* Both ends send many messages at the same moment and read only afterwards. */
static void *send_then_read(void *argument)
{
  uint8_t message[32] = {0};
  usmp_t *ctx = argument;

  ctx->recv_timeout_ms = 5000;
  for (uint8_t i = 0; i < 25; i++) {
    message[0] = i;
    if (usmp_send(ctx, message, sizeof message) != USMP_OK) return argument;
  }
  for (uint8_t i = 0; i < 25; i++) {
    if (usmp_recv(ctx, message, sizeof message) != sizeof message || message[0] != i) return argument;
  }
  return NULL;
}

static void *accept_one(void *argument)
{
  while (usmp_accept(&echo.listener, argument, 1000) < 0) continue;
  return send_then_read(argument);
}

static void both_ends_send_at_once(void **state)
{
  (void)state;
  for (int udp = 0; udp < 2; udp++) {
    usmp_t ctx = new_session();
    usmp_t server = {.keepalive_ms = 20000, .scratch = &echo.memory, .scratch_len = sizeof echo.memory};
    usmp_transport_t transport = {0};
    pthread_t thread;
    void *failed;
    echo_start(&echo, udp, 0);
    assert_int_equal(pthread_create(&thread, NULL, accept_one, &server), 0);
    dial(&transport, udp);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
    assert_null(send_then_read(&ctx));
    pthread_join(thread, &failed);
    assert_null(failed);
    usmp_close(&ctx);
    usmp_close(&server);
    echo_join(&echo);
  }
}

static void many_threads_send(void **state)
{
  (void)state;
  usmp_t ctx = new_session();
  usmp_transport_t transport = {0};
  pthread_t senders[4];
  echo_start(&echo, false, 1);
  dial(&transport, false);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&senders[i], NULL, send_many, &ctx), 0);
  for (int i = 0; i < 800; i++) assert_int_equal(usmp_recv(&ctx, got, sizeof got), 16);
  for (int i = 0; i < 4; i++) {
    void *failed;
    pthread_join(senders[i], &failed);
    assert_null(failed);
  }
  usmp_close(&ctx);
  echo_join(&echo);
}

/* ---- transports that misbehave ---- */

static int (*real_send)(usmp_transport_t *, const uint8_t *, size_t);
static int (*real_recv)(usmp_transport_t *, uint8_t *, size_t);
static unsigned calls;
static unsigned misbehave_at;

static int half_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  return real_send(t, data, len > 1 ? len / 2 : len);
}

static int zero_means_all(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  for (size_t at = 0; at < len;) {
    int n = real_send(t, data + at, len - at);
    if (n < 0) return n;
    at += (size_t)n;
  }
  return 0; /* as the published porting guide has it */
}

static int failing_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  real_send(t, data, len);
  return ++calls >= misbehave_at ? -1 : (int)len; /* it went out, and still it says no */
}

static int boasting_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  int n = real_send(t, data, len);
  return ++calls >= misbehave_at ? (int)len + 1 : n;
}

static int trickling_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  return real_recv(t, buf, max_len < 3 ? max_len : 3);
}

static int rubbish_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  int n = real_recv(t, buf, max_len);
  if (n > 0 && ++calls >= misbehave_at) memset(buf, 0x3C, (size_t)n);
  return n;
}

static int every_third_is_rubbish(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  int n = real_recv(t, buf, max_len);
  if (n > 0 && ++calls % 3 == 0) memset(buf, 0x3C, (size_t)n);
  return n;
}

static int boasting_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  int n = real_recv(t, buf, max_len);
  return n > 0 && ++calls >= misbehave_at ? (int)max_len + 1 : n;
}

/* After the end every call says why, whatever it is. */
static void expect_ended(usmp_t *ctx, int err)
{
  int expected = ctx->ended ? err : USMP_ERR_NOT_CONNECTED; /* without a session there never was one */

  for (int again = 0; again < 2; again++) {
    assert_int_equal(usmp_recv(ctx, got, sizeof got), expected);
    assert_int_equal(usmp_step(ctx), expected);
    assert_int_equal(usmp_keepalive_tick(ctx), expected);
    assert_int_equal(usmp_send(ctx, sent, 1), USMP_ERR_NOT_CONNECTED);
    assert_int_equal(usmp_ping(ctx), USMP_ERR_NOT_CONNECTED);
    assert_int_equal(usmp_rekey(ctx), USMP_ERR_NOT_CONNECTED);
    assert_false(usmp_is_connected(ctx));
  }
}

/* One session over a TCP transport with a changed function; what the first call that fails says. */
static int session_with(int (*changed_send)(usmp_transport_t *, const uint8_t *, size_t),
                        int (*changed_recv)(usmp_transport_t *, uint8_t *, size_t), unsigned at)
{
  usmp_t ctx = new_session();
  usmp_transport_t transport = {0};

  echo_start(&echo, false, 1);
  dial(&transport, false);
  real_send = transport.send;
  real_recv = transport.recv;
  if (changed_send) transport.send = changed_send;
  if (changed_recv) transport.recv = changed_recv;
  calls = 0;
  misbehave_at = at;
  int err = usmp_connect(&ctx, &transport);
  if (err == 0) err = usmp_send(&ctx, sent, 1808);
  if (err == 0) err = usmp_recv(&ctx, got, sizeof got);
  if (err >= 0) assert_memory_equal(sent, got, 1808);
  if (err < 0) expect_ended(&ctx, err);
  usmp_close(&ctx);
  if (at > 0 && at <= 2) echo.sessions = 0; /* the handshake came to nothing */
  echo_join(&echo);
  return err;
}

static void transports_that_misbehave(void **state)
{
  (void)state;
  memset(sent, 0x42, sizeof sent);
  assert_int_equal(session_with(half_send, NULL, 0), 1808);
  assert_int_equal(session_with(zero_means_all, NULL, 0), 1808);
  assert_int_equal(session_with(NULL, trickling_recv, 0), 1808);
  assert_int_equal(session_with(failing_send, NULL, 1), USMP_ERR_HANDSHAKE_REFUSED);
  assert_int_equal(session_with(failing_send, NULL, 3), USMP_ERR_TRANSPORT_FAILED);
  assert_int_equal(session_with(boasting_send, NULL, 3), USMP_ERR_TRANSPORT_FAILED);
  assert_int_equal(session_with(NULL, rubbish_recv, 1), USMP_ERR_BAD_MAGIC);
  assert_int_equal(session_with(NULL, rubbish_recv, 3), USMP_ERR_BAD_MAGIC);
  assert_int_equal(session_with(NULL, boasting_recv, 3), USMP_ERR_TRANSPORT_FAILED);
}

/* Of datagrams each may be rubbish, and costs nothing but the time until it is sent again. */
static void rubbish_datagrams(void **state)
{
  usmp_t ctx = new_session();
  usmp_transport_t transport = {0};

  (void)state;
  echo_start(&echo, true, 1);
  dial(&transport, true);
  real_recv = transport.recv;
  transport.recv = every_third_is_rubbish;
  calls = 0;
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  for (int i = 0; i < 4; i++) round_trip(&ctx, 700);
  assert_true(calls > 10);
  usmp_close(&ctx);
  echo_join(&echo);
}

static void usage_mistakes(void **state)
{
  (void)state;
  usmp_t ctx = new_session();
  usmp_transport_t transport = {0};
  usmp_listener_t listener = {0};

  assert_int_equal(usmp_connect(NULL, &transport), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_connect(&ctx, NULL), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_INVALID_ARGUMENT); /* no functions */
  assert_int_equal(usmp_reconnect(&ctx), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_send(NULL, sent, 1), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_send(&ctx, sent, 1), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(usmp_recv(&ctx, got, 1), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(usmp_recv(&ctx, NULL, 1), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_step(&ctx), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(usmp_step(NULL), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_listen(&listener, find_psk, NULL), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_accept(&listener, &ctx, 0), USMP_ERR_INVALID_ARGUMENT);
  usmp_close(NULL);
  usmp_close(&ctx);
  assert_int_equal(usmp_transport_tcp_init(&transport, "127.0.0.1", 1), USMP_ERR_UNREACHABLE);
  assert_int_equal(usmp_transport_serial_init(&transport, "/nonexistent", 0), USMP_ERR_UNREACHABLE);
  echo_start(&echo, false, 0);
  for (ctx.psk_len = 15; ctx.psk_len < 32; ctx.psk_len += 16) { /* too short; a text */
    dial(&transport, false);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_WEAK_PSK);
  }
  echo_join(&echo);
}

/* A device with a wrong key is refused five times with an answer, and then without one; with the right key it is
   let in when its second has passed. */
static void failing_devices_are_locked_out(void **state)
{
  static const uint8_t wrong[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  usmp_transport_t transport = {0};

  (void)state;
  echo_start(&echo, false, 1);
  for (int i = 0; i < 6; i++) {
    usmp_t ctx = new_session();
    if (i < 5) ctx.psk = wrong, ctx.psk_len = sizeof wrong;
    dial(&transport, false);
    assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_HANDSHAKE_REFUSED);
  }
  usmp_port_delay_ms(1100);
  usmp_t ctx = new_session();
  dial(&transport, false);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  round_trip(&ctx, 10);
  usmp_close(&ctx);
  echo_join(&echo);
}

static void memory_comes_from_scratch_or_the_pool(void **state)
{
  static usmp_workspace_t scratch;
  usmp_t ctx[USMP_POOL_SIZE + 2];
  usmp_transport_t transport = {0};

  (void)state;
  echo_start(&echo, false, 0);
  for (int i = 0; i < USMP_POOL_SIZE + 2; i++) {
    ctx[i] = new_session();
    dial(&transport, false);
    if (i == USMP_POOL_SIZE + 1) {
      ctx[i].scratch = &scratch;
      ctx[i].scratch_len = sizeof scratch;
    }
    assert_int_equal(usmp_connect_async(&ctx[i], &transport), i == USMP_POOL_SIZE ? USMP_ERR_TOO_MANY_CONNECTIONS : USMP_OK);
  }
  for (int i = 0; i < USMP_POOL_SIZE + 2; i++) usmp_close(&ctx[i]);
  assert_true(usmp_is_zero((uint8_t *)&scratch, sizeof scratch)); /* wiped */
  echo_join(&echo);
}

/* ---- descriptors ---- */

static bool is_open(int fd)
{
  return fcntl(fd, F_GETFD) != -1;
}

static void failed_connect_leaves_its_descriptor_open(void **state)
{
  static const uint8_t weak[15] = {1};
  usmp_t ctx[USMP_POOL_SIZE + 1];
  usmp_transport_t transport = {0};

  (void)state;
  echo_start(&echo, false, 0);
  for (int i = 0; i <= USMP_POOL_SIZE; i++) { /* the last one finds no memory */
    ctx[i] = new_session();
    dial(&transport, false);
    int fd = transport.fd;
    assert_int_equal(usmp_connect_async(&ctx[i], &transport), i < USMP_POOL_SIZE ? USMP_OK : USMP_ERR_TOO_MANY_CONNECTIONS);
    assert_int_equal(is_open(fd), i < USMP_POOL_SIZE);
  }
  for (int i = 0; i <= USMP_POOL_SIZE; i++) usmp_close(&ctx[i]);
  ctx[0].psk = weak;
  ctx[0].psk_len = sizeof weak;
  for (int i = 0; i < 2; i++) { /* a weak key, and a transport that cannot receive */
    dial(&transport, false);
    int fd = transport.fd;
    if (i == 1) transport.recv = NULL;
    assert_true(usmp_connect(&ctx[0], &transport) < 0);
    assert_false(is_open(fd));
  }
  echo_join(&echo);
}

/* Programs for the published component close or destroy their own struct as well, when its number may be another's. */
static void callers_struct_closes_a_descriptor_of_somebody_else(void **state)
{
  usmp_t ctx = new_session();
  usmp_transport_t transport = {0};

  (void)state;
  echo_start(&echo, false, 1);
  dial(&transport, false);
  int fd = transport.fd;
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  transport.close(&transport);
  round_trip(&ctx, 10);
  usmp_close(&ctx);
  echo_join(&echo);
  assert_false(is_open(fd));
  assert_int_equal(dup2(STDOUT_FILENO, fd), fd); /* the same number once more */
  transport.destroy(&transport);
  assert_true(is_open(fd));
  assert_true(usmp_connect(&ctx, &transport) < 0); /* it has no line any more */
  assert_true(is_open(fd));
  close(fd);
}

static void long_host_name_is_cut(void **state)
{
  char name[USMP_HOST_MAX + 1];
  usmp_t ctx = new_session();
  usmp_transport_t transport = {0};

  (void)state;
  echo_start(&echo, false, 1);
  /* An address that needs all of its 200 characters. */
  snprintf(name, sizeof name, "127.0.0.%0192d", 1);
  assert_int_equal(usmp_transport_tcp_init(&transport, name, echo.listener.port), 0);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  round_trip(&ctx, 10);
  usmp_close(&ctx);
  echo_join(&echo);
  memset(name, 'a', sizeof name - 1);
  name[sizeof name - 1] = 0;
  assert_int_equal(usmp_transport_tcp_init(&transport, name, 9000), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_transport_udp_init(&transport, name, 9000), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_transport_serial_init(&transport, name, 0), USMP_ERR_INVALID_ARGUMENT);
}

/* ---- a peer that does not read ---- */

/* Returns when the port says that there is no room, and not at all if it waits for some. */
static void fill_up(usmp_transport_t *transport)
{
  static uint8_t piece[4096];
  int n;

  do n = transport->send(transport, piece, sizeof piece);
  while (n > 0);
  assert_int_equal(n, USMP_SEND_NO_ROOM);
}

static void port_waits_in_send_for_a_peer_that_does_not_read(void **state)
{
  usmp_transport_t transport = {0};
  usmp_listener_t deaf;

  (void)state;
  assert_int_equal(usmp_listener_tcp_init(&deaf, "127.0.0.1", 0), 0);
  assert_int_equal(usmp_transport_tcp_init(&transport, "127.0.0.1", deaf.port), 0);
  fill_up(&transport);
  transport.close(&transport);
  deaf.close(&deaf);
  int line = posix_openpt(O_RDWR | O_NOCTTY);
  assert_true(line >= 0 && grantpt(line) == 0 && unlockpt(line) == 0);
  assert_int_equal(usmp_transport_serial_init(&transport, ptsname(line), 0), 0);
  fill_up(&transport);
  transport.close(&transport);
  close(line);
}

/* A server whose peer never takes anything, and sends all the time: the receiving thread goes on. */
static void peer_that_never_reads_holds_up_the_session(void **state)
{
  usmp_t ctx = new_session();
  usmp_t server = {.recv_timeout_ms = 10, .scratch = &echo.memory, .scratch_len = sizeof echo.memory};
  usmp_transport_t transport = {0};

  (void)state;
  assert_int_equal(usmp_listener_tcp_init(&echo.listener, "127.0.0.1", 0), 0);
  assert_int_equal(usmp_listen(&echo.listener, find_psk, NULL), 0);
  dial(&transport, false);
  assert_int_equal(usmp_connect_async(&ctx, &transport), USMP_OK);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, finish_connect, &ctx), 0);
  assert_int_equal(usmp_accept(&echo.listener, &server, 10000), USMP_OK);
  void *failed;
  pthread_join(thread, &failed);
  assert_null(failed);
  for (int stuck = 0; stuck < 20;) {
    if (server.work->tx_chunk_len == 0) { /* the kernel's own buffers move on for a while */
      fill_up(&server.transport);
      assert_int_equal(usmp_conn_send(&server.work->conn, sent, 16, usmp_port_millis()), 0);
    }
    if (stuck == 10) assert_int_equal(usmp_send(&ctx, sent, 100), USMP_OK);
    int len;
    do len = usmp_recv(&server, got, sizeof got);
    while (len == 0 && stuck == 10);
    assert_int_equal(len, stuck == 10 ? 100 : 0);
    if (server.work->tx_chunk_len > 0) stuck++;
  }
  usmp_close(&server);
  usmp_close(&ctx);
  echo.listener.close(&echo.listener);
}

/* ---- signals ---- */

static _Atomic int signals;

static void on_signal(int number)
{
  int before = errno;
  (void)number;
  signals++;
  errno = before;
}

/* Takes nothing before the sender has been interrupted many times. */
static void *reads_late(void *argument)
{
  static uint8_t bytes[65536];
  int fd = accept(*(int *)argument, NULL, NULL);

  for (int seen = signals; signals - seen < 100;) usmp_port_delay_ms(1);
  while (read(fd, bytes, sizeof bytes) > 0) continue;
  close(fd);
  return NULL;
}

static void signals_end_a_session(void **state)
{
  struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
  struct itimerval every = {{0, 2000}, {0, 2000}};
  const struct itimerval never = {{0, 0}, {0, 0}};
  usmp_transport_t transport = {0};
  static uint8_t piece[4096];
  pthread_t reader;
  sigset_t mask;

  (void)state;
  sigemptyset(&mask);
  sigaddset(&mask, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &mask, NULL); /* for the threads: this one takes them all */
  echo_start(&echo, false, 1);
  usmp_t ctx = new_session();
  usmp_listener_t deaf;
  assert_int_equal(usmp_listener_tcp_init(&deaf, "127.0.0.1", 0), 0);
  assert_int_equal(fcntl(deaf.fd, F_SETFL, 0), 0);
  assert_int_equal(pthread_create(&reader, NULL, reads_late, &deaf.fd), 0);
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &every, NULL);
  pthread_sigmask(SIG_UNBLOCK, &mask, NULL);

  dial(&transport, false);
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_OK);
  for (int i = 0; i < 20; i++) round_trip(&ctx, 1000);
  int before = signals;
  ctx.recv_timeout_ms = 100;
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
  assert_true(ctx.timed_out && signals > before);
  usmp_close(&ctx);
  echo_join(&echo);

  assert_int_equal(usmp_transport_tcp_init(&transport, "127.0.0.1", deaf.port), 0);
  for (size_t sent_bytes = 0; sent_bytes < 16u << 20;) {
    int n = transport.send(&transport, piece, sizeof piece);
    if (n == USMP_SEND_NO_ROOM) {
      usmp_port_delay_ms(1);
      continue;
    }
    assert_true(n > 0);
    sent_bytes += (size_t)n;
  }
  transport.close(&transport);
  setitimer(ITIMER_REAL, &never, NULL);
  pthread_join(reader, NULL);
  deaf.close(&deaf);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sessions_over_tcp_and_udp),
    cmocka_unit_test(connecting_step_by_step),
    cmocka_unit_test(send_does_not_wait_behind_recv),
    cmocka_unit_test(many_threads_send),
    cmocka_unit_test(both_ends_send_at_once),
    cmocka_unit_test(transports_that_misbehave),
    cmocka_unit_test(usage_mistakes),
    cmocka_unit_test(rubbish_datagrams),
    cmocka_unit_test(failing_devices_are_locked_out),
    cmocka_unit_test(restarted_client_gets_in_at_once),
    cmocka_unit_test(memory_comes_from_scratch_or_the_pool),
    cmocka_unit_test(failed_connect_leaves_its_descriptor_open),
    cmocka_unit_test(callers_struct_closes_a_descriptor_of_somebody_else),
    cmocka_unit_test(long_host_name_is_cut),
    cmocka_unit_test(port_waits_in_send_for_a_peer_that_does_not_read),
    cmocka_unit_test(peer_that_never_reads_holds_up_the_session),
    cmocka_unit_test(signals_end_a_session),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
