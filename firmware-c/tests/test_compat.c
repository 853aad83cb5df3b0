/* What firmware for the published component relies on. The hooks of usmp_port.h are this program's own: time passes only
   while something waits, and the peer is an engine in the same thread. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "usmp.h"
#include "usmp_frame.h"
#include "usmp_handshake.h"

static uint32_t now = 0xfffff000u; /* wraps during the tests */
static char logged;

int usmp_port_get_device_id(uint8_t *out, size_t len)
{
  memset(out, 0x42, len);
  return 0;
}

int usmp_port_random(uint8_t *out, size_t len)
{
  static uint8_t next;
  for (size_t i = 0; i < len; i++) out[i] = next++;
  return 0;
}

void usmp_port_delay_ms(uint32_t ms)
{
  now += ms;
}

uint32_t usmp_port_millis(void)
{
  return now;
}

void usmp_port_log(char level, const char *tag, const char *msg)
{
  (void)tag, (void)msg;
  logged = level;
}

static unsigned fed;
void usmp_port_wdt_feed(void)
{
  fed++;
}

/* ---- the peer ---- */

static unsigned peer_waited; /* how often recv found nothing, and let its time pass */

static bool peer_idle(usmp_transport_t *t)
{
  now += t->wait_ms;
  peer_waited++;
  return false;
}

static void start_peer(void)
{
  pair_peer_clock = usmp_port_millis;
  pair_peer_idle = peer_idle;
  pair_peer_start(USMP_KIND_STREAM, false, pair_psk);
  pair_peer.config.keepalive_ms = pair_peer.config.idle_ms = UINT32_MAX;
  peer_waited = 0;
}

static int peer_takes(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  pair_peer_take(t, data, len);
  return 0; /* as published transports say it */
}

static int peer_available(usmp_transport_t *t)
{
  const uint8_t *bytes;

  (void)t;
  return usmp_conn_poll_transmit(&pair_peer.conn, &bytes) > 0;
}

/* The fields that the published struct has. */
static usmp_transport_t line(void)
{
  usmp_transport_t transport = {0};

  transport.send = peer_takes;
  transport.recv = pair_peer_say;
  transport.close = NULL;
  transport.reconnect = NULL;
  transport.available = peer_available;
  transport.destroy = NULL;
  transport.confirm_authenticated = NULL;
  transport.set_session_keys = NULL;
  transport.ctx = NULL;
  return transport;
}

static void begin(usmp_t *ctx, usmp_transport_t *transport)
{
  start_peer();
  ctx->psk = pair_psk;
  ctx->psk_len = sizeof pair_psk;
  assert_int_equal(usmp_connect(ctx, transport), USMP_OK);
  peer_waited = 0;
}

static void says(size_t len)
{
  assert_int_equal(usmp_conn_send(&pair_peer.conn, pair_psk, len, now), 0);
}

static uint8_t got[64];

/* ---- usmp_recv and available ---- */

static void recv_of_old_firmware_waits_half_a_second_at_most(void **state)
{
  usmp_t ctx = {0};
  usmp_transport_t transport = line();

  (void)state;
  begin(&ctx, &transport);
  uint32_t since = now;
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
  assert_true(ctx.timed_out);
  assert_int_equal(now - since, 500);
  ctx.recv_timeout_ms = 3000;
  since = now;
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
  assert_int_equal(now - since, 3000);
  usmp_close(&ctx);
}

static void recv_of_old_firmware_returns_zero_after_a_control_frame(void **state)
{
  usmp_t ctx = {0};
  usmp_transport_t transport = line();

  (void)state;
  begin(&ctx, &transport);
  assert_int_equal(usmp_ping(&ctx), USMP_OK);
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0); /* PONG */
  assert_true(ctx.timed_out);
  assert_int_equal(usmp_conn_ping(&pair_peer.conn, now), 0);
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0); /* PING */
  assert_int_equal(peer_waited, 0);
  assert_int_equal(usmp_conn_ping(&pair_peer.conn, now), 0);
  says(7);
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 7); /* a message behind it is not held up */
  assert_int_equal(peer_waited, 0);
  says(0);
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
  assert_false(ctx.timed_out); /* an empty message */
  usmp_close(&ctx);
}

