/* What a broker's messages do to a device: topics, the queue, hints and presence. Anybody may have sent them. */
#include "mqtt_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t device[USMP_DEVICE_ID_LEN] = {0x24, 0x6f, 0x28, 0xa1, 0xb2, 0xc3};
static const uint8_t random_bytes[2] = {0x0a, 0xff};
static const char down[] = "usmp/home/c3/246f28a1b2c3/down";
static usmp_mqtt_link_t a_link;

static int new_link(void **state)
{
  (void)state;
  return usmp_mqtt_link_init(&a_link, "home", device, random_bytes);
}

static bool comes(const char *topic, const void *payload, size_t len, bool retained, uint32_t now)
{
  return usmp_mqtt_link_message(&a_link, topic, strlen(topic), payload, len, retained, now);
}

static bool says(const char *node, const char *text, uint32_t now)
{
  char topic[64] = "usmp/home/gw/";
  return comes(strcat(topic, node), text, strlen(text), true, now);
}

static void topics(void **state)
{
  usmp_mqtt_link_t link;

  (void)state;
  assert_string_equal(a_link.up, "usmp/home/c3/246f28a1b2c3/up");
  assert_string_equal(a_link.down, down);
  assert_string_equal(a_link.lwt, "usmp/home/c3/246f28a1b2c3/lwt");
  assert_string_equal(a_link.presence, "usmp/home/gw/+");
  assert_string_equal(a_link.client_id, "usmp-246f28a1b2c3-0aff");
  assert_int_equal(usmp_mqtt_link_init(&link, "a-site_of_32-characters-and-not1", device, random_bytes), 0);
  assert_int_equal(strlen(link.down) < sizeof link.down, true);
  const char *wrong[] = {NULL, "", "a/b", "#", "+", "a b", "a.b", "h\xc3\xa4us", "123456789012345678901234567890123"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(usmp_mqtt_link_init(&link, wrong[i], device, random_bytes), USMP_ERR_INVALID_ARGUMENT);
  }
}

static void urls(void **state)
{
  usmp_mqtt_address_t address;

  (void)state;
  assert_int_equal(usmp_mqtt_parse_url("mqtt://broker", &address), 0);
  assert_string_equal(address.host, "broker");
  assert_int_equal(address.port, 1883);
  assert_false(address.tls);
  assert_int_equal(usmp_mqtt_parse_url("mqtts://broker.example", &address), 0);
  assert_int_equal(address.port, 8883);
  assert_true(address.tls);
  assert_int_equal(usmp_mqtt_parse_url("mqtt://[::1]:65535", &address), 0);
  assert_string_equal(address.host, "::1");
  assert_int_equal(address.port, 65535);
  const char *wrong[] = {"",
                         "broker",
                         "http://broker",
                         "mqtt://",
                         "mqtt://b:0",
                         "mqtt://b:65536",
                         "mqtt://b:x",
                         "mqtt://b:1883/x",
                         "mqtt://user@b",
                         "mqtt://[::1",
                         "mqtt://b:",
                         "mqtt://[::1]x",
                         "mqtt://a/b",
                         "mqtt://[]:1",
                         "mqtt://b:18831x",
                         "mqtt://b:99999999999"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(usmp_mqtt_parse_url(wrong[i], &address), USMP_ERR_INVALID_ARGUMENT);
  }
}

static void datagrams_in_order_and_no_more_than_there_is_room_for(void **state)
{
  uint8_t bytes[USMP_MAX_FRAME_SIZE + 1];
  uint8_t out[USMP_MAX_FRAME_SIZE];

  (void)state;
  assert_int_equal(usmp_mqtt_link_take(&a_link, out, sizeof out), 0);
  for (uint8_t round = 0; round < 3; round++) { /* past the end of the ring */
    for (uint8_t i = 0; i < USMP_MQTT_SLOTS + 2; i++) {
      memset(bytes, round * 16 + i, sizeof bytes);
      assert_int_equal(comes(down, bytes, USMP_MAX_FRAME_SIZE - i, false, 0), i < USMP_MQTT_SLOTS);
    }
    assert_int_equal(a_link.dropped, 2 * (round + 1));
    for (uint8_t i = 0; i < USMP_MQTT_SLOTS - 1; i++) {
      assert_int_equal(usmp_mqtt_link_take(&a_link, out, sizeof out), USMP_MAX_FRAME_SIZE - i);
      assert_int_equal(out[0], round * 16 + i);
    }
    assert_true(usmp_mqtt_link_take(&a_link, out, sizeof out) > 0);
    assert_int_equal(usmp_mqtt_link_take(&a_link, out, sizeof out), 0);
  }
}

