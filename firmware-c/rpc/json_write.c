#include <math.h>
#include <string.h>

#include "usmp_json.h"

#define DIGITS 15 /* whatever has as many survives a double */

static void add(usmp_json_out_t *out, const char *text, size_t len)
{
  if (len > out->size - out->len) {
    out->failed = true;
    return;
  }
  memcpy(out->text + out->len, text, len);
  out->len += len;
}

static void add_char(usmp_json_out_t *out, char c)
{
  add(out, &c, 1);
}

static void add_quoted(usmp_json_out_t *out, const char *text)
{
  static const char hex[] = "0123456789abcdef";

  add_char(out, '"');
  for (; *text; text++) {
    uint8_t c = (uint8_t)*text;
    if (c == '"' || c == '\\') add_char(out, '\\');
    if (c >= 0x20) {
      add_char(out, *text);
    } else {
      add(out, c < 16 ? "\\u000" : "\\u001", 5);
      add_char(out, hex[c % 16]);
    }
  }
  add_char(out, '"');
}

/* What stands in front of a value. */
static void add_name(usmp_json_out_t *out, const char *name)
{
  if (out->comma) add_char(out, ',');
  out->comma = true;
  if (!name) return;
  add_quoted(out, name);
  add_char(out, ':');
}

static void open(usmp_json_out_t *out, const char *name, char bracket)
{
  add_name(out, name);
  add_char(out, bracket);
  out->comma = false;
}

static void close(usmp_json_out_t *out, char bracket)
{
  add_char(out, bracket);
  out->comma = true;
}

void usmp_json_begin(usmp_json_out_t *out, char *text, size_t size)
{
  *out = (usmp_json_out_t){.text = text, .size = size};
}

size_t usmp_json_end(const usmp_json_out_t *out)
{
  return out->failed ? 0 : out->len;
}

void usmp_json_open_object(usmp_json_out_t *out, const char *name)
{
  open(out, name, '{');
}

void usmp_json_close_object(usmp_json_out_t *out)
{
  close(out, '}');
}

void usmp_json_open_array(usmp_json_out_t *out, const char *name)
{
  open(out, name, '[');
}

void usmp_json_close_array(usmp_json_out_t *out)
{
  close(out, ']');
}

void usmp_json_put_raw(usmp_json_out_t *out, const char *name, const char *text, size_t len)
{
  add_name(out, name);
  add(out, text, len);
}

void usmp_json_put_bool(usmp_json_out_t *out, const char *name, bool value)
{
  usmp_json_put_raw(out, name, value ? "true" : "false", value ? 4 : 5);
}

void usmp_json_put_null(usmp_json_out_t *out, const char *name)
{
  usmp_json_put_raw(out, name, "null", 4);
}

void usmp_json_put_string(usmp_json_out_t *out, const char *name, const char *value)
{
  add_name(out, name);
  add_quoted(out, value);
}

/* ---- numbers ---- */

static void add_digits(usmp_json_out_t *out, uint64_t number)
{
  char digits[20];
  size_t at = sizeof digits;

  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  add(out, digits + at, sizeof digits - at);
}

static void add_signed(usmp_json_out_t *out, int64_t value)
{
  if (value < 0) add_char(out, '-');
  add_digits(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void usmp_json_put_integer(usmp_json_out_t *out, const char *name, int64_t value)
{
  add_name(out, name);
  add_signed(out, value);
}

static double times_power_of_ten(double value, int exponent)
{
  double power = 1;
  int steps = exponent < 0 ? -exponent : exponent;

  for (; steps > 22; steps -= 22) value = exponent < 0 ? value / 1e22 : value * 1e22;
  while (steps-- > 0) power *= 10; /* exact up to 10^22 */
  return exponent < 0 ? value / power : value * power;
}

/* 15 digits and the exponent of the first: value = d.dddd * 10^exponent. */
static uint64_t split(double value, int *exponent)
{
  *exponent = (int)floor(log10(value));
  uint64_t digits = (uint64_t)(times_power_of_ten(value, DIGITS - 1 - *exponent) + 0.5);
  if (digits < 100000000000000u) { /* the logarithm was rounded up */
    (*exponent)--;
    digits = (uint64_t)(times_power_of_ten(value, DIGITS - 1 - *exponent) + 0.5);
  }
  if (digits >= 1000000000000000u) {
    (*exponent)++;
    digits = (digits + 5) / 10;
  }
  return digits;
}

/* Digits with a point behind `whole` of them, without zeros at the end. */
static void add_with_point(usmp_json_out_t *out, uint64_t digits, int whole)
{
  char text[DIGITS];
  int len = DIGITS;

  for (int i = DIGITS; i > 0; i--) {
    text[i - 1] = (char)('0' + digits % 10);
    digits /= 10;
  }
  while (len > whole && len > 0 && text[len - 1] == '0') len--;
  if (whole <= 0) add(out, "0.", 2);
  for (int i = whole; i < 0; i++) add_char(out, '0');
  for (int i = 0; i < len; i++) {
    if (i == whole && whole > 0) add_char(out, '.');
    add_char(out, text[i]);
  }
}

static void add_positive(usmp_json_out_t *out, double value)
{
  int exponent;
  uint64_t digits = split(value, &exponent);

  if (exponent >= -7 && exponent < DIGITS) {
    add_with_point(out, digits, exponent + 1);
    return;
  }
  add_with_point(out, digits, 1);
  add_char(out, 'e');
  add_signed(out, exponent);
}

void usmp_json_put_number(usmp_json_out_t *out, const char *name, double value)
{
  if (!isfinite(value)) out->failed = true;
  if (out->failed) return;
  add_name(out, name);
  if (value < 0) add_char(out, '-');
  if (value == 0) {
    add_char(out, '0');
  } else {
    add_positive(out, fabs(value));
  }
}
