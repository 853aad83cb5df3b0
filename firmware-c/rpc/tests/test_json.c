/* JSON in and out: what is taken, what is refused, and what numbers and strings become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmp_json.h"

static usmp_json_t json;

static usmp_json_verdict_t read(const char *text)
{
  /* A copy of exactly this size, so that the sanitizer sees a byte read too many. */
  size_t len = strlen(text);
  static char *copy;
  free(copy);
  copy = malloc(len ? len : 1);
  memcpy(copy, text, len);
  return usmp_json_read(&json, copy, len);
}

static void test_takes_json(void **state)
{
  static const char *const good[] = {"{}",
                                     "[]",
                                     " \t\r\n{ } ",
                                     "0",
                                     "-0",
                                     "1.5",
                                     "-12.5e+3",
                                     "1E-2",
                                     "true",
                                     "false",
                                     "null",
                                     "\"\"",
                                     "[[],{}]",
                                     "{\"a\":1}",
                                     "{ \"a\" : [ 1 , 2 , { \"b\" : null } ] , \"c\" : \"d\" }",
                                     "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
                                     "\"Gr\xc3\xbc\xc3\x9f \xe4\xb8\x96 \xf0\x9f\xa4\x96\"",
                                     "[[[[[[[[]]]]]]]]",
                                     "\"\x7f\""};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    if (read(good[i]) != USMP_JSON_GOOD) fail_msg("refused: %s", good[i]);
  }
}

static void test_refuses_what_is_no_json(void **state)
{
  static const char *const bad[] = {"",
                                    " ",
                                    "{",
                                    "}",
                                    "[",
                                    "]",
                                    "[}",
                                    "{]",
                                    "{\"a\"}",
                                    "{\"a\":}",
                                    "{\"a\" 1}",
                                    "{\"a\":1,}",
                                    "{,}",
                                    "{\"a\":1 \"b\":2}",
                                    "{1:2}",
                                    "{a:1}",
                                    "{\"a\":1:2}",
                                    "{\"a\",\"b\"}",
                                    "{\"a\":1,,\"b\":2}",
                                    "{{}:1}",
                                    "{[]:1}",
                                    "{null:1}",
                                    "[1,]",
                                    "[,1]",
                                    "[1 2]",
                                    "[1,,2]",
                                    "[\"a\":1]",
                                    "1 2",
                                    "{} {}",
                                    "{}x",
                                    "[]]",
                                    "\"",
                                    "\"a",
                                    "a\"",
                                    "'a'",
                                    "\"\\x\"",
                                    "\"\\u12\"",
                                    "\"\\u12g4\"",
                                    "\"a\nb\"",
                                    "\"a\tb\"",
                                    "\"\x01\"",
                                    "\"\xff\"",
                                    "\"\xc3\"",
                                    "\"\xc3(\"",
                                    "\"\xc0\x80\"",
                                    "\"\xe0\x80\x80\"",
                                    "\"\xed\xa0\x80\"",
                                    "\"\xf0\x80\x80\x80\"",
                                    "\"\xf4\x90\x80\x80\"",
                                    "\"\xf8\x88\x80\x80\x80\"",
                                    "\"\x80\"",
                                    "01",
                                    "-01",
                                    "1.",
                                    ".5",
                                    "-.5",
                                    "+1",
                                    "1e",
                                    "1e+",
                                    "1.e5",
                                    "--1",
                                    "1-2",
                                    "0x10",
                                    "-",
                                    "NaN",
                                    "nan",
                                    "Infinity",
                                    "-Infinity",
                                    "inf",
                                    "tru",
                                    "truey",
                                    "nul",
                                    "TRUE",
                                    "[1.2.3]",
                                    "[1e5e5]",
                                    "[t]",
                                    "\xef\xbb\xbf{}",
                                    "{\"a\":\"b\"\"c\":1}",
                                    "[\"a\"\"b\"]",
                                    "//x\n{}",
                                    "{\"a\":1}//",
                                    "{\"\":}",
                                    "[:]",
                                    ",",
                                    ":",
                                    "{\"a\":1;\"b\":2}"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (read(bad[i]) != USMP_JSON_BAD) fail_msg("taken: %s", bad[i]);
    assert_int_equal(usmp_json_member(&json, 0, "a"), -1);
  }
  assert_int_equal(usmp_json_read(&json, "1\0", 2), USMP_JSON_BAD);
  assert_int_equal(usmp_json_read(&json, "\"a\0b\"", 5), USMP_JSON_BAD);
}

