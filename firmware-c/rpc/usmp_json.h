/* JSON (RFC 8259) for devices: read and written in memory of the caller, without heap, recursion of unknown depth,
   locale or printf. jsmn finds the parts of a text; json_read.c refuses what jsmn lets pass. */
#ifndef USMP_JSON_H
#define USMP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many values and names one text may have. Each costs 8 bytes, and 20 bytes of stack while it is read. */
#ifndef USMP_JSON_PARTS
#define USMP_JSON_PARTS 48
#endif
/* Objects and arrays within each other. */
#define USMP_JSON_DEPTH 8
#define USMP_JSON_TEXT_MAX UINT16_MAX

/* ---- reading ---- */

typedef enum usmp_json_kind {
  USMP_JSON_OBJECT,
  USMP_JSON_ARRAY,
  USMP_JSON_STRING,
  USMP_JSON_NUMBER,
  USMP_JSON_TRUE,
  USMP_JSON_FALSE,
  USMP_JSON_NULL
} usmp_json_kind_t;

typedef struct usmp_json_part {
  uint16_t start; /* in the text; of a string, behind its quote */
  uint16_t end;
  uint16_t next; /* the first part behind this one and all that is in it */
  uint8_t kind;
} usmp_json_part_t;

typedef struct usmp_json {
  const char *text; /* the caller's; must stay as it is while the parts are used */
  uint16_t count;
  usmp_json_part_t parts[USMP_JSON_PARTS];
} usmp_json_t;

typedef enum usmp_json_verdict {
  USMP_JSON_GOOD,
  USMP_JSON_BAD,        /* not JSON, or not UTF-8 */
  USMP_JSON_TOO_COMPLEX /* more than USMP_JSON_PARTS, deeper than USMP_JSON_DEPTH, or over USMP_JSON_TEXT_MAX bytes */
} usmp_json_verdict_t;

/* Part 0 is the whole. Functions below take -1 for a part that is not there, and know nothing of it. */
usmp_json_verdict_t usmp_json_read(usmp_json_t *json, const char *text, size_t len);

/* The part that `object` has under `name`, or -1. Of several with one name the last, as in JavaScript. */
int usmp_json_member(const usmp_json_t *json, int object, const char *name);
bool usmp_json_is_kind(const usmp_json_t *json, int part, usmp_json_kind_t kind);
/* A number that a double can hold. False: not a number, or beyond 1.8e308. At most 2 units in the last place off
   between 1e-22 and 1e22, a few more beyond; exact for whole numbers up to 2^53. */
bool usmp_json_number(const usmp_json_t *json, int part, double *value);
/* A string as UTF-8 with a zero behind it. Its length; -1: not a string, no room, or it contains U+0000. A half
   surrogate pair becomes U+FFFD. */
int usmp_json_string(const usmp_json_t *json, int part, char *out, size_t size);
/* True when the part is the string `text`. */
bool usmp_json_equals(const usmp_json_t *json, int part, const char *text);

/* ---- writing ---- */

/* Commas are set by themselves. `name` is null within an array and for the outermost value. */
typedef struct usmp_json_out {
  char *text;
  size_t size;
  size_t len;
  bool comma;
  bool failed; /* no room, or a number that is not finite: nothing of it may be used */
} usmp_json_out_t;

void usmp_json_begin(usmp_json_out_t *out, char *text, size_t size);
/* The length of what was written; 0: it did not fit, or a number was not finite. No zero is put behind it. */
size_t usmp_json_end(const usmp_json_out_t *out);

void usmp_json_open_object(usmp_json_out_t *out, const char *name);
void usmp_json_close_object(usmp_json_out_t *out);
void usmp_json_open_array(usmp_json_out_t *out, const char *name);
void usmp_json_close_array(usmp_json_out_t *out);
/* 15 significant digits: what had as many comes out as it went in (0.1 as 0.1). */
void usmp_json_put_number(usmp_json_out_t *out, const char *name, double value);
void usmp_json_put_integer(usmp_json_out_t *out, const char *name, int64_t value);
void usmp_json_put_bool(usmp_json_out_t *out, const char *name, bool value);
void usmp_json_put_null(usmp_json_out_t *out, const char *name);
/* `value` is UTF-8 that ends with a zero. */
void usmp_json_put_string(usmp_json_out_t *out, const char *name, const char *value);
/* Text that is JSON already. */
void usmp_json_put_raw(usmp_json_out_t *out, const char *name, const char *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif
