/* The robot: how it moves, what limits it, when it stops, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "robot_session.h"

static robot_t robot;
static uint32_t now;

static void start(uint32_t at)
{
  now = at;
  robot_init(&robot, now);
}

static void drive(double v, double w)
{
  robot_drive(&robot, &v, &w, now);
}

static void pass(uint32_t ms)
{
  now += ms;
  robot_step(&robot, now);
}

/* Drives on for a time, with a command each 100 ms. */
static void drive_for(double v, double w, uint32_t ms)
{
  for (uint32_t passed = 0; passed < ms; passed += 100) {
    drive(v, w);
    pass(100);
  }
}

static bool about(double value, double right, double tolerance)
{
  return fabs(value - right) <= tolerance;
}

static void test_limits(void **state)
{
  double v = 9;
  double w = -9;
  (void)state;
  start(0);
  robot_drive(&robot, &v, &w, now);
  assert_true(v == ROBOT_MAX_V && w == -ROBOT_MAX_W);
  for (int i = 0; i < 100; i++) {
    double before_v = robot.v;
    double before_w = robot.w;
    drive(v, w);
    pass(10);
    assert_true(robot.v - before_v <= ROBOT_ACCELERATION_V * 0.01 + 1e-12);
    assert_true(before_w - robot.w <= ROBOT_ACCELERATION_W * 0.01 + 1e-12);
  }
  assert_true(robot.v == ROBOT_MAX_V && robot.w == -ROBOT_MAX_W);
  assert_true(about(robot_left(&robot), 0.7, 1e-9) && about(robot_right(&robot), 0.3, 1e-9));
}

static void test_straight_on(void **state)
{
  (void)state;
  start(0);
  drive_for(0.5, 0, 10500);
  /* Half a second of acceleration at 1 m/s2, and ten seconds at 0.5 m/s. */
  assert_true(about(robot.x, 5.125, 0.01) && robot.y == 0 && robot.theta == 0);
  assert_string_equal(robot_state_name(&robot), "driving");
  assert_true(robot.battery < 1 && robot.battery > 0.98);
  assert_true(robot.temperature > 30 && robot.temperature < 45);
}

static void test_in_a_circle(void **state)
{
  (void)state;
  start(0);
  drive_for(0.2, 1, 1000); /* up to speed */
  double x = robot.x, y = robot.y, theta = robot.theta;
  double farthest = 0;
  for (int i = 0; i < 6283; i += 10) {
    if (i % 100 == 0) drive(0.2, 1);
    pass(10);
    double away = hypot(robot.x - x, robot.y - y);
    if (away > farthest) farthest = away;
    assert_true(robot.theta > -3.1416 && robot.theta <= 3.1416);
  }
  assert_true(about(robot.x, x, 0.005) && about(robot.y, y, 0.005) && about(robot.theta, theta, 0.02));
  assert_true(about(farthest, 0.4, 0.005)); /* twice v / w */
}

static void test_dead_man(void **state)
{
  (void)state;
  for (uint32_t offset = 0; offset < 10; offset++) {
    start(UINT32_MAX - 1000 + offset); /* the clock wraps while it drives */
    drive_for(0.5, 2, 1000);
    pass(offset);
    drive(0.5, 2);
    pass(490);
    assert_true(robot.v == 0.5);
    assert_string_equal(robot_state_name(&robot), "driving");
    pass(110);
    assert_true(robot.v == 0 && robot.w == 0);
    assert_string_equal(robot_state_name(&robot), "deadman");
    double x = robot.x, y = robot.y, theta = robot.theta;
    pass(1000000);
    assert_true(robot.x == x && robot.y == y && robot.theta == theta);
    drive(0.1, 0);
    pass(100);
    assert_true(about(robot.v, 0.1, 1e-9));
    assert_string_equal(robot_state_name(&robot), "driving");
  }
}

/* Its program was held up: the robot moved on meanwhile, and stopped when it had to. */
static void test_nobody_looked(void **state)
{
  robot_t seen;
  (void)state;
  start(0);
  drive_for(0.5, 0, 1000);
  drive(0.5, 0);
  seen = robot;
  pass(60000);
  for (int i = 0; i < 6000; i++) robot_step(&seen, 1000 + (uint32_t)i * 10);
  assert_true(robot.x == seen.x && robot.v == 0);
  assert_string_equal(robot_state_name(&robot), "deadman");
}