static void test_bounds(void **state)
{
  static char text[USMP_JSON_TEXT_MAX + 2];
  (void)state;
  assert_int_equal(read("[[[[[[[[[]]]]]]]]]"), USMP_JSON_TOO_COMPLEX);
  assert_int_equal(read("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}"), USMP_JSON_TOO_COMPLEX);

  strcpy(text, "[0");
  for (int i = 2; i < USMP_JSON_PARTS; i++) strcat(text, ",0");
  strcat(text, "]");
  assert_int_equal(read(text), USMP_JSON_GOOD);
  strcpy(text + strlen(text) - 1, ",0]");
  assert_int_equal(read(text), USMP_JSON_TOO_COMPLEX);

  memset(text, ' ', sizeof text);
  text[0] = '1';
  assert_int_equal(usmp_json_read(&json, text, USMP_JSON_TEXT_MAX), USMP_JSON_GOOD);
  assert_int_equal(usmp_json_read(&json, text, USMP_JSON_TEXT_MAX + 1), USMP_JSON_TOO_COMPLEX);
  memset(text, '[', USMP_JSON_TEXT_MAX);
  assert_int_equal(usmp_json_read(&json, text, USMP_JSON_TEXT_MAX), USMP_JSON_TOO_COMPLEX);
}

static void test_members(void **state)
{
  (void)state;
  assert_int_equal(read("{\"a\":{\"b\":1,\"a\":2},\"b\":[3,{\"c\":4}],\"c\":5,\"\\u0064\":6,\"c\":7}"), USMP_JSON_GOOD);
  double value;
  assert_true(usmp_json_number(&json, usmp_json_member(&json, usmp_json_member(&json, 0, "a"), "a"), &value));
  assert_true(value == 2);
  assert_true(usmp_json_is_kind(&json, usmp_json_member(&json, 0, "b"), USMP_JSON_ARRAY));
  assert_true(usmp_json_number(&json, usmp_json_member(&json, 0, "c"), &value));
  assert_true(value == 7); /* the last, as JSON.parse has it */
  assert_true(usmp_json_number(&json, usmp_json_member(&json, 0, "d"), &value));
  assert_int_equal(usmp_json_member(&json, 0, "e"), -1);
  assert_int_equal(usmp_json_member(&json, 0, ""), -1);
  assert_int_equal(usmp_json_member(&json, usmp_json_member(&json, 0, "b"), "c"), -1);
  assert_int_equal(usmp_json_member(&json, -1, "a"), -1);
  assert_int_equal(usmp_json_member(&json, 1000, "a"), -1);
  assert_false(usmp_json_number(&json, -1, &value));
  assert_false(usmp_json_number(&json, usmp_json_member(&json, 0, "a"), &value));
}

static double number(const char *text)
{
  double value = -99;
  if (read(text) != USMP_JSON_GOOD || !usmp_json_number(&json, 0, &value)) fail_msg("refused: %s", text);
  return value;
}

/* In units of the last place, by the C library. */
static double off_by(double value, double right)
{
  double next = right == 0 ? DBL_MIN : right * DBL_EPSILON;
  double off = (value - right) / (next < 0 ? -next : next);
  return off < 0 ? -off : off;
}

