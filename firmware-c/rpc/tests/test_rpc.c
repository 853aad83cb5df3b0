/* JSON-RPC: requests, their answers, what is refused with which code, and the time to live. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmp_rpc.h"

static usmp_rpc_t rpc;
static char answer[USMP_RPC_ERROR_SIZE + 1];
static uint32_t now;
static int lamp; /* how often the lamp was set */

static int set_lamp(usmp_rpc_call_t *call)
{
  double level;
  char colour[8];

  assert_ptr_equal(call->context, &lamp);
  assert_int_equal(call->now, now);
  if (!usmp_rpc_number(call, "level", &level)) return USMP_RPC_INVALID_PARAMS;
  if (usmp_json_member(call->json, call->params, "colour") >= 0) {
    if (!usmp_rpc_string(call, "colour", colour, sizeof colour)) return USMP_RPC_INVALID_PARAMS;
    usmp_json_put_string(&call->result, "colour", colour);
  }
  lamp++;
  usmp_json_put_number(&call->result, "level", level);
  return 0;
}

static int own_error(usmp_rpc_call_t *call)
{
  usmp_json_put_bool(&call->result, "half", true); /* written before it failed: must not show */
  return usmp_rpc_refuse(call, -7, "the lamp is \"broken\"");
}

static int bare_error(usmp_rpc_call_t *call)
{
  (void)call;
  return USMP_RPC_BUSY;
}

/* What a platform's functions return, handed on: none of it is success. */
static int any_code;

static int any_error(usmp_rpc_call_t *call)
{
  usmp_json_put_bool(&call->result, "half", true);
  return any_code;
}

static int long_result(usmp_rpc_call_t *call)
{
  for (int i = 0; i < 1000; i++) usmp_json_put_integer(&call->result, "n", i);
  return 0;
}

static int infinite_result(usmp_rpc_call_t *call)
{
  double zero = 0;
  usmp_json_put_number(&call->result, "n", 1 / zero);
  return 0;
}

static const usmp_rpc_method_t methods[] = {
  {"lamp", set_lamp}, {"own", own_error},    {"bare", bare_error},
  {"any", any_error}, {"long", long_result}, {"infinite", infinite_result},
};

static int begin(void **state)
{
  (void)state;
  now = UINT32_MAX - 50; /* the clock wraps in the middle */
  lamp = 0;
  usmp_rpc_init(&rpc, methods, sizeof methods / sizeof methods[0], &lamp);
  usmp_rpc_begin(&rpc, now);
  return 0;
}

static const char *ask_bytes(const char *message, size_t len)
{
  uint8_t *copy = malloc(len ? len : 1);
  memcpy(copy, message, len);
  size_t written = usmp_rpc_receive(&rpc, copy, len, now, answer, sizeof answer - 1);
  free(copy);
  answer[written] = 0;
  return answer;
}

static const char *ask(const char *message)
{
  return ask_bytes(message, strlen(message));
}

/* The answer is the error `code` with this id. */
static void refused(const char *message, const char *id, int code)
{
  char begins[200];
  ask(message);
  int len = snprintf(begins, sizeof begins, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":\"", id, code);
  if (strncmp(answer, begins, (size_t)len) != 0) fail_msg("%s was answered by %s", message, answer);
  assert_string_equal(answer + strlen(answer) - 3, "\"}}");
}

static void test_answers(void **state)
{
  (void)state;
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"lamp\",\"params\":{\"level\":0.2}}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"level\":0.2}}");
  assert_string_equal(
    ask("{\"params\":{\"colour\":\"r\\u00f6d\",\"level\":-1},\"id\":\"a\\n\\u00e9\",\"method\":\"l\\u0061mp\","
        "\"jsonrpc\":\"2.0\",\"more\":[{}]}"),
    "{\"jsonrpc\":\"2.0\",\"id\":\"a\\n\\u00e9\",\"result\":{\"colour\":\"r\xc3\xb6"
    "d\",\"level\":-1}}");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"lamp\",\"params\":{\"level\":1e2}}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{\"level\":100}}");
  assert_int_equal(lamp, 3);
}

static void test_notifications_are_not_answered(void **state)
{
  (void)state;
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"lamp\",\"params\":{\"level\":0.2}}"), "");
  assert_int_equal(lamp, 1);
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"lamp\",\"params\":{\"level\":\"x\"}}"), "");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"$/cancel\",\"params\":{\"id\":1}}"), "");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"own\",\"params\":{}}"), "");
  assert_string_equal(ask("{\"jsonrpc\":\"1.0\",\"method\":\"lamp\",\"params\":{\"level\":1}}"), "");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"lamp\",\"params\":5}"), "");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"lamp\",\"params\":{\"level\":1},\"age\":1}"), "");
  assert_int_equal(lamp, 1);
}

static void test_answers_to_nothing_are_dropped(void **state)
{
  (void)state;
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"), "");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"?\"}}"), "");
}

