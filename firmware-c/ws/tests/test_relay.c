/* A peer at a relay: what a pair key gives, days, the JOIN, and how it waits. The port is played here, with a clock that goes on only
   while somebody waits. */
#include "usmp_relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "usmp/frame.h"
#include "ws_transport.h"

#define NOON 1796040000u     /* 2026-11-30 12:00 */
#define MIDNIGHT 1796083200u /* 2026-12-01 00:00 */

static usmp_relay_t relay;
static uint32_t now;

/* The port, and the relay behind it. */
static struct {
  bool up;
  int opened;
  int closed;
  uint16_t status;
  char path[USMP_WS_PATH_SIZE];
  uint8_t sent[8][USMP_MAX_FRAME_SIZE];
  size_t sent_len[8];
  int sent_count;
  int room;               /* so many are taken; 0: all; less: it has failed */
  uint32_t peer_comes_at; /* 0: never */
  uint16_t closes_with;   /* in the next wait */
} played;

uint32_t usmp_port_millis(void)
{
  return now;
}

int usmp_ws_port_init(usmp_ws_t *ws)
{
  (void)ws;
  return 0;
}

void usmp_ws_port_release(usmp_ws_t *ws)
{
  (void)ws;
}

void usmp_ws_port_lock(usmp_ws_t *ws)
{
  (void)ws;
}

void usmp_ws_port_unlock(usmp_ws_t *ws)
{
  (void)ws;
}

void usmp_ws_port_wake(usmp_ws_t *ws)
{
  (void)ws;
}

void usmp_ws_port_resume(usmp_ws_t *ws)
{
  (void)ws;
}

static void says(usmp_ws_t *ws, uint8_t word)
{
  const usmp_ws_part_t part = {.bytes = &word, .len = 1, .first = true, .last = true, .binary = true};
  assert_int_equal(usmp_ws_received(ws, &part), USMP_WS_GO_ON);
}

void usmp_ws_port_wait(usmp_ws_t *ws, uint32_t wait_ms)
{
  now += wait_ms;
  if (played.closes_with) {
    usmp_ws_closing(ws, played.closes_with, (const uint8_t *)"too\nmany", 8);
    usmp_ws_ended(ws, "the connection was lost");
  } else if (ws->link.phase == USMP_WS_JOINING) {
    says(ws, 1);
  } else if (played.peer_comes_at && now >= played.peer_comes_at && ws->link.phase == USMP_WS_WAITING) {
    says(ws, 2);
  }
}

int usmp_ws_port_open(usmp_ws_t *ws)
{
  played.opened++;
  strcpy(played.path, ws->address.path);
  assert_string_equal(ws->subprotocol, "usmp-relay.1");
  if (played.up) usmp_ws_opened(ws);
  else usmp_ws_ended(ws, "nobody listens");
  return 0;
}

void usmp_ws_port_close(usmp_ws_t *ws, uint16_t status)
{
  (void)ws;
  played.closed++;
  played.status = status;
}

int usmp_ws_port_send(usmp_ws_t *ws, const uint8_t *message, size_t len)
{
  (void)ws;
  if (played.room < 0) return USMP_ERR_TRANSPORT_FAILED;
  if (played.room > 0 && played.sent_count >= played.room) return USMP_SEND_NO_ROOM;
  int place = played.sent_count++ % 8;
  memcpy(played.sent[place], message, len);
  played.sent_len[place] = len;
  return 0;
}

/* As the only route in these tests has it: its first byte is enough. */
int usmp_ws_port_sha256(const uint8_t *data, size_t len, uint8_t out[32])
{
  assert_int_equal(len, USMP_RELAY_ROUTE_SIZE);
  memset(out, data[0] ^ 0x5A, 32);
  return 0;
}