static void what_is_no_datagram_is_dropped(void **state)
{
  uint8_t bytes[USMP_MAX_FRAME_SIZE + 1] = {0};
  uint8_t out[USMP_MAX_FRAME_SIZE];

  (void)state;
  assert_false(comes(down, bytes, 6, false, 0));
  assert_false(comes(down, bytes, sizeof bytes, false, 0));
  assert_false(comes(down, bytes, 60, true, 0)); /* retained */
  assert_false(comes(down, NULL, 0, true, 0));
  assert_int_equal(a_link.dropped, 4);
  const char *others[] = {"usmp/home/c3/246f28a1b2c3/up",
                          "usmp/home/c3/246f28a1b2c4/down",
                          "usmp/home/c3/246f28a1b2c3/downs",
                          "",
                          "usmp/home/gw/",
                          "usmp/other/gw/n"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(comes(others[i], bytes, 60, false, 0));
  assert_true(comes(down, bytes, 7, false, 0));
  assert_int_equal(usmp_mqtt_link_take(&a_link, out, 6), 0); /* no room: gone */
  assert_int_equal(usmp_mqtt_link_take(&a_link, out, sizeof out), 0);
}

static void an_attempt_takes_nothing_over(void **state)
{
  uint8_t bytes[60] = {0};

  (void)state;
  comes(down, bytes, sizeof bytes, false, 0);
  comes(down, NULL, 0, false, 0);
  says("n1", "{\"v\":1,\"up\":true,\"boot\":\"00000001\"}", 0);
  usmp_mqtt_link_attempt(&a_link, 1000);
  assert_int_equal(a_link.count, 0);
  usmp_mqtt_link_pause(&a_link, 9000, 0, 2000);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 2000), 9000);
}

static void hint_means_now_but_once_a_second(void **state)
{
  (void)state;
  usmp_mqtt_link_attempt(&a_link, 0xFFFFFF00u); /* the clock wraps */
  usmp_mqtt_link_pause(&a_link, 30000, 1500, 0xFFFFFF00u);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 100), 30000 - 356);
  assert_true(comes(down, NULL, 0, false, 100));
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 100), 1000 - 356);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 744), 0);
}

static void restarted_gateway_is_tried_within_the_jitter(void **state)
{
  (void)state;
  usmp_mqtt_link_attempt(&a_link, 0);
  usmp_mqtt_link_pause(&a_link, 30000, 1500, 0);
  assert_true(says("n1", "{\"v\":1,\"up\":true,\"boot\":\"00c0ffee\"}", 5000));
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 5000), 1500);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 6500), 0);
  usmp_mqtt_link_attempt(&a_link, 7000);
  usmp_mqtt_link_pause(&a_link, 30000, 1500, 7000);
  assert_false(says("n1", "{\"v\":1,\"up\":true,\"boot\":\"00c0ffee\"}", 7100)); /* nothing new */
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 8000), 29000);
  assert_true(says("n1", "{\"boot\" : \"00c0ffef\", \"up\":\ttrue, \"v\":1}", 8000));
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 8000), 1500);
}

static void broker_that_comes_back_is_tried_within_the_jitter(void **state)
{
  (void)state;
  usmp_mqtt_link_attempt(&a_link, 0);
  usmp_mqtt_link_pause(&a_link, 30000, 1500, 0);
  usmp_mqtt_link_call(&a_link, 5000);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 5000), 1500);
  assert_false(usmp_mqtt_link_check(&a_link, 5000)); /* a session has nothing to fear from it */
}

static void while_all_gateways_are_down_once_a_minute(void **state)
{
  (void)state;
  says("n1", "{\"v\":1,\"up\":true,\"boot\":\"00000001\"}", 0);
  assert_false(says("n2", "{\"v\":1,\"up\":true,\"boot\":\"00000002\"}", 0)); /* one more: not a restart */
  usmp_mqtt_link_attempt(&a_link, 0);
  usmp_mqtt_link_pause(&a_link, 5000, 1500, 0);
  says("n1", "{\"v\":1,\"up\":false,\"boot\":\"00000001\"}", 0);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 1000), 4000);
  says("n2", "{\"v\":1,\"up\":false}", 0);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 1000), 59000);
  comes(down, NULL, 0, false, 1000);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 1000), 0);
  usmp_mqtt_link_attempt(&a_link, 1000);
  usmp_mqtt_link_pause(&a_link, 5000, 1500, 1000);
  assert_true(says("n2", "{\"v\":1,\"up\":true,\"boot\":\"00000002\"}", 2000)); /* back, with the same boot */
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 2000), 1500);
}

static void hint_in_a_session_is_ignored(void **state)
{
  (void)state;
  usmp_mqtt_link_attempt(&a_link, 0);
  comes(down, NULL, 0, false, 1000);
  assert_false(usmp_mqtt_link_check(&a_link, 2000));
  usmp_mqtt_link_pause(&a_link, 30000, 1500, 5000);
  assert_int_equal(usmp_mqtt_link_due_in(&a_link, 5000), 30000);
}