static void test_refuses_nonsense(void **state)
{
  (void)state;
  refused("", "null", USMP_RPC_PARSE_ERROR);
  refused("hello", "null", USMP_RPC_PARSE_ERROR);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\"", "null", USMP_RPC_PARSE_ERROR);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":{\"level\":NaN}}", "null", USMP_RPC_PARSE_ERROR);
  refused("[[[[[[[[[[]]]]]]]]]]", "null", USMP_RPC_INVALID_REQUEST);
  refused("[]", "null", USMP_RPC_INVALID_REQUEST);
  refused("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\"}]", "null", USMP_RPC_INVALID_REQUEST);
  refused("1", "null", USMP_RPC_INVALID_REQUEST);
  refused("{}", "null", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1}", "1", USMP_RPC_INVALID_REQUEST);
  refused("{\"id\":1,\"method\":\"lamp\"}", "1", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"lamp\"}", "1", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":2.0,\"id\":1,\"method\":\"lamp\"}", "1", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", "1", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"2.0\",\"method\":5}", "null", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"lamp\"}", "null", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"lamp\"}", "null", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":5}", "1", USMP_RPC_INVALID_REQUEST);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":null}", "1", USMP_RPC_INVALID_REQUEST);
  assert_int_equal(lamp, 0);
  /* And it lives. */
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":{\"level\":0}}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"level\":0}}");
}

static void test_ids_are_short(void **state)
{
  char message[200];
  char id[80];
  (void)state;
  for (int len = USMP_RPC_ID_MAX - 3; len <= USMP_RPC_ID_MAX; len++) {
    memset(id, 'x', sizeof id);
    id[len] = 0;
    snprintf(message, sizeof message, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"none\"}", id);
    snprintf(id, sizeof id, "\"%.*s\"", len, strchr(message, 'x'));
    if (len + 2 <= USMP_RPC_ID_MAX) {
      refused(message, id, USMP_RPC_METHOD_NOT_FOUND);
    } else {
      refused(message, "null", USMP_RPC_INVALID_REQUEST);
    }
  }
}

static void test_unknown_methods(void **state)
{
  (void)state;
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}", "1", USMP_RPC_METHOD_NOT_FOUND);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lam\"}", "1", USMP_RPC_METHOD_NOT_FOUND);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamps\"}", "1", USMP_RPC_METHOD_NOT_FOUND);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\\u0000\"}", "1", USMP_RPC_METHOD_NOT_FOUND);
}

static void test_wrong_parameters(void **state)
{
  static const char *const params[] = {"[0.2]",
                                       "{}",
                                       "{\"level\":\"0.2\"}",
                                       "{\"level\":null}",
                                       "{\"level\":1e999}",
                                       "{\"level\":-1e999}",
                                       "{\"level\":true}",
                                       "{\"level\":{}}",
                                       "{\"level\":[1]}",
                                       "{\"Level\":1}",
                                       "{\"level\":1,\"colour\":1}",
                                       "{\"level\":1,\"colour\":\"12345678\"}"};
  char message[200];
  (void)state;
  for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
    snprintf(message, sizeof message, "{\"jsonrpc\":\"2.0\",\"id\":\"i\",\"method\":\"lamp\",\"params\":%s}", params[i]);
    refused(message, "\"i\"", USMP_RPC_INVALID_PARAMS);
  }
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\"}", "1", USMP_RPC_INVALID_PARAMS);
  assert_non_null(strstr(answer, "level must be a finite number"));
  assert_int_equal(lamp, 0);
}

static void test_errors_of_methods(void **state)
{
  (void)state;
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"own\"}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-7,\"message\":\"the lamp is \\\"broken\\\"\"}}");
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"bare\"}"),
                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"busy\"}}");
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"long\"}", "1", USMP_RPC_INTERNAL_ERROR);
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"infinite\"}", "1", USMP_RPC_INTERNAL_ERROR);
}

static void test_only_0_is_the_success_of_a_method(void **state)
{
  static const int codes[] = {1, 127, 255, 256, 261, 0x1102, -1, -200, INT_MIN, INT_MAX};

  (void)state;
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    any_code = codes[i];
    refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"any\"}", "1", any_code);
  }
}