/* Of an independent script: packages/relay/test/pairing/vectors.json. */
static const struct {
  uint8_t pair_key[USMP_PAIR_KEY_SIZE];
  uint8_t psk[USMP_KEY_SIZE];
  const char *day;
  uint8_t route[USMP_RELAY_ROUTE_SIZE];
  uint8_t device_id[USMP_DEVICE_ID_LEN];
} vectors[] = {
  {{0x12, 0xb1, 0xe6, 0x6d, 0xaf, 0xbc, 0x90, 0xd8, 0xd1, 0x18, 0xb4, 0x61, 0xfa, 0x86, 0x90, 0xa7,
    0x6d, 0x67, 0xb3, 0x1c, 0x2d, 0x79, 0xa8, 0x53, 0x38, 0x40, 0x5c, 0x6f, 0xde, 0xed, 0x18, 0x7b},
   {0xb8, 0x41, 0xc6, 0x88, 0x08, 0xcd, 0xe7, 0xf7, 0x25, 0x1b, 0x12, 0xda, 0xa9, 0x8c, 0x19, 0xce,
    0x24, 0xd7, 0xc9, 0x8c, 0x3b, 0x31, 0x9c, 0x6b, 0xf8, 0x4b, 0xf6, 0x3d, 0x39, 0x50, 0x1c, 0x0a},
   "2026-11-30",
   {0xc9, 0x03, 0x66, 0x2e, 0x74, 0x7a, 0x3d, 0xc5, 0x96, 0xf1, 0x8f, 0xf6, 0x6e, 0x86, 0xca, 0xe3},
   {0xc2, 0xce, 0x56, 0x7a, 0x17, 0x72}},
  {{0xf3, 0x00, 0xae, 0x8d, 0xfe, 0xdb, 0x07, 0xfb, 0xdd, 0x4b, 0xd3, 0x5d, 0x9b, 0x4a, 0x67, 0x86,
    0x66, 0x26, 0xf8, 0xb7, 0xde, 0x94, 0x9b, 0xad, 0x52, 0xad, 0x7b, 0xce, 0x83, 0xd4, 0x1d, 0x01},
   {0x6a, 0x87, 0xe3, 0x24, 0x95, 0xb4, 0x9f, 0xce, 0xdf, 0xb3, 0x95, 0x91, 0x47, 0xdf, 0x34, 0x9e,
    0x1d, 0x5c, 0x56, 0x11, 0x32, 0x5d, 0x9c, 0x10, 0x7e, 0x7a, 0xc7, 0xe8, 0x93, 0xbf, 0x5a, 0xef},
   "2027-01-01",
   {0xc0, 0x8b, 0x10, 0xbe, 0x91, 0xa8, 0x87, 0x80, 0x0a, 0x09, 0xe7, 0xd6, 0xbf, 0x8b, 0x99, 0x7b},
   {0x06, 0x94, 0xe9, 0x5c, 0x16, 0x56}},
  {{0x6d, 0x0d, 0x0d, 0xf9, 0x58, 0xe5, 0x5b, 0xeb, 0x0b, 0x70, 0xcd, 0x2a, 0x11, 0xf9, 0x68, 0x92,
    0x78, 0x9b, 0x5a, 0xb2, 0x1a, 0x54, 0x6d, 0xa6, 0xd0, 0x12, 0x55, 0x88, 0x37, 0x28, 0x99, 0x24},
   {0x02, 0xdd, 0x44, 0xc0, 0xf0, 0x1a, 0x98, 0x92, 0xa0, 0x26, 0x28, 0xe4, 0xb4, 0x3c, 0x47, 0xbe,
    0x05, 0xbe, 0xb9, 0x8a, 0x1b, 0x81, 0xb3, 0xfc, 0x95, 0xd5, 0x39, 0x4b, 0xa1, 0xad, 0x20, 0x40},
   "2028-02-29",
   {0x66, 0xe4, 0x2a, 0x14, 0x37, 0x7f, 0x59, 0x8a, 0xaf, 0xd6, 0xef, 0x6e, 0x7b, 0x69, 0x36, 0x22},
   {0x22, 0x9e, 0x91, 0xef, 0xfb, 0x07}},
};