static void test_reads_numbers(void **state)
{
  static const char *const texts[] = {"0.1",
                                      "0.2",
                                      "0.30000000000000004",
                                      "3.141592653589793",
                                      "1e22",
                                      "1e23",
                                      "123456789012345678901234567890",
                                      "1e-7",
                                      "1.7976931348623157e308",
                                      "2.2250738585072014e-308",
                                      "0.000000000000000000000000000001",
                                      "98765.4321e-12",
                                      "9007199254740993",
                                      "18446744073709551615",
                                      "184467440737095516159999",
                                      "0.1000000000000000055511151231257827"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (off_by(number(texts[i]), strtod(texts[i], NULL)) > 2) fail_msg("%s became %.17g", texts[i], number(texts[i]));
  }
  assert_true(number("9007199254740992") == 9007199254740992.0);
  assert_true(number("-12.5") == -12.5);
  assert_true(number("0.5") == 0.5);
  assert_true(number("1e-400") == 0);
  assert_true(number("0e999") == 0);
  assert_true(number("1e-999999999999") == 0);
}

static void test_refuses_infinite_numbers(void **state)
{
  static const char *const texts[] = {"1e309", "-1e309", "1e999999999999999", "2e308", "17976931348623159e293"};
  double value;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    assert_int_equal(read(texts[i]), USMP_JSON_GOOD);
    if (usmp_json_number(&json, 0, &value)) fail_msg("taken: %s as %g", texts[i], value);
  }
}

static void test_reads_strings(void **state)
{
  char text[16];
  (void)state;
  assert_int_equal(read("\"a\\n\\u00e9\\ud83e\\udd16\\/\""), USMP_JSON_GOOD);
  assert_int_equal(usmp_json_string(&json, 0, text, sizeof text), 9);
  assert_string_equal(text, "a\n\xc3\xa9\xf0\x9f\xa4\x96/");
  assert_int_equal(usmp_json_string(&json, 0, text, 10), 9);
  assert_int_equal(usmp_json_string(&json, 0, text, 9), -1);
  assert_int_equal(usmp_json_string(&json, 0, text, 0), -1);
  assert_int_equal(read("\"\\ud83e!\\udd16\\ud83e\""), USMP_JSON_GOOD);
  assert_int_equal(usmp_json_string(&json, 0, text, sizeof text), 10);
  assert_string_equal(text, "\xef\xbf\xbd!\xef\xbf\xbd\xef\xbf\xbd");
  assert_int_equal(read("\"stop\\u0000x\""), USMP_JSON_GOOD);
  assert_int_equal(usmp_json_string(&json, 0, text, sizeof text), -1);
  assert_false(usmp_json_equals(&json, 0, "stop"));
  assert_int_equal(read("\"st\\u006fp\""), USMP_JSON_GOOD);
  assert_true(usmp_json_equals(&json, 0, "stop"));
  assert_false(usmp_json_equals(&json, 0, "stops"));
  assert_false(usmp_json_equals(&json, 0, "sto"));
  assert_int_equal(read("[\"\"]"), USMP_JSON_GOOD);
  assert_int_equal(usmp_json_string(&json, 1, text, 1), 0);
  assert_int_equal(usmp_json_string(&json, 0, text, sizeof text), -1);
}

/* ---- writing ---- */

static char written[512];
static usmp_json_out_t out;

static const char *finish(void)
{
  size_t len = usmp_json_end(&out);
  assert_true(len < sizeof written);
  written[len] = 0;
  return written;
}

static const char *number_text(double value)
{
  usmp_json_begin(&out, written, sizeof written - 1);
  usmp_json_put_number(&out, NULL, value);
  return finish();
}

static void test_writes_structure(void **state)
{
  (void)state;
  usmp_json_begin(&out, written, sizeof written - 1);
  usmp_json_open_object(&out, NULL);
  usmp_json_put_integer(&out, "a", -7);
  usmp_json_open_array(&out, "b");
  usmp_json_put_bool(&out, NULL, true);
  usmp_json_put_null(&out, NULL);
  usmp_json_open_object(&out, NULL);
  usmp_json_close_object(&out);
  usmp_json_close_array(&out);
  usmp_json_put_string(&out, "c\"", "\\ \x01\x1f\n\xc3\xa9");
  usmp_json_put_integer(&out, "d", INT64_MIN);
  usmp_json_put_bool(&out, "e", false);
  usmp_json_close_object(&out);
  assert_string_equal(finish(), "{\"a\":-7,\"b\":[true,null,{}],\"c\\\"\":\"\\\\ \\u0001\\u001f\\u000a\xc3\xa9\","
                                "\"d\":-9223372036854775808,\"e\":false}");
  assert_int_equal(read(written), USMP_JSON_GOOD);
}