static void new_boot_in_a_session_asks_for_a_sign_of_life(void **state)
{
  uint8_t bytes[60] = {0};

  (void)state;
  says("n1", "{\"v\":1,\"up\":true,\"boot\":\"00000001\"}", 0);
  usmp_mqtt_link_attempt(&a_link, 0);
  assert_false(usmp_mqtt_link_check(&a_link, 1000));
  says("n1", "{\"v\":1,\"up\":true,\"boot\":\"00000002\"}", 10000);
  assert_true(usmp_mqtt_link_check(&a_link, 10000));
  assert_false(usmp_mqtt_link_check(&a_link, 10001));
  assert_false(usmp_mqtt_link_is_silent(&a_link, 14999));
  assert_true(usmp_mqtt_link_is_silent(&a_link, 15000));
  comes(down, bytes, sizeof bytes, false, 15000);
  assert_false(usmp_mqtt_link_is_silent(&a_link, 20000));
  for (uint32_t now = 20000; now < 26000; now += 100) { /* a liar: at most one question in five seconds */
    char text[64] = "{\"v\":1,\"up\":true,\"boot\":\"000000";
    const char digits[] = {(char)('0' + now / 1000 % 10), (char)('0' + now / 100 % 10), '"', '}', 0};
    says("n1", strcat(text, digits), now);
    bool asked = usmp_mqtt_link_check(&a_link, now);
    assert_int_equal(asked, now == 20000 || now == 25000);
    if (asked) comes(down, bytes, sizeof bytes, false, now);
    usmp_mqtt_link_take(&a_link, bytes, sizeof bytes);
  }
}

static void presence_that_is_none(void **state)
{
  static char long_text[400];
  const char *wrong[] = {
    "{}",
    "up",
    "\"",
    "\"up\"",
    "{\"v\":1}",
    "{\"v\":1,\"up\"",
    "{\"v\":1,\"up\":",
    "{\"v\":1,\"up\":1}",
    "{\"v\":1,\"up\":true}",
    "{\"up\":true,\"boot\":\"00000001\"}",
    "{\"v\":2,\"up\":true,\"boot\":\"00000001\"}",
    "{\"v\":11,\"up\":true,\"boot\":\"00000001\"}",
    "{\"v\":1,\"up\":true,\"boot\":1}",
    "{\"v\":1,\"up\":true,\"boot\":\"123\"}",
    "{\"v\":1,\"up\":true,\"boot\":\"0000000g\"}",
    "{\"v\":1,\"up\":true,\"boot\":\"000000001\"}",
    "{\"v\":1,\"up\":true,\"boot\":",
    "{\"v\":1,\"up\":true,\"boot\":\"",
    "{\"v\":1,\"UP\":true,\"boot\":\"00000001\"}",
  };

  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(says("n1", wrong[i], 0));
  assert_false(comes("usmp/home/gw/n1", "{\"v\":1,\"up\":true,\0\"boot\":\"00000001\"}", 37, true, 0));
  assert_false(comes("usmp/home/gw/n1", NULL, 0, true, 0));
  memset(long_text, ' ', sizeof long_text - 1);
  memcpy(long_text, "{\"v\":1,\"up\":true,\"boot\":\"00000001\"}", 35);
  assert_false(says("n1", long_text, 0));
  assert_int_equal(a_link.gateway_count, 0);
  for (char n = 'a'; n < 'a' + 20; n++) { /* any number of nodes takes four places */
    const char node[] = {n, 0};
    says(node, "{\"v\":1,\"up\":true,\"boot\":\"00000001\"}", 0);
  }
  assert_int_equal(a_link.gateway_count, USMP_MQTT_GATEWAYS);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(topics, new_link),
    cmocka_unit_test_setup(urls, new_link),
    cmocka_unit_test_setup(datagrams_in_order_and_no_more_than_there_is_room_for, new_link),
    cmocka_unit_test_setup(what_is_no_datagram_is_dropped, new_link),
    cmocka_unit_test_setup(an_attempt_takes_nothing_over, new_link),
    cmocka_unit_test_setup(hint_means_now_but_once_a_second, new_link),
    cmocka_unit_test_setup(restarted_gateway_is_tried_within_the_jitter, new_link),
    cmocka_unit_test_setup(broker_that_comes_back_is_tried_within_the_jitter, new_link),
    cmocka_unit_test_setup(while_all_gateways_are_down_once_a_minute, new_link),
    cmocka_unit_test_setup(hint_in_a_session_is_ignored, new_link),
    cmocka_unit_test_setup(new_boot_in_a_session_asks_for_a_sign_of_life, new_link),
    cmocka_unit_test_setup(presence_that_is_none, new_link),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