static void what_a_pair_key_gives(void **state)
{
  usmp_pair_day_t day;
  uint8_t psk[USMP_KEY_SIZE];

  (void)state;
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    assert_int_equal(usmp_pair_day(usmp_port_crypto(), vectors[i].pair_key, vectors[i].day, &day), 0);
    assert_memory_equal(day.route, vectors[i].route, sizeof day.route);
    assert_memory_equal(day.device_id, vectors[i].device_id, sizeof day.device_id);
    assert_int_equal(usmp_pair_psk(usmp_port_crypto(), vectors[i].pair_key, psk), 0);
    assert_memory_equal(psk, vectors[i].psk, sizeof psk);
  }
}

static void days(void **state)
{
  char day[USMP_RELAY_DAY_SIZE];
  char expected[20];

  (void)state;
  for (uint64_t seconds = 0; seconds < 253402300800u; seconds += 86400u * 3 + 1234) {
    time_t time = (time_t)seconds;
    struct tm parts;
    gmtime_r(&time, &parts);
    strftime(expected, sizeof expected, "%Y-%m-%d", &parts);
    usmp_relay_day(seconds, day);
    assert_string_equal(day, expected);
  }
  usmp_relay_day(253402300799u, day);
  assert_string_equal(day, "9999-12-31");
}

static void behind_a_fault_nothing_is_taken(void **state)
{
  static usmp_ws_t ws;
  static const uint8_t frame[USMP_HEADER_SIZE] = {USMP_MAGIC_0, USMP_MAGIC_1, USMP_WIRE_VERSION, USMP_TYPE_PING};
  const usmp_ws_part_t text = {.bytes = frame, .len = sizeof frame, .first = true, .last = true, .binary = false};
  const usmp_ws_part_t good = {.bytes = frame, .len = sizeof frame, .first = true, .last = true, .binary = true};
  const usmp_ws_part_t empty = {.bytes = frame, .len = 0, .first = true, .last = true, .binary = true};
  usmp_transport_t transport;
  uint8_t out[USMP_MAX_FRAME_SIZE];

  (void)state;
  memset(&ws, 0, sizeof ws);
  usmp_ws_as_transport(&transport, &ws);
  assert_int_equal(usmp_ws_received(&ws, &good), USMP_WS_GO_ON);
  assert_int_equal(transport.available(&transport), 1);
  assert_int_equal(usmp_ws_received(&ws, &empty), USMP_WS_CLOSE_PROTOCOL_ERROR);
  assert_int_equal(usmp_ws_received(&ws, &good), USMP_WS_CLOSE_PROTOCOL_ERROR);
  assert_int_equal(usmp_ws_received(&ws, &text), USMP_WS_CLOSE_PROTOCOL_ERROR);
  assert_string_equal(usmp_ws_problem(&ws), "the server sent a message that is not a whole frame");
  assert_int_equal(transport.recv(&transport, out, sizeof out), sizeof frame); /* what came before it is good */
  assert_int_equal(transport.recv(&transport, out, sizeof out), USMP_ERR_TRANSPORT_FAILED);
}

