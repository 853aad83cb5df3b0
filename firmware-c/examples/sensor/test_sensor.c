/* The sensor without a session: what it says and when, what it answers, what it refuses. */
#include "sensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t seed[6] = {0x24, 0x6f, 0x28, 0xa1, 0xb2, 0xc3};
static sensor_t sensor;
static char text[SENSOR_MESSAGE_SIZE + 1];

static int new_sensor(void **state)
{
  (void)state;
  sensor_init(&sensor, "Cellar", "host", seed, 1000);
  sensor_connected(&sensor, 1000);
  return 0;
}

static usmp_json_t read_text(size_t len)
{
  usmp_json_t json;
  assert_int_equal(usmp_json_read(&json, text, len), USMP_JSON_GOOD);
  return json;
}

static usmp_json_t asked(const char *message, uint32_t now)
{
  return read_text(sensor_receive(&sensor, (const uint8_t *)message, strlen(message), now, text));
}

static double error_of(const char *message)
{
  usmp_json_t json = asked(message, 2000);
  double code = 0;
  usmp_json_number(&json, usmp_json_member(&json, usmp_json_member(&json, 0, "error"), "code"), &code);
  return code;
}

static int values_of(const usmp_json_t *json)
{
  assert_true(usmp_json_equals(json, usmp_json_member(json, 0, "method"), "telemetry"));
  assert_true(usmp_json_member(json, 0, "id") < 0);
  return usmp_json_member(json, usmp_json_member(json, 0, "params"), "values");
}

static double value(const usmp_json_t *json, const char *name)
{
  double number = -1e9;
  assert_true(usmp_json_number(json, usmp_json_member(json, values_of(json), name), &number));
  return number;
}

static void readings_at_their_time(void **state)
{
  (void)state;
  usmp_json_t json = read_text(sensor_poll(&sensor, 1000, text));
  assert_in_range((uintmax_t)value(&json, "temperature"), 15, 30);
  assert_in_range((uintmax_t)value(&json, "humidity"), 30, 60);
  assert_in_range((uintmax_t)value(&json, "pressure"), 1000, 1030);
  assert_in_range((uintmax_t)(value(&json, "battery") * 100), 260, 300);
  assert_int_equal(value(&json, "uptime"), 0);
  assert_int_equal(sensor_poll(&sensor, 1999, text), 0);
  assert_int_equal(sensor_wait(&sensor, 1400), 600);
  json = read_text(sensor_poll(&sensor, 2000, text));
  assert_int_equal(value(&json, "uptime"), 1);
  assert_true(sensor_poll(&sensor, 9500, text) > 0); /* late: one, not seven */
  assert_int_equal(sensor_poll(&sensor, 10499, text), 0);
  assert_true(sensor_poll(&sensor, 10500, text) > 0);
}

static void nothing_without_a_session(void **state)
{
  (void)state;
  sensor_lost(&sensor, 1500);
  assert_int_equal(sensor_poll(&sensor, 5000, text), 0);
  sensor_connected(&sensor, 6000);
  assert_true(sensor_poll(&sensor, 6000, text) > 0);
}

static void curve_moves_and_is_the_sensors_own(void **state)
{
  static sensor_t other;
  uint8_t other_seed[6] = {1};
  uint32_t now = 1000;

  (void)state;
  usmp_json_t json = read_text(sensor_poll(&sensor, now, text));
  double first = value(&json, "temperature");
  double last = first;
  for (int i = 0; i < 60; i++) {
    now += 1000;
    json = read_text(sensor_poll(&sensor, now, text));
    double temperature = value(&json, "temperature");
    assert_true(temperature - last < 0.5 && last - temperature < 0.5);
    last = temperature;
  }
  assert_true(last != first);
  sensor_init(&other, "Attic", "host", other_seed, 1000);
  sensor_connected(&other, 1000);
  json = read_text(sensor_poll(&other, 1000, text));
  assert_true(value(&json, "temperature") != first);
}