static void test_stop_and_abandon(void **state)
{
  (void)state;
  start(5);
  drive_for(0.5, 2, 1000);
  robot_stop(&robot, now);
  pass(60);
  assert_true(robot.v == 0 && robot.w == 0);
  assert_string_equal(robot_state_name(&robot), "idle");
  pass(2000);
  assert_string_equal(robot_state_name(&robot), "idle");

  drive_for(0.5, 2, 1000);
  robot_abandon(&robot, now);
  pass(60);
  assert_true(robot.v == 0 && robot.w == 0);
  assert_string_equal(robot_state_name(&robot), "deadman");
  start(0);
  robot_abandon(&robot, now);
  assert_string_equal(robot_state_name(&robot), "idle");
}

static void test_zero_is_idle(void **state)
{
  (void)state;
  start(0);
  drive_for(0.3, 0, 1000);
  drive(0, 0);
  assert_string_equal(robot_state_name(&robot), "driving"); /* it still rolls */
  pass(600);
  assert_true(robot.v == 0);
  assert_string_equal(robot_state_name(&robot), "idle");
}

static void test_time_does_not_run_backwards(void **state)
{
  (void)state;
  start(1000);
  drive(0.5, 0);
  pass(100);
  double x = robot.x;
  robot_step(&robot, 500);
  assert_true(robot.x == x && robot.now == 1100);
}

static void test_battery_ends(void **state)
{
  (void)state;
  start(0);
  robot.battery = 1e-6;
  drive_for(0.5, 0, 2000);
  assert_true(robot.battery == 0);
}

/* ---- the link ---- */

static robot_session_t robot_session;
static char message[ROBOT_MESSAGE_SIZE + 1];

static const char *ask(const char *request)
{
  size_t len = robot_session_receive(&robot_session, (const uint8_t *)request, strlen(request), now, message);
  message[len] = 0;
  return message;
}

static const char *poll_link(void)
{
  message[robot_session_poll(&robot_session, now, message)] = 0;
  return message;
}

static void connect_link(void)
{
  now = UINT32_MAX - 2000;
  robot_session_init(&robot_session, "Rob", "c", now);
  now += 1000;
  robot_session_connected(&robot_session, now);
}

static void test_answers(void **state)
{
  (void)state;
  connect_link();
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"describe\",\"params\":{}}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"name\":\"Rob\",\"kind\":\"c\",\"maxV\":0.5,\"maxW\":2}}");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"drive\",\"params\":{\"seq\":1,\"v\":0.2,\"w\":-7}}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"v\":0.2,\"w\":-2}}");
  assert_true(robot_session.robot.target_v == 0.2);
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"stop\",\"params\":{\"seq\":2}}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}");
  assert_true(robot_session.robot.target_v == 0);
  assert_non_null(
    strstr(ask("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"drive\",\"params\":{\"seq\":3,\"v\":\"nan\",\"w\":1}}"),
           "-32602,\"message\":\"v must be a finite number\""));
  assert_non_null(
    strstr(ask("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"drive\",\"params\":{\"seq\":4,\"v\":1}}"), "w must be"));
  assert_true(robot_session.robot.target_v == 0);
}