static void test_writes_numbers(void **state)
{
  (void)state;
  assert_string_equal(number_text(0), "0");
  assert_string_equal(number_text(-0.0), "0");
  assert_string_equal(number_text(1), "1");
  assert_string_equal(number_text(-1.5), "-1.5");
  assert_string_equal(number_text(0.1), "0.1");
  assert_string_equal(number_text(0.1 + 0.2), "0.3");
  assert_string_equal(number_text(100), "100");
  assert_string_equal(number_text(99.9999999999999), "99.9999999999999");
  assert_string_equal(number_text(99.99999999999999), "100");
  assert_string_equal(number_text(123456789012345), "123456789012345");
  assert_string_equal(number_text(1e15), "1e15");
  assert_string_equal(number_text(0.0000001), "0.0000001");
  assert_string_equal(number_text(1.5e-8), "1.5e-8");
  assert_string_equal(number_text(-6.02214076e23), "-6.02214076e23");
  assert_string_equal(number_text(3.14159265358979), "3.14159265358979");
}

/* Whatever has 15 digits comes out as it went in, over the whole range of doubles. */
static void test_numbers_come_back(void **state)
{
  uint64_t random = 88172645463325252u;
  (void)state;
  for (int i = 0; i < 200000; i++) {
    char text[40];
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    long exponent = (long)(random % 600) - 300;
    snprintf(text, sizeof text, "%llue%ld", (unsigned long long)(random / 7919 % 1000000000000000u), exponent - 14);
    double value = strtod(text, NULL);
    number_text(value);
    double again = strtod(written, NULL);
    if (off_by(again, value) > (exponent < -22 || exponent > 22 ? 10 : 2)) fail_msg("%s became %s", text, written);
    if (off_by(number(written), again) > (exponent < -22 || exponent > 22 ? 10 : 2)) fail_msg("%s was misread", written);
  }
}

static void test_full_and_not_finite(void **state)
{
  (void)state;
  for (size_t size = 0; size < 30; size++) {
    char *exact = malloc(size ? size : 1);
    usmp_json_begin(&out, exact, size);
    usmp_json_open_object(&out, NULL);
    usmp_json_put_number(&out, "abc", -12.345);
    usmp_json_put_string(&out, "d", "e\n");
    usmp_json_close_object(&out);
    size_t len = usmp_json_end(&out);
    assert_int_equal(len, size < 29 ? 0 : 29);
    free(exact);
  }
  assert_string_equal(number_text(DBL_MAX * 10), "");
  double zero = 0;
  assert_string_equal(number_text(zero / zero), "");
}

/* A program may have set the locale of its person; JSON's point stays a point. */
static void test_knows_no_locale(void **state)
{
  (void)state;
  if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
    print_message("no de_DE.UTF-8 on this machine: run in the locale that there is\n");
  }
  assert_true(number("1.5") == 1.5);
  assert_string_equal(number_text(1.5), "1.5");
  setlocale(LC_NUMERIC, "C");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_takes_json),
    cmocka_unit_test(test_refuses_what_is_no_json),
    cmocka_unit_test(test_bounds),
    cmocka_unit_test(test_members),
    cmocka_unit_test(test_reads_numbers),
    cmocka_unit_test(test_refuses_infinite_numbers),
    cmocka_unit_test(test_reads_strings),
    cmocka_unit_test(test_writes_structure),
    cmocka_unit_test(test_writes_numbers),
    cmocka_unit_test(test_numbers_come_back),
    cmocka_unit_test(test_full_and_not_finite),
    cmocka_unit_test(test_knows_no_locale),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
