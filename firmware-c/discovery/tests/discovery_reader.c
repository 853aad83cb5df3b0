/* usmp-discovery-reader: what the C side takes, for a comparison with the TypeScript side (packages/conformance). A line of the standard input is

     query HEX          "1", "2" or "3": what it wants; "none": it is no query
     answer HEX         the same answer, written again; "none": it is none
     txt PORT HEX,HEX   entries of a TXT record and the port of its SRV record: the answer that says the same, with a nonce of zeros; "none" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmp_discovery.h"

#define MAX_LINE 8192
#define MAX_BYTES (MAX_LINE / 2)

static unsigned digit(char c)
{
  return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* Until a character that is no digit; where that stands. */
static const char *read_hex(const char *text, uint8_t *out, size_t *len)
{
  for (*len = 0; *text > ' ' && *text != ','; text += 2) out[(*len)++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
  return text;
}

static void print_answer(int err, const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE], const usmp_discovery_offer_t *offer)
{
  uint8_t answer[USMP_DISCOVERY_ANSWER_MAX];
  int len = err < 0 ? err : usmp_discovery_write_answer(answer, nonce, offer);

  for (int i = 0; i < len; i++) printf("%02x", answer[i]);
  puts(len < 0 ? "none" : "");
}

/* Each in a buffer of its own size, so that a sanitizer sees a look beyond it. */
static uint8_t *exact(const uint8_t *bytes, size_t len)
{
  uint8_t *copy = malloc(len > 0 ? len : 1);
  if (!copy) abort();
  memcpy(copy, bytes, len);
  return copy;
}

static void read_message(const char *text, bool is_query)
{
  static uint8_t bytes[MAX_BYTES];
  usmp_discovery_offer_t offer;
  size_t len;

  read_hex(text, bytes, &len);
  uint8_t *message = exact(bytes, len);
  if (is_query) {
    unsigned wanted = usmp_discovery_read_query(message, len);
    puts(wanted == 0 ? "none" : wanted == 1 ? "1" : wanted == 2 ? "2" : "3");
  } else {
    int err = usmp_discovery_read_answer(message, len, &offer);
    print_answer(err, bytes + USMP_DISCOVERY_NONCE_OFFSET, &offer);
  }
  free(message);
}

static void read_entry(usmp_discovery_txt_reader_t *reader, const uint8_t *bytes, size_t len)
{
  char *entry = (char *)exact(bytes, len);
  const char *equals = memchr(entry, '=', len);

  size_t key_len = equals ? (size_t)(equals - entry) : len;
  usmp_discovery_read_txt(reader, entry, key_len, equals ? equals + 1 : NULL, equals ? len - key_len - 1 : 0);
  free(entry);
}

static void read_txt(const char *text)
{
  static const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE];
  static uint8_t bytes[MAX_BYTES];
  usmp_discovery_txt_reader_t reader;
  usmp_discovery_offer_t offer;
  char *entries;
  size_t len;

  usmp_discovery_begin_txt(&reader, (uint16_t)strtoul(text, &entries, 10));
  for (const char *at = entries + 1; *at > ' '; at += *at == ',') {
    at = read_hex(at, bytes, &len);
    read_entry(&reader, bytes, len);
  }
  int err = usmp_discovery_end_txt(&reader, &offer);
  print_answer(err, nonce, &offer);
}

int main(void)
{
  static char line[MAX_LINE];

  while (fgets(line, sizeof line, stdin)) {
    if (strncmp(line, "query ", 6) == 0) read_message(line + 6, true);
    else if (strncmp(line, "answer ", 7) == 0) read_message(line + 7, false);
    else if (strncmp(line, "txt ", 4) == 0) read_txt(line + 4);
    else return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