static void frames_wait_while_the_client_has_no_room(void **state)
{
  static usmp_ws_t ws;
  uint8_t stream[3 * USMP_MAX_FRAME_SIZE] = {0};
  usmp_transport_t transport;
  size_t len = 0;

  (void)state;
  memset(&ws, 0, sizeof ws);
  memset(&played, 0, sizeof played);
  usmp_ws_as_transport(&transport, &ws);
  for (size_t payload = 100; payload <= 300; payload += 100) {
    int frame = usmp_frame_encode(USMP_WIRE_VERSION, stream + len, USMP_TYPE_DATA, 1, payload);
    assert_true(frame > 0);
    len += (size_t)frame;
  }
  played.room = 1;
  assert_int_equal(transport.send(&transport, stream, len), 112 + 0); /* the first one; of the second nothing */
  assert_int_equal(transport.send(&transport, stream + 112, 50), 50);
  assert_int_equal(transport.send(&transport, stream + 162, len - 162), USMP_SEND_NO_ROOM);
  assert_int_equal(played.sent_count, 1);
  played.room = 9;
  assert_int_equal(transport.send(&transport, stream + 162, len - 162), (int)(len - 162));
  assert_int_equal(played.sent_count, 3);
  assert_memory_equal(played.sent[1], stream + 112, 212);
  assert_memory_equal(played.sent[2], stream + 324, 312);
  played.room = -1;
  assert_int_equal(transport.send(&transport, stream, 112), USMP_ERR_TRANSPORT_FAILED);
}

#if USMP_WITH_CHACHA20_POLY1305 /* the suite of every pair */

static void start(uint8_t side, const uint8_t *token, size_t token_len)
{
  const usmp_relay_config_t config = {
    .ws = {.url = "wss://relay"}, .pair_key = vectors[0].pair_key, .side = side, .token = token, .token_len = token_len};

  usmp_relay_stop(&relay);
  memset(&played, 0, sizeof played);
  played.up = true;
  now = 1000;
  assert_int_equal(usmp_relay_start(&relay, &config), 0);
}

static int meet(uint64_t time, uint32_t wait_ms)
{
  static usmp_workspace_t workspace;
  usmp_t ctx = {.scratch = &workspace, .scratch_len = sizeof workspace};

  return usmp_relay_meet(&relay, &ctx, time, wait_ms);
}

static void assert_joined(const char *day)
{
  usmp_pair_day_t expected;
  const uint8_t *join = played.sent[(played.sent_count - 1) % 8];

  assert_int_equal(usmp_pair_day(usmp_port_crypto(), vectors[0].pair_key, day, &expected), 0);
  assert_memory_equal(join + 4, expected.route, sizeof expected.route);
}

static void join_is_what_the_specification_says(void **state)
{
  static const uint8_t token[3] = {9, 8, 7};
  uint8_t expected[24] = {0x55, 0x52, 1, 1};

  (void)state;
  start(1, token, sizeof token);
  assert_int_equal(meet(NOON, 500), USMP_ERR_NOT_CONNECTED);
  memcpy(expected + 4, vectors[0].route, 16);
  expected[20] = 3;
  memcpy(expected + 21, token, 3);
  assert_int_equal(played.sent_count, 1);
  assert_int_equal(played.sent_len[0], sizeof expected);
  assert_memory_equal(played.sent[0], expected, sizeof expected);
  assert_string_equal(played.path, "/relay?s=93"); /* c9 ^ 5a */
  usmp_relay_stop(&relay);
  start(0, NULL, 0);
  assert_int_equal(meet(NOON, 500), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(played.sent_len[0], 21);
  assert_int_equal(played.sent[0][3], 0);
}

static void paths_of_relays(void **state)
{
  static const struct {
    const char *url;
    const char *path;
  } cases[] = {{"wss://relay/", "/relay?s=93"}, {"wss://relay/own", "/own?s=93"}, {"wss://relay/own?a=b", "/own?a=b&s=93"}};

  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    start(0, NULL, 0);
    relay.config.ws.url = cases[i].url;
    assert_int_equal(meet(NOON, 0), USMP_ERR_NOT_CONNECTED);
    assert_string_equal(played.path, cases[i].path);
    usmp_relay_stop(&relay);
  }
}