static void test_never_writes_beyond_its_room(void **state)
{
  static const char message[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":{\"level\":1}}";
  size_t needed = strlen("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"level\":1}}");
  (void)state;
  for (size_t size = 0; size < 200; size++) {
    char *room = malloc(size ? size : 1);
    size_t len = usmp_rpc_receive(&rpc, (const uint8_t *)message, strlen(message), now, room, size);
    assert_int_equal(len, size < needed ? 0 : needed);
    free(room);
  }
}

/* ---- time to live ---- */

static bool too_old(double at, double ttl)
{
  char message[200];
  int before = lamp;
  snprintf(message, sizeof message,
           "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":{\"level\":1},\"age\":{\"at\":%.3f,\"ttl\":%.3f}}", at,
           ttl);
  ask(message);
  bool refusal = strstr(answer, "\"code\":-32001") != NULL;
  assert_int_equal(lamp, refusal ? before : before + 1);
  if (!refusal) assert_non_null(strstr(answer, "\"result\""));
  return refusal;
}

static void test_old_requests_are_not_carried_out(void **state)
{
  (void)state;
  now += 40;
  assert_false(too_old(20.5, 300)); /* 19.5 ms: taken for the usual delay */
  now += 1000;
  assert_false(too_old(1020, 300));
  assert_false(too_old(721, 300));
  assert_true(too_old(719, 300)); /* 301 ms later than usual */
  assert_true(too_old(20.5, 300));
  now += 10000;
  assert_false(too_old(11030, 0)); /* faster than any before */
  assert_true(too_old(11029, 0));
}

/* What the delay of a refused request tells is not lost. */
static void test_refused_requests_are_measured(void **state)
{
  (void)state;
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":[],\"age\":{\"at\":0,\"ttl\":9}}", "1",
          USMP_RPC_INVALID_PARAMS);
  now += 1000;
  assert_true(too_old(690, 300));
  assert_false(too_old(710, 300));
}

static void test_a_peers_clock_may_start_anywhere(void **state)
{
  (void)state;
  now += 100;
  assert_false(too_old(600000, 300)); /* its session began ten minutes ago, it says */
  now += 500;
  assert_false(too_old(600400, 300));
  assert_true(too_old(600100, 300));
}

static void test_a_drifting_clock_is_followed(void **state)
{
  (void)state;
  assert_false(too_old(0, 50));
  for (int hour = 1; hour <= 24; hour++) { /* the peer loses 0.02 %: 17 s in a day */
    now += 3600000;
    assert_false(too_old(hour * 3600000.0 * 0.9998, 50));
  }
  now += 1000;
  assert_true(too_old(24 * 3600000.0 * 0.9998, 50));
}

static void test_a_new_session_forgets_the_clock(void **state)
{
  (void)state;
  now += 10;
  assert_false(too_old(0, 300));
  now += 60000;
  usmp_rpc_begin(&rpc, now);
  now += 1000;
  assert_false(too_old(0, 300));
}

static void test_wrong_ages(void **state)
{
  static const char *const ages[] = {"5",
                                     "null",
                                     "{}",
                                     "{\"at\":1}",
                                     "{\"ttl\":1}",
                                     "{\"at\":null,\"ttl\":1}",
                                     "{\"at\":1,\"ttl\":-1}",
                                     "{\"at\":\"1\",\"ttl\":1}",
                                     "{\"at\":1e999,\"ttl\":1}"};
  char message[200];
  (void)state;
  for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
    snprintf(message, sizeof message, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lamp\",\"params\":{\"level\":1},\"age\":%s}",
             ages[i]);
    refused(message, "1", USMP_RPC_INVALID_REQUEST);
  }
  assert_int_equal(lamp, 0);
}

static void test_writes_notifications(void **state)
{
  char text[100];
  usmp_json_out_t out;
  (void)state;
  usmp_rpc_notification(&out, text, sizeof text, "reading");
  usmp_json_put_number(&out, "t", 21.5);
  size_t len = usmp_rpc_notification_end(&out);
  assert_int_equal(len, strlen("{\"jsonrpc\":\"2.0\",\"method\":\"reading\",\"params\":{\"t\":21.5}}"));
  assert_memory_equal(text, "{\"jsonrpc\":\"2.0\",\"method\":\"reading\",\"params\":{\"t\":21.5}}", len);
  usmp_rpc_notification(&out, text, len - 1, "reading");
  usmp_json_put_number(&out, "t", 21.5);
  assert_int_equal(usmp_rpc_notification_end(&out), 0);
}

static int fan;

static int set_fan(usmp_rpc_call_t *call)
{
  assert_ptr_equal(call->context, &fan);
  fan++;
  return 0;
}

/* A second table has a context of its own; what both have is the first one's. */
static void test_a_second_table(void **state)
{
  static const usmp_rpc_method_t more[] = {{"lamp", set_fan}, {"fan", set_fan}};

  (void)state;
  refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fan\"}", "1", USMP_RPC_METHOD_NOT_FOUND);
  usmp_rpc_extend(&rpc, more, 2, &fan);
  assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fan\"}"), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
  ask("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"lamp\",\"params\":{\"level\":1}}");
  assert_int_equal(fan, 1);
  assert_int_equal(lamp, 1);
  refused("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"fans\"}", "3", USMP_RPC_METHOD_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_answers),
    TEST(test_notifications_are_not_answered),
    TEST(test_answers_to_nothing_are_dropped),
    TEST(test_refuses_nonsense),
    TEST(test_ids_are_short),
    TEST(test_unknown_methods),
    TEST(test_wrong_parameters),
    TEST(test_errors_of_methods),
    TEST(test_only_0_is_the_success_of_a_method),
    TEST(test_never_writes_beyond_its_room),
    TEST(test_old_requests_are_not_carried_out),
    TEST(test_refused_requests_are_measured),
    TEST(test_a_peers_clock_may_start_anywhere),
    TEST(test_a_drifting_clock_is_followed),
    TEST(test_a_new_session_forgets_the_clock),
    TEST(test_wrong_ages),
    TEST(test_writes_notifications),
    TEST(test_a_second_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