/* The answer to a command with this number, as JSON text; -1: without a number. */
static const char *command(const char *method, int seq, double v)
{
  static char request[160];
  char number[24] = "";

  if (seq >= 0) snprintf(number, sizeof number, "\"seq\":%d,", seq);
  snprintf(request, sizeof request, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{%s\"v\":%g,\"w\":0}}", method,
           number, v);
  return ask(request);
}

static void test_nothing_from_before_a_stop_moves_it(void **state)
{
  (void)state;
  connect_link();
  command("drive", 1, 0.3);
  assert_non_null(strstr(command("stop", 4, 0), "\"result\":{}"));
  for (int seq = 0; seq <= 4; seq++) { /* late, or once more */
    assert_non_null(strstr(command("drive", seq, 0.5), seq == 0 ? "-32602" : "-32002"));
    assert_true(robot_session.robot.target_v == 0);
  }
  assert_non_null(strstr(command("drive", 5, 0.2), "\"v\":0.2"));
  /* Not behind a newer command either, and a stop stops whatever its number is. */
  assert_non_null(strstr(command("drive", 7, 0), "\"result\""));
  assert_non_null(strstr(command("drive", 6, 0.5), "-32002"));
  command("drive", 8, 0.4);
  assert_non_null(strstr(command("stop", 3, 0), "\"result\":{}"));
  assert_true(robot_session.robot.target_v == 0);
  assert_non_null(strstr(command("drive", 8, 0.5), "-32002"));
  command("drive", 9, 0.4);
  assert_non_null(strstr(command("stop", -1, 0), "-32602,\"message\":\"seq must be"));
  assert_true(robot_session.robot.target_v == 0);
  assert_non_null(strstr(command("drive", -1, 0.5), "-32602,\"message\":\"seq must be"));
  assert_true(robot_session.robot.target_v == 0);
  robot_session_lost(&robot_session, now); /* another session counts from the start */
  robot_session_connected(&robot_session, now);
  assert_non_null(strstr(command("drive", 1, 0.1), "\"v\":0.1"));
}

static void test_telemetry_ten_times_a_second(void **state)
{
  char expected[64];
  int count = 0;
  (void)state;
  connect_link();
  for (uint32_t ms = 0; ms < 10000; ms++, now++) {
    assert_true(robot_session_wait(&robot_session, now) <= ROBOT_TELEMETRY_MS);
    if (!*poll_link()) continue;
    snprintf(expected, sizeof expected, "\"params\":{\"n\":%d,\"t\":%d,", count, 1000 + 100 * count);
    assert_non_null(strstr(message, expected));
    assert_non_null(strstr(message, "\"state\":\"idle\"}}"));
    count++;
  }
  assert_int_equal(count, 100);
  now += 5000; /* held up: what was missed does not come in a burst */
  assert_true(*poll_link());
  assert_false(*poll_link());
  robot_session_lost(&robot_session, now);
  now += 1000;
  assert_false(*poll_link());
  robot_session_connected(&robot_session, now);
  snprintf(expected, sizeof expected, "\"n\":%d,", count + 1);
  assert_non_null(strstr(poll_link(), expected));
}

static void test_a_lost_session_stops_it(void **state)
{
  (void)state;
  connect_link();
  ask("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"drive\",\"params\":{\"seq\":1,\"v\":0.5,\"w\":0}}");
  now += 400;
  robot_session_lost(&robot_session, now);
  now += 60;
  poll_link();
  assert_true(robot_session.robot.v == 0);
  robot_session_connected(&robot_session, now);
  assert_non_null(strstr(poll_link(), "\"state\":\"deadman\""));
}

static void test_chat(void **state)
{
  char request[1100];
  char text[901];
  (void)state;
  connect_link();
  poll_link();
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chat\",\"params\":{\"from\":\"Ann\",\"text\":\"hi\"}}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
  assert_non_null(
    strstr(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chat\",\"params\":{\"from\":\"\",\"text\":\"\"}}"), "-32000"));
  assert_string_equal(poll_link(), "{\"jsonrpc\":\"2.0\",\"method\":\"chat\",\"params\":{\"text\":"
                                   "\"Hello, Ann. I am idle. You said: hi\"}}");
  assert_non_null(strstr(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chat\",\"params\":{\"from\":\"Ann\"}}"), "-32602"));
  /* The longest line, of characters of three bytes: the reply is cut between two of them. */
  for (int i = 0; i < 300; i++) memcpy(text + 3 * i, "\xe4\xb8\x96", 3);
  text[900] = 0;
  strcpy(request, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chat\",\"params\":{\"from\":\"A\",\"text\":\"");
  strcat(request, text);
  strcat(request, "\"}}");
  assert_non_null(strstr(ask(request), "\"result\""));
  poll_link();
  assert_true(strlen(message) > 330);
  assert_string_equal(message + strlen(message) - 6, "\xe4\xb8\x96\"}}");
}

static void test_goodbye(void **state)
{
  (void)state;
  connect_link();
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"goodbye\",\"params\":{\"code\":\"REPLACED\",\"message\":\"x\"}}"),
                      "");
  assert_string_equal(robot_session.goodbye, "REPLACED");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_straight_on),
    cmocka_unit_test(test_in_a_circle),
    cmocka_unit_test(test_dead_man),
    cmocka_unit_test(test_nobody_looked),
    cmocka_unit_test(test_stop_and_abandon),
    cmocka_unit_test(test_zero_is_idle),
    cmocka_unit_test(test_time_does_not_run_backwards),
    cmocka_unit_test(test_battery_ends),
    cmocka_unit_test(test_answers),
    cmocka_unit_test(test_nothing_from_before_a_stop_moves_it),
    cmocka_unit_test(test_telemetry_ten_times_a_second),
    cmocka_unit_test(test_a_lost_session_stops_it),
    cmocka_unit_test(test_chat),
    cmocka_unit_test(test_goodbye),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