static void it_keeps_its_place_while_it_waits(void **state)
{
  (void)state;
  start(0, NULL, 0);
  for (int i = 0; i < 9; i++) assert_int_equal(meet(NOON, 30000), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(played.opened, 1);
  for (int i = 0; i < 3; i++) assert_int_equal(meet(NOON, 30000), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(played.opened, 2); /* after five minutes: the connection may be dead */
  assert_int_equal(played.closed, 1);
  assert_int_equal(played.status, 1000);
}

static void near_midnight_it_is_at_both_days_by_turns(void **state)
{
  (void)state;
  for (uint8_t side = 0; side < 2; side++) {
    uint32_t turn = side == 0 ? 20000 : 6000;
    start(side, NULL, 0);
    assert_int_equal(meet(MIDNIGHT - 300, turn), USMP_ERR_NOT_CONNECTED);
    assert_joined("2026-11-30");
    assert_int_equal(meet(MIDNIGHT - 290, turn), USMP_ERR_NOT_CONNECTED);
    assert_joined("2026-12-01");
    assert_int_equal(meet(MIDNIGHT - 280, turn), USMP_ERR_NOT_CONNECTED);
    assert_joined("2026-11-30");
    assert_int_equal(meet(MIDNIGHT + 10, turn), USMP_ERR_NOT_CONNECTED);
    assert_joined("2026-11-30");
    assert_int_equal(meet(MIDNIGHT + 299, turn), USMP_ERR_NOT_CONNECTED);
    assert_joined("2026-12-01");
    assert_int_equal(played.opened, 5);
    assert_int_equal(meet(MIDNIGHT + 300, turn), USMP_ERR_NOT_CONNECTED);
    assert_joined("2026-12-01");
    usmp_relay_stop(&relay);
  }
  start(0, NULL, 0); /* the margin begins while it waits */
  assert_int_equal(meet(MIDNIGHT - 302, 1000), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(meet(MIDNIGHT - 300, 1000), USMP_ERR_NOT_CONNECTED);
  assert_int_equal(played.opened, 2);
}

static void client_says_hello_with_the_id_of_the_day(void **state)
{
  usmp_pair_day_t day;

  (void)state;
  start(1, NULL, 0);
  played.peer_comes_at = 3000;
  assert_int_equal(meet(NOON, 30000), USMP_ERR_HANDSHAKE_TIMEOUT);
  assert_int_equal(played.sent_count, 2);
  assert_int_equal(usmp_pair_day(usmp_port_crypto(), vectors[0].pair_key, "2026-11-30", &day), 0);
  assert_int_equal(played.sent[1][3], USMP_TYPE_HELLO);
  assert_memory_equal(played.sent[1] + USMP_HEADER_SIZE, day.device_id, USMP_DEVICE_ID_LEN);
  assert_int_equal(played.closed, 1);
  assert_int_equal(meet(NOON, 0), USMP_ERR_NOT_CONNECTED); /* it dials again */
  assert_int_equal(played.opened, 2);
}

static void server_waits_for_a_hello_behind_the_peer(void **state)
{
  (void)state;
  start(0, NULL, 0);
  played.peer_comes_at = 3000;
  assert_int_equal(meet(NOON, 30000), USMP_ERR_HANDSHAKE_TIMEOUT);
  assert_int_equal(played.sent_count, 1);
  assert_int_equal(now >= 3000 + USMP_HANDSHAKE_MS, true);
}

static void relay_that_is_away_or_closes(void **state)
{
  (void)state;
  start(1, NULL, 0);
  played.up = false;
  assert_int_equal(meet(NOON, 1000), USMP_ERR_UNREACHABLE);
  assert_string_equal(usmp_ws_problem(&relay.ws), "nobody listens");
  played.up = true;
  played.closes_with = USMP_RELAY_LIMIT;
  assert_int_equal(meet(NOON, 1000), USMP_ERR_UNREACHABLE);
  assert_int_equal(usmp_ws_close_code(&relay.ws), USMP_RELAY_LIMIT);
  assert_string_equal(usmp_ws_problem(&relay.ws), "the server closed with 4004: too?many");
  played.closes_with = 0;
  assert_int_equal(meet(NOON, 1000), USMP_ERR_NOT_CONNECTED);
  assert_string_equal(usmp_ws_problem(&relay.ws), "");
  assert_int_equal(usmp_ws_close_code(&relay.ws), 0);
}

/* As at a peer in TypeScript: without TLS anybody on the way reads the route and the token. */
static void in_the_network_over_tls_alone(void **state)
{
  static const char *const refused[] = {"ws://relay", "ws://192.0.2.1", "ws://127.example.org", "ws://[2001:db8::1]",
                                        "ws://localhost.example"};
  static const char *const taken[] = {"wss://relay", "ws://127.0.0.1:8740", "ws://[::1]", "ws://localhost"};
  usmp_relay_config_t config = {.pair_key = vectors[0].pair_key};

  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    config.ws.url = refused[i];
    assert_int_equal(usmp_relay_start(&relay, &config), USMP_ERR_INVALID_ARGUMENT);
  }
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
    config.ws.url = taken[i];
    assert_int_equal(usmp_relay_start(&relay, &config), 0);
    usmp_relay_stop(&relay);
  }
}

static void mistakes(void **state)
{
  static const uint8_t zeros[USMP_PAIR_KEY_SIZE] = {0};
  const usmp_relay_config_t good = {.ws = {.url = "wss://relay"}, .pair_key = vectors[0].pair_key};
  usmp_t ctx = {0};

  (void)state;
  memset(&relay, 0, sizeof relay);
  assert_int_equal(usmp_relay_meet(&relay, &ctx, NOON, 0), USMP_ERR_INVALID_ARGUMENT);
  usmp_relay_config_t config = good;
  config.pair_key = zeros;
  assert_int_equal(usmp_relay_start(&relay, &config), USMP_ERR_WEAK_PSK);
  config = good;
  config.side = 2;
  assert_int_equal(usmp_relay_start(&relay, &config), USMP_ERR_INVALID_ARGUMENT);
  config = good;
  config.token = zeros;
  config.token_len = USMP_RELAY_MAX_TOKEN + 1;
  assert_int_equal(usmp_relay_start(&relay, &config), USMP_ERR_INVALID_ARGUMENT);
  config = good;
  config.ws.url = "tcp://relay";
  assert_int_equal(usmp_relay_start(&relay, &config), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_relay_start(&relay, &good), 0);
  usmp_relay_stop(&relay);
  assert_true(usmp_is_zero(relay.psk, sizeof relay.psk));
  assert_int_equal(usmp_relay_meet(&relay, &ctx, NOON, 0), USMP_ERR_INVALID_ARGUMENT);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(behind_a_fault_nothing_is_taken),
    cmocka_unit_test(frames_wait_while_the_client_has_no_room),
    cmocka_unit_test(what_a_pair_key_gives),
    cmocka_unit_test(days),
    cmocka_unit_test(join_is_what_the_specification_says),
    cmocka_unit_test(paths_of_relays),
    cmocka_unit_test(it_keeps_its_place_while_it_waits),
    cmocka_unit_test(near_midnight_it_is_at_both_days_by_turns),
    cmocka_unit_test(client_says_hello_with_the_id_of_the_day),
    cmocka_unit_test(server_waits_for_a_hello_behind_the_peer),
    cmocka_unit_test(relay_that_is_away_or_closes),
    cmocka_unit_test(in_the_network_over_tls_alone),
    cmocka_unit_test(mistakes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void without_its_suite_there_is_no_peer(void **state)
{
  const usmp_relay_config_t config = {.ws = {.url = "wss://relay"}, .pair_key = vectors[0].pair_key};

  (void)state;
  assert_int_equal(usmp_relay_start(&relay, &config), USMP_ERR_CRYPTO_FAILED);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(behind_a_fault_nothing_is_taken),
    cmocka_unit_test(frames_wait_while_the_client_has_no_room),
    cmocka_unit_test(what_a_pair_key_gives),
    cmocka_unit_test(days),
    cmocka_unit_test(without_its_suite_there_is_no_peer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
