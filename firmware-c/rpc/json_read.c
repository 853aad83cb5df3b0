#include <math.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "usmp_json.h"

/* jsmn cuts a text into tokens and leaves out whether what stands between them is right: [1 2], {"a" 1} and 01 pass.
   The walk below goes along the tokens and accounts for every byte of the text. */
typedef struct walk {
  usmp_json_t *json;
  const jsmntok_t *tokens;
  int next; /* the first token that was not seen */
  int at;   /* the first byte that was not seen */
} walk_t;

/* ---- strings ---- */

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10; /* jsmn has seen that it is one */
}

static uint32_t hex4(const char *digits)
{
  uint32_t value = 0;
  for (int i = 0; i < 4; i++) value = value << 4 | (uint32_t)hex_digit(digits[i]);
  return value;
}

static size_t encode(uint32_t point, char out[4])
{
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  size_t more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
  for (size_t i = more; i > 0; i--) {
    out[i] = (char)(0x80 | (point & 0x3F));
    point >>= 6;
  }
  out[0] = (char)(lead[more] | point);
  return more + 1;
}

static bool is_high(uint32_t unit)
{
  return unit >= 0xD800 && unit < 0xDC00;
}

static bool is_low(uint32_t unit)
{
  return unit >= 0xDC00 && unit < 0xE000;
}

