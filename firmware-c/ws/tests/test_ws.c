/* What a WebSocket's messages do to a device: addresses, the queue, where a frame ends, and what a relay says. Anybody may have sent
   them. */
#include "ws_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "usmp/frame.h"

static usmp_ws_link_t a_link;

static int new_link(void **state)
{
  (void)state;
  usmp_ws_link_reset(&a_link, USMP_WS_FRAMES);
  return 0;
}

static int comes(const void *bytes, size_t len, bool first, bool last)
{
  const usmp_ws_part_t part = {.bytes = bytes, .len = len, .first = first, .last = last, .binary = true};
  return usmp_ws_link_receive(&a_link, &part);
}

static int comes_whole(const void *bytes, size_t len)
{
  return comes(bytes, len, true, true);
}

/* Returns its length. */
static size_t make_frame(uint8_t *out, size_t payload_len, uint8_t fill)
{
  memset(out + USMP_HEADER_SIZE, fill, payload_len);
  int len = usmp_frame_encode(USMP_WIRE_VERSION, out, USMP_TYPE_DATA, fill, payload_len);
  assert_true(len > 0);
  return (size_t)len;
}

static void addresses(void **state)
{
  static const struct {
    const char *url;
    const char *host;
    const char *path;
    int port;
    bool tls;
  } good[] = {
    {"ws://hub", "hub", "/", 80, false},
    {"wss://hub.example", "hub.example", "/", 443, true},
    {"wss://hub:8443/usmp", "hub", "/usmp", 8443, true},
    {"ws://[::1]:9001/a/b?c=d&e", "::1", "/a/b?c=d&e", 9001, false},
    {"ws://[::1]", "::1", "/", 80, false},
    {"ws://10.0.0.1:65535?x", "10.0.0.1", "/?x", 65535, false},
  };
  static const char *const wrong[] = {
    "",         "hub",          "http://hub",      "ws://",           "wss:///path",     "ws://hub:",       "ws://hub:0",
    "ws://h:x", "ws://h:65536", "ws://h:99999999", "ws://me@hub",     "ws://[::1",       "ws://[::1]x",     "ws://[]:1",
    "ws://a b", "ws://h/a b",   "ws://h/a#b",      "ws://h/\r\nX: y", "ws://h\r\nX: y/", "ws://h/\xc3\xa4", "ws://h:80:81",
    "ws://::1", "ws://h\\x",    "wss:/h",          "ws://h:-1",       "ws://h: 1",
  };
  char long_url[200] = "ws://h/";
  usmp_ws_address_t address;

  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_int_equal(usmp_ws_parse_url(good[i].url, &address), 0);
    assert_string_equal(address.host, good[i].host);
    assert_string_equal(address.path, good[i].path);
    assert_int_equal(address.port, good[i].port);
    assert_int_equal(address.tls, good[i].tls);
  }
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(usmp_ws_parse_url(wrong[i], &address), USMP_ERR_INVALID_ARGUMENT);
  }
  memset(long_url + 7, 'p', 119);
  assert_int_equal(usmp_ws_parse_url(long_url, &address), 0);
  assert_int_equal(strlen(address.path), 120);
  long_url[126] = 'p';
  assert_int_equal(usmp_ws_parse_url(long_url, &address), USMP_ERR_INVALID_ARGUMENT);
}

static void messages_in_order_as_many_as_have_room(void **state)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  uint8_t out[USMP_MAX_FRAME_SIZE];
  uint8_t sent = 0;
  uint8_t taken = 0;

  (void)state;
  assert_int_equal(usmp_ws_link_take(&a_link, out, sizeof out), 0);
  for (int round = 0; round < 5; round++) { /* past the end of the ring */
    for (; usmp_ws_link_has_room(&a_link); sent++) {
      size_t len = make_frame(frame, sent * 37u % (USMP_MAX_PAYLOAD + 1), sent);
      assert_int_equal(comes_whole(frame, len), 0);
    }
    for (; usmp_ws_link_has_room(&a_link) == false || a_link.used > 2000; taken++) {
      size_t len = usmp_ws_link_take(&a_link, out, sizeof out);
      assert_int_equal(len, make_frame(frame, taken * 37u % (USMP_MAX_PAYLOAD + 1), taken));
      assert_memory_equal(out, frame, len);
    }
  }
  assert_true(taken > 100);
}

static void what_is_read_ahead_has_room_and_no_more(void **state)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  size_t len = make_frame(frame, USMP_MAX_PAYLOAD, 1);
  size_t ahead = 0;

  (void)state;
  while (usmp_ws_link_has_room(&a_link)) assert_int_equal(comes_whole(frame, len), 0);
  while (comes_whole(frame, len) == 0) ahead += len + 4; /* with the header of the WebSocket frame */
  assert_true(ahead + len + 4 > USMP_WS_READ_AHEAD);
  assert_int_equal(comes_whole(frame, len), USMP_ERR_QUEUE_FULL);
  assert_true(a_link.used <= USMP_WS_BUFFER);
}

static void taken_in_parts(void **state)
{
  uint8_t frame[2 * USMP_MAX_FRAME_SIZE];
  uint8_t out[USMP_MAX_FRAME_SIZE];
  size_t len = make_frame(frame, 100, 1);
  size_t at = 0;

  (void)state;
  size_t second = make_frame(frame + len, 5, 2);
  comes_whole(frame, len);
  comes_whole(frame + len, second);
  for (size_t part; (part = usmp_ws_link_take(&a_link, out, 33)) > 0; at += part) assert_memory_equal(out, frame + at, part);
  assert_int_equal(at, len + second);
}