static void messages_behind_the_first_are_not_seen_by_available(void **state)
{
  usmp_t ctx = {0};
  usmp_transport_t transport = line();

  (void)state;
  begin(&ctx, &transport);
  for (size_t i = 1; i <= 3; i++) says(i);
  for (int i = 1; i <= 3; i++) {
    assert_true(ctx.transport.available(&ctx.transport) > 0);
    assert_true(transport.available(&transport) > 0);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), i);
    assert_false(peer_available(NULL)); /* all of it came with the first */
    assert_int_equal(usmp_keepalive_tick(&ctx), USMP_OK);
  }
  assert_int_equal(ctx.transport.available(&ctx.transport), 0);
  assert_int_equal(transport.available(&transport), 0);
  usmp_close(&ctx);
  assert_int_equal(ctx.transport.available(&ctx.transport), 0);
}

/* ---- transports that were written for the published component ---- */

static int reason;

static int impatient_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  uint32_t wait_ms = t->wait_ms;
  t->wait_ms = wait_ms < 10 ? wait_ms : 10;
  int len = pair_peer_say(t, buf, max_len);
  t->wait_ms = wait_ms;
  if (len > 0) return len;
  errno = reason;
  return -1;
}

static int never_available(usmp_transport_t *t)
{
  (void)t;
  return 0;
}

static void transport_that_says_minus_one_at_its_own_timeout_ends_the_session(void **state)
{
  static const int timeouts[] = {EAGAIN, EWOULDBLOCK, EINTR, 0};

  (void)state;
  for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
    usmp_t ctx = {0};
    usmp_transport_t transport = line();
    transport.recv = impatient_recv;
    reason = timeouts[i];
    begin(&ctx, &transport);
    for (int n = 0; n < 5; n++) assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
    says(9);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 9);
    assert_true(usmp_is_connected(&ctx));
    usmp_close(&ctx);
  }
}

/* A real end is still one: errno says so, or `available` cannot vouch for the transport. */
static void transport_that_has_ended_is_taken_for_quiet(void **state)
{
  for (int i = 0; i < 2; i++) {
    usmp_t ctx = {0};
    usmp_transport_t transport = line();
    begin(&ctx, &transport);
    ctx.transport.recv = impatient_recv;
    if (i == 0) ctx.transport.own_available = never_available;
    else ctx.transport.own_available = NULL;
    reason = i == 0 ? ECONNRESET : 0;
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), USMP_ERR_TRUNCATED);
    assert_int_equal(ctx.last_err, USMP_ERR_TRUNCATED);
    usmp_close(&ctx);
  }
  (void)state;
}

static void confirms(usmp_transport_t *t, uint32_t seq)
{
  (void)t, (void)seq;
}

static bool closed;
static void on_close(usmp_transport_t *t)
{
  (void)t;
  closed = true;
}