static void uptime_goes_on_when_the_clock_wraps(void **state)
{
  (void)state;
  sensor_init(&sensor, "Cellar", "host", seed, 0xFFFFF000u);
  sensor_connected(&sensor, 0xFFFFF000u);
  assert_true(sensor_poll(&sensor, 0xFFFFF000u, text) > 0);
  usmp_json_t json = read_text(sensor_poll(&sensor, 0xFFFFF000u + 5000u, text));
  assert_int_equal(value(&json, "uptime"), 5);
}

static void describes_itself(void **state)
{
  (void)state;
  usmp_json_t json = asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"describe\",\"params\":{}}", 1000);
  int result = usmp_json_member(&json, 0, "result");
  assert_true(usmp_json_equals(&json, usmp_json_member(&json, result, "name"), "Cellar"));
  int firmware = usmp_json_member(&json, result, "firmware");
  assert_true(usmp_json_equals(&json, usmp_json_member(&json, firmware, "product"), "usmp-c-sensor"));
  assert_true(usmp_json_equals(&json, usmp_json_member(&json, firmware, "chip"), "host"));
  int units = usmp_json_member(&json, result, "units");
  assert_true(usmp_json_equals(&json, usmp_json_member(&json, units, "temperature"),
                               "\xc2\xb0"
                               "C"));
  assert_true(usmp_json_is_kind(&json, usmp_json_member(&json, result, "methods"), USMP_JSON_ARRAY));
}

static void interval_is_set_within_its_bounds(void **state)
{
  (void)state;
  sensor_poll(&sensor, 1000, text);
  asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"set_interval\",\"params\":{\"seconds\":0.25}}", 1100);
  assert_int_equal(sensor_wait(&sensor, 1100), 250);
  asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"set_interval\",\"params\":{\"seconds\":3600}}", 1200);
  assert_int_equal(sensor_wait(&sensor, 1200), 3600000);
  const char *wrong[] = {"0", "0.24", "-1", "3600.1", "1e300", "-1e300", "\"1\"", "null", "[]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char message[128] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"set_interval\",\"params\":{\"seconds\":";
    assert_int_equal(error_of(strcat(strcat(message, wrong[i]), "}}")), USMP_RPC_INVALID_PARAMS);
  }
  assert_int_equal(error_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"set_interval\"}"), USMP_RPC_INVALID_PARAMS);
  assert_int_equal(sensor.interval_ms, 3600000);
}

static void blinks_for_who_looks_for_it(void **state)
{
  (void)state;
  assert_false(sensor_is_blinking(&sensor));
  asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"identify\",\"params\":{}}", 2000);
  assert_true(sensor_is_blinking(&sensor));
  sensor_poll(&sensor, 11999, text);
  assert_true(sensor_is_blinking(&sensor));
  sensor_poll(&sensor, 12000, text);
  assert_false(sensor_is_blinking(&sensor));
  asked("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"identify\",\"params\":{\"seconds\":1}}", 13000);
  sensor_poll(&sensor, 14000, text);
  assert_false(sensor_is_blinking(&sensor));
  assert_int_equal(error_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"identify\",\"params\":{\"seconds\":61}}"),
                   USMP_RPC_INVALID_PARAMS);
  assert_int_equal(error_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\"}"), USMP_RPC_METHOD_NOT_FOUND);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(readings_at_their_time, new_sensor),
    cmocka_unit_test_setup(nothing_without_a_session, new_sensor),
    cmocka_unit_test_setup(curve_moves_and_is_the_sensors_own, new_sensor),
    cmocka_unit_test_setup(uptime_goes_on_when_the_clock_wraps, new_sensor),
    cmocka_unit_test_setup(describes_itself, new_sensor),
    cmocka_unit_test_setup(interval_is_set_within_its_bounds, new_sensor),
    cmocka_unit_test_setup(blinks_for_who_looks_for_it, new_sensor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