static void a_message_in_fragments(void **state)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  uint8_t out[USMP_MAX_FRAME_SIZE];
  size_t len = make_frame(frame, USMP_MAX_PAYLOAD, 7);

  (void)state;
  for (size_t i = 0; i < len; i++) {
    assert_int_equal(usmp_ws_link_take(&a_link, out, sizeof out), 0);
    assert_int_equal(comes(frame + i, 1, i == 0, i + 1 == len), 0);
  }
  assert_int_equal(usmp_ws_link_take(&a_link, out, sizeof out), len);
  assert_memory_equal(out, frame, len);
}

static void what_is_not_one_frame(void **state)
{
  uint8_t bytes[USMP_MAX_FRAME_SIZE + 8] = {0};
  const usmp_ws_part_t text = {.bytes = bytes, .len = 20, .first = true, .last = true, .binary = false};
  size_t len = make_frame(bytes, 20, 1);

  (void)state;
  assert_int_equal(usmp_ws_link_receive(&a_link, &text), USMP_ERR_BAD_MAGIC);
  assert_int_equal(comes_whole(NULL, 0), USMP_ERR_INCOMPLETE);
  for (size_t part = 1; part < len; part++) assert_int_equal(comes_whole(bytes, part), USMP_ERR_INCOMPLETE);
  assert_int_equal(comes_whole(bytes, len + 1), USMP_ERR_TRAILING_BYTES);
  assert_int_equal(comes_whole(bytes, USMP_MAX_FRAME_SIZE + 1), USMP_ERR_TRAILING_BYTES);
  assert_int_equal(comes(bytes, USMP_MAX_FRAME_SIZE, true, false), 0);
  assert_int_equal(comes(bytes, 1, false, true), USMP_ERR_TRAILING_BYTES);
  assert_int_equal(a_link.used, 0);
  bytes[0] ^= 1; /* another magic: the engine names it */
  assert_int_equal(comes_whole(bytes, len), 0);
  assert_int_equal(usmp_ws_link_take(&a_link, bytes, sizeof bytes), len);
}

static void what_a_relay_says(void **state)
{
  static const uint8_t waiting[] = {1};
  static const uint8_t peer[] = {2};
  static const uint8_t wrong[][2] = {{0, 0}, {3, 0}, {1, 1}, {2, 2}};
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  size_t len = make_frame(frame, 9, 1);

  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    usmp_ws_link_reset(&a_link, USMP_WS_JOINING);
    assert_int_equal(comes_whole(wrong[i], i < 2 ? 1 : 2), USMP_ERR_UNEXPECTED_PACKET);
    assert_int_equal(a_link.phase, USMP_WS_JOINING);
  }
  assert_int_equal(comes_whole(NULL, 0), USMP_ERR_UNEXPECTED_PACKET);
  assert_int_equal(comes_whole(frame, len), USMP_ERR_UNEXPECTED_PACKET);
  assert_int_equal(comes_whole(waiting, 1), 0);
  assert_int_equal(a_link.phase, USMP_WS_WAITING);
  assert_int_equal(comes_whole(peer, 1), 0);
  assert_int_equal(a_link.phase, USMP_WS_FRAMES);
  assert_int_equal(a_link.used, 0);
  assert_int_equal(comes_whole(frame, len), 0);
  assert_int_equal(comes_whole(peer, 1), USMP_ERR_INCOMPLETE); /* it has nothing more to say */
  assert_int_equal(usmp_ws_link_take(&a_link, frame, sizeof frame), len);
}

static void frames_leave_one_by_one(void **state)
{
  static const size_t payloads[] = {0, 1, 480, 28, 479};
  uint8_t stream[5 * USMP_MAX_FRAME_SIZE];
  size_t ends[5];
  size_t len = 0;

  (void)state;
  for (size_t i = 0; i < 5; i++) ends[i] = len += make_frame(stream + len, payloads[i], (uint8_t)i);
  for (size_t step = 1; step < 700; step += 13) {
    size_t at = 0;
    size_t frame = 0;
    size_t begin = 0;
    while (at < len) {
      size_t part = step < len - at ? step : len - at;
      size_t used = usmp_ws_link_collect(&a_link, stream + at, part);
      at += used;
      assert_true(used > 0 && used <= part);
      if (!usmp_ws_link_is_whole(&a_link)) continue;
      assert_int_equal(at, ends[frame]);
      assert_int_equal(a_link.tx_len, ends[frame] - begin);
      assert_memory_equal(a_link.tx, stream + begin, a_link.tx_len);
      begin = ends[frame++];
      a_link.tx_len = 0;
    }
    assert_int_equal(frame, 5);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(addresses, new_link),
    cmocka_unit_test_setup(messages_in_order_as_many_as_have_room, new_link),
    cmocka_unit_test_setup(what_is_read_ahead_has_room_and_no_more, new_link),
    cmocka_unit_test_setup(taken_in_parts, new_link),
    cmocka_unit_test_setup(a_message_in_fragments, new_link),
    cmocka_unit_test_setup(what_is_not_one_frame, new_link),
    cmocka_unit_test_setup(what_a_relay_says, new_link),
    cmocka_unit_test_setup(frames_leave_one_by_one, new_link),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