static void transport_that_acknowledges_by_itself_is_told_so(void **state)
{
  usmp_t ctx = {.psk = pair_psk, .psk_len = sizeof pair_psk};
  usmp_transport_t transport = line();

  (void)state;
  transport.confirm_authenticated = confirms;
  transport.close = on_close;
  closed = false;
  logged = 0;
  assert_int_equal(usmp_connect(&ctx, &transport), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(logged, 'E');
  assert_true(closed);
}

/* ---- usmp_t ---- */

static void struct_that_nobody_zeroed_is_no_session(void **state)
{
  static const uint8_t patterns[] = {0xa5, 0xff, 0x01};

  (void)state;
  for (size_t i = 0; i < sizeof patterns; i++) {
    usmp_t ctx;
    usmp_transport_t transport = line();
    memset(&ctx, patterns[i], sizeof ctx);
    ctx.keepalive_ms = 15000;
    begin(&ctx, &transport);
    assert_int_equal(ctx.keepalive_ms, 15000);
    assert_int_equal(ctx.recv_timeout_ms, 0);
    assert_false(ctx.allow_weak_psk);
    assert_null(ctx.scratch);
    usmp_close(&ctx);
  }
}

static void settings_of_a_zeroed_struct_are_kept(void **state)
{
  static usmp_workspace_t memory;
  usmp_t ctx = {.recv_timeout_ms = 70, .allow_weak_psk = true, .scratch = &memory, .scratch_len = sizeof memory};

  (void)state;
  for (int i = 0; i < 2; i++) { /* a second session in the same struct */
    usmp_transport_t transport = line();
    begin(&ctx, &transport);
    assert_ptr_equal(ctx.work, &memory);
    assert_int_equal(ctx.recv_timeout_ms, 70);
    assert_true(ctx.allow_weak_psk);
    usmp_close(&ctx);
  }
}

/* What the application may read it may also have written. */
static void settings_are_lost_when_a_field_to_be_read_was_written(void **state)
{
  static usmp_workspace_t memory;
  const uint8_t suite = USMP_WITH_CHACHA20_POLY1305 ? USMP_CIPHER_CHACHA20_POLY1305 : USMP_CIPHER_AES256_GCM;

  (void)state;
  for (unsigned n = 0; n < 4; n++) {
    usmp_t ctx = {.cipher_suite = suite, .drop_late = true, .scratch = &memory, .scratch_len = sizeof memory};
    usmp_transport_t transport = line();
    if (n == 0) memset(ctx.device_id, 0x42, sizeof ctx.device_id);
    if (n == 1) ctx.last_err = USMP_ERR_NOT_CONNECTED, ctx.state = USMP_STATE_CONNECTING_SOCKET;
    if (n >= 2) ctx.transport = transport;
    ctx.psk = pair_psk;
    ctx.psk_len = sizeof pair_psk;
    start_peer();
    pair_peer.config.suite = suite;
    assert_int_equal(usmp_connect(&ctx, n == 3 ? &ctx.transport : &transport), USMP_OK);
    assert_int_equal(ctx.cipher_suite, suite);
    assert_true(ctx.drop_late);
    assert_ptr_equal(ctx.work, &memory);
    usmp_close(&ctx);
  }
}

/* One that lies in the session's struct is used like any other, also if nobody zeroed the rest. */
static void transport_in_the_struct_is_wiped(void **state)
{
  (void)state;
  for (unsigned n = 0; n < 2; n++) {
    usmp_t ctx;
    memset(&ctx, n ? 0xa5 : 0, sizeof ctx);
    ctx.transport = line();
    ctx.keepalive_ms = 15000;
    begin(&ctx, &ctx.transport);
    assert_int_equal(ctx.keepalive_ms, 15000);
    says(10);
    says(12);
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 10);
    assert_true(ctx.transport.available(&ctx.transport) > 0); /* the session's: this one came along with the other */
    assert_int_equal(usmp_recv(&ctx, got, sizeof got), 12);
    assert_int_equal(ctx.transport.available(&ctx.transport), 0);
    usmp_close(&ctx);
  }
}

/* ---- keepalive ---- */

static void keepalive_of_two_minutes_ends_a_quiet_session(void **state)
{
  static const uint32_t keepalives[] = {15000, 60000, 120000, 3600000, UINT32_MAX};

  (void)state;
  for (size_t i = 0; i < sizeof keepalives / sizeof keepalives[0]; i++) {
    usmp_t ctx = {0};
    usmp_transport_t transport = line();
    begin(&ctx, &transport);
    ctx.keepalive_ms = keepalives[i];
    for (uint32_t end = now + 10000000u; (int32_t)(end - now) > 0;) {
      usmp_port_delay_ms(1000);
      if (ctx.transport.available(&ctx.transport) > 0) assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
      assert_int_equal(usmp_keepalive_tick(&ctx), USMP_OK);
    }
    usmp_close(&ctx);
  }
}

static void watchdog_bites_while_a_call_waits(void **state)
{
  usmp_t ctx = {.recv_timeout_ms = 60000};
  usmp_transport_t transport = line();

  (void)state;
  begin(&ctx, &transport);
  fed = 0;
  assert_int_equal(usmp_recv(&ctx, got, sizeof got), 0);
  assert_true(fed >= 60);
  usmp_close(&ctx);
}

/* ---- names ---- */