/* `*at` stands behind "\u". */
static uint32_t escaped_point(const char **at, const char *end)
{
  uint32_t unit = hex4(*at);
  *at += 4;
  if (is_high(unit) && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' && is_low(hex4(*at + 2))) {
    uint32_t low = hex4(*at + 2);
    *at += 6;
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  return is_high(unit) || is_low(unit) ? 0xFFFD : unit;
}

/* One character of a string, without its escape; moves on. */
static size_t next_character(const char **at, const char *end, char out[4])
{
  static const char short_forms[] = "b\bf\fn\nr\rt\t";
  char c = *(*at)++;

  out[0] = c;
  if (c != '\\') return 1;
  c = *(*at)++;
  if (c == 'u') return encode(escaped_point(at, end), out);
  const char *form = strchr(short_forms, c);
  out[0] = form ? form[1] : c;
  return 1;
}

/* How many bytes the UTF-8 character at `s` has; 0: it is none, or a control character. */
static int utf8_length(const uint8_t *s, int len)
{
  if (s[0] < 0x80) return s[0] >= 0x20;
  int n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
  if (n == 0 || n > len) return 0;
  for (int i = 1; i < n; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0;
  }
  bool too_long = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
  bool surrogate = s[0] == 0xED && s[1] >= 0xA0;
  bool too_large = s[0] == 0xF4 && s[1] >= 0x90;
  return too_long || surrogate || too_large ? 0 : n;
}

static bool is_text(const char *s, int len)
{
  while (len > 0) {
    int n = utf8_length((const uint8_t *)s, len);
    if (n == 0) return false;
    s += n;
    len -= n;
  }
  return true;
}

/* ---- numbers ---- */

#define MANTISSA_LIMIT 1000000000000000000u /* one more digit still fits into 64 bits */

static bool is_digit(const char *s, const char *end)
{
  return s < end && *s >= '0' && *s <= '9';
}

/* 10^22 is the largest power of ten that a double holds exactly. */
static double power_of_ten(int exponent)
{
  double power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

static double scale(double value, int exponent)
{
  if (exponent > 330) exponent = value > 0 ? 330 : 0; /* beyond any double */
  if (exponent < -360) return 0;
  for (; exponent > 22; exponent -= 22) value *= power_of_ten(22);
  for (; exponent < -22; exponent += 22) value /= power_of_ten(22);
  return exponent < 0 ? value / power_of_ten(-exponent) : value * power_of_ten(exponent);
}

/* Digits into the mantissa, as many as it takes. Returns how many were read; `*beyond` counts those it did not take. */
static int read_digits(const char **s, const char *end, uint64_t *mantissa, int *beyond)
{
  const char *begin = *s;
  for (; is_digit(*s, end); (*s)++) {
    if (*mantissa < MANTISSA_LIMIT) {
      *mantissa = *mantissa * 10 + (uint64_t)(**s - '0');
    } else {
      (*beyond)++;
    }
  }
  return (int)(*s - begin);
}

/* False when an "e" has no digits. */
static bool read_exponent(const char **s, const char *end, int *exponent)
{
  int value = 0;

  if (*s == end || (**s | 0x20) != 'e') return true;
  (*s)++;
  bool negative = *s < end && **s == '-';
  if (*s < end && (**s == '-' || **s == '+')) (*s)++;
  if (!is_digit(*s, end)) return false;
  for (; is_digit(*s, end); (*s)++) {
    if (value < 100000) value = value * 10 + (**s - '0');
  }
  *exponent += negative ? -value : value;
  return true;
}

/* False when the text is no number of JSON's grammar; infinite when no double can hold it. */
static bool read_number(const char *s, const char *end, double *value)
{
  uint64_t mantissa = 0;
  int beyond = 0;
  int ignored = 0;
  bool negative = s < end && *s == '-';

  if (negative) s++;
  if (!is_digit(s, end) || (*s == '0' && is_digit(s + 1, end))) return false;
  read_digits(&s, end, &mantissa, &beyond);
  int exponent = beyond;
  if (s < end && *s == '.') {
    s++;
    int taken = read_digits(&s, end, &mantissa, &ignored);
    if (taken == 0) return false;
    exponent -= taken - ignored;
  }
  if (!read_exponent(&s, end, &exponent) || s != end) return false;
  double size = scale((double)mantissa, exponent);
  *value = negative ? -size : size;
  return true;
}

/* ---- the walk ---- */

static bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* White space up to `to`, with `mark` in it exactly once unless it is 0. */
static bool gap(walk_t *walk, int to, char mark)
{
  for (; walk->at < to; walk->at++) {
    char c = walk->json->text[walk->at];
    if (mark && c == mark) {
      mark = 0;
    } else if (!is_space(c)) {
      return false;
    }
  }
  return mark == 0;
}

static bool is_word(const char *s, int len, const char *word)
{
  return (size_t)len == strlen(word) && memcmp(s, word, (size_t)len) == 0;
}

static bool primitive(const char *s, int len, uint8_t *kind)
{
  double value;

  *kind = is_word(s, len, "true") ? USMP_JSON_TRUE : is_word(s, len, "false") ? USMP_JSON_FALSE : USMP_JSON_NULL;
  if (*kind != USMP_JSON_NULL || is_word(s, len, "null")) return true;
  *kind = USMP_JSON_NUMBER;
  return read_number(s, s + len, &value);
}

static usmp_json_verdict_t one_value(walk_t *walk, char mark, int depth);

/* The members of an object or the items of an array, up to the bracket that ends it. */
static usmp_json_verdict_t container(walk_t *walk, const jsmntok_t *token, int depth)
{
  usmp_json_verdict_t verdict = depth < USMP_JSON_DEPTH ? USMP_JSON_GOOD : USMP_JSON_TOO_COMPLEX;

  walk->at = token->start + 1;
  for (int i = 0; i < token->size && verdict == USMP_JSON_GOOD; i++) {
    int first = walk->next;
    verdict = one_value(walk, i > 0 ? ',' : 0, depth + 1);
    if (verdict != USMP_JSON_GOOD || token->type == JSMN_ARRAY) continue;
    if (walk->json->parts[first].kind != USMP_JSON_STRING) return USMP_JSON_BAD;
    verdict = one_value(walk, ':', depth + 1);
  }
  if (verdict != USMP_JSON_GOOD) return verdict;
  return gap(walk, token->end - 1, 0) ? USMP_JSON_GOOD : USMP_JSON_BAD;
}

static usmp_json_verdict_t one_value(walk_t *walk, char mark, int depth)
{
  if (walk->next >= walk->json->count) return USMP_JSON_BAD;
  const jsmntok_t *token = &walk->tokens[walk->next];
  usmp_json_part_t *part = &walk->json->parts[walk->next++];
  const char *text = walk->json->text + token->start;
  bool quoted = token->type == JSMN_STRING;
  usmp_json_verdict_t verdict = USMP_JSON_GOOD;

  if (!gap(walk, token->start - quoted, mark)) return USMP_JSON_BAD;
  part->start = (uint16_t)token->start;
  part->end = (uint16_t)token->end;
  if (quoted) {
    part->kind = USMP_JSON_STRING;
    if (!is_text(text, token->end - token->start)) return USMP_JSON_BAD;
  } else if (token->type == JSMN_PRIMITIVE) {
    if (!primitive(text, token->end - token->start, &part->kind)) return USMP_JSON_BAD;
  } else {
    part->kind = token->type == JSMN_OBJECT ? USMP_JSON_OBJECT : USMP_JSON_ARRAY;
    verdict = container(walk, token, depth);
  }
  walk->at = token->end + quoted;
  part->next = (uint16_t)walk->next;
  return verdict;
}

usmp_json_verdict_t usmp_json_read(usmp_json_t *json, const char *text, size_t len)
{
  jsmntok_t tokens[USMP_JSON_PARTS];
  jsmn_parser parser;

  json->text = text;
  json->count = 0;
  if (len > USMP_JSON_TEXT_MAX) return USMP_JSON_TOO_COMPLEX;
  jsmn_init(&parser);
  int found = jsmn_parse(&parser, text, len, tokens, USMP_JSON_PARTS);
  if (found == JSMN_ERROR_NOMEM) return USMP_JSON_TOO_COMPLEX;
  if (found <= 0) return USMP_JSON_BAD;
  json->count = (uint16_t)found;
  walk_t walk = {.json = json, .tokens = tokens};
  usmp_json_verdict_t verdict = one_value(&walk, 0, 0);
  if (verdict == USMP_JSON_GOOD && !gap(&walk, (int)len, 0)) verdict = USMP_JSON_BAD;
  if (verdict != USMP_JSON_GOOD) json->count = 0;
  return verdict;
}

/* ---- looking things up ---- */

bool usmp_json_is_kind(const usmp_json_t *json, int part, usmp_json_kind_t kind)
{
  return part >= 0 && part < json->count && json->parts[part].kind == kind;
}

int usmp_json_member(const usmp_json_t *json, int object, const char *name)
{
  int found = -1;

  if (!usmp_json_is_kind(json, object, USMP_JSON_OBJECT)) return -1;
  for (int key = object + 1; key < json->parts[object].next; key = json->parts[key + 1].next) {
    if (usmp_json_equals(json, key, name)) found = key + 1;
  }
  return found;
}

bool usmp_json_number(const usmp_json_t *json, int part, double *value)
{
  if (!usmp_json_is_kind(json, part, USMP_JSON_NUMBER)) return false;
  const usmp_json_part_t *p = &json->parts[part];
  return read_number(json->text + p->start, json->text + p->end, value) && isfinite(*value);
}

int usmp_json_string(const usmp_json_t *json, int part, char *out, size_t size)
{
  size_t len = 0;

  if (!usmp_json_is_kind(json, part, USMP_JSON_STRING)) return -1;
  const char *at = json->text + json->parts[part].start;
  const char *end = json->text + json->parts[part].end;
  while (at < end) {
    char character[4];
    size_t n = next_character(&at, end, character);
    if (character[0] == 0 || len + n >= size) return -1;
    memcpy(out + len, character, n);
    len += n;
  }
  if (len >= size) return -1;
  out[len] = 0;
  return (int)len;
}

bool usmp_json_equals(const usmp_json_t *json, int part, const char *text)
{
  if (!usmp_json_is_kind(json, part, USMP_JSON_STRING)) return false;
  const char *at = json->text + json->parts[part].start;
  const char *end = json->text + json->parts[part].end;
  while (at < end) {
    char character[4];
    size_t n = next_character(&at, end, character);
    if (character[0] == 0 || strncmp(text, character, n) != 0) return false;
    text += n;
  }
  return *text == 0;
}