static void frames_by_their_published_names(void **state)
{
  usmp_packet_t packet = {.magic = USMP_MAGIC, .version = USMP_VERSION, .type = USMP_TYPE_DATA, .seq = 0x01020304, .length = 3};
  usmp_packet_t back;
  uint8_t frame[USMP_HEADER_SIZE + USMP_MAX_PAYLOAD];
  uint8_t header[10];
  uint16_t len = 0;

  (void)state;
  memcpy(packet.payload, "abc", 3);
  assert_int_equal(usmp_build_packet(&packet, frame, &len), 15);
  assert_int_equal(len, 15);
  usmp_serialize_header(packet.magic, packet.version, packet.type, packet.seq, packet.length, header);
  assert_memory_equal(frame, header, sizeof header);
  assert_int_equal(usmp_parse_packet(frame, len, &back), 0);
  assert_int_equal(back.seq, packet.seq);
  assert_int_equal(back.crc, packet.crc);
  assert_memory_equal(back.payload, "abc", 3);
  assert_int_equal(usmp_crc16((const uint8_t *)"123456789", 9), 0x4b37); /* CRC-16/MODBUS */
  frame[13] ^= 1;
  assert_true(usmp_parse_packet(frame, len, &back) < 0);
  assert_true(usmp_parse_packet(frame, -1, &back) < 0);
  packet.length = USMP_MAX_PAYLOAD + 1;
  assert_true(usmp_build_packet(&packet, frame, &len) < 0);
}

static void version_and_log_levels(void **state)
{
  char version[32];

  (void)state;
  snprintf(version, sizeof version, "%d.%d.%d", USMP_VERSION_MAJOR, USMP_VERSION_MINOR, USMP_VERSION_PATCH);
  assert_string_equal(usmp_get_version(), version);
  assert_string_equal(usmp_strerror(USMP_ERR_PEER_CLOSED), "CLOSED");
  assert_int_equal(usmp_get_log_level(), USMP_LOG_LEVEL_INFO);
  usmp_set_log_level(USMP_LOG_LEVEL_WARN);
  logged = 0;
  USMP_LOGI("t", "no");
  USMP_LOGD("t", "no");
  assert_int_equal(logged, 0);
  USMP_LOGW("t", "yes");
  assert_int_equal(logged, 'W');
  usmp_set_log_level(USMP_LOG_LEVEL_NONE);
  USMP_LOGE("t", "no");
  assert_int_equal(logged, 'W');
  usmp_set_log_level(USMP_LOG_LEVEL_INFO);
}

static void handshake_by_its_published_names(void **state)
{
  usmp_t ctx = {.psk = pair_psk, .psk_len = sizeof pair_psk};
  usmp_transport_t transport = line();

  (void)state;
  start_peer();
  assert_int_equal(usmp_handshake_start(&transport, &ctx), USMP_OK);
  while (ctx.state != USMP_STATE_ESTABLISHED) assert_int_equal(usmp_handshake_step(&transport, &ctx), USMP_OK);
  usmp_handshake_abort(&transport, &ctx);
  assert_false(ctx.established);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(recv_of_old_firmware_waits_half_a_second_at_most),
    cmocka_unit_test(recv_of_old_firmware_returns_zero_after_a_control_frame),
    cmocka_unit_test(messages_behind_the_first_are_not_seen_by_available),
    cmocka_unit_test(transport_that_says_minus_one_at_its_own_timeout_ends_the_session),
    cmocka_unit_test(transport_that_has_ended_is_taken_for_quiet),
    cmocka_unit_test(transport_that_acknowledges_by_itself_is_told_so),
    cmocka_unit_test(struct_that_nobody_zeroed_is_no_session),
    cmocka_unit_test(settings_of_a_zeroed_struct_are_kept),
    cmocka_unit_test(settings_are_lost_when_a_field_to_be_read_was_written),
    cmocka_unit_test(transport_in_the_struct_is_wiped),
    cmocka_unit_test(keepalive_of_two_minutes_ends_a_quiet_session),
    cmocka_unit_test(watchdog_bites_while_a_call_waits),
    cmocka_unit_test(frames_by_their_published_names),
    cmocka_unit_test(version_and_log_levels),
    cmocka_unit_test(handshake_by_its_published_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
