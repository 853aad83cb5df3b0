#include "ota_vectors.h"

#include <string.h>

/* ---- the case at hand: "key value" lines ---- */

#define MAX_BYTES 2048

static const char *lines;
static const usmp_ota_crypto_t *crypto;

/* Up to the end of its line; null: there is none. */
static const char *value_of(const char *key)
{
  size_t len = strlen(key);

  for (const char *line = lines; *line != '\n' && *line; line = strchr(line, '\n') + 1) {
    if (strncmp(line, key, len) == 0 && line[len] == ' ') return line + len + 1;
  }
  return NULL;
}

static bool is(const char *key, const char *expected)
{
  const char *value = value_of(key);
  return value && strncmp(value, expected, strlen(expected)) == 0 && value[strlen(expected)] == '\n';
}

/* A case without the number fails, as no two numbers are this one. */
static uint32_t number(const char *key)
{
  const char *value = value_of(key);
  uint32_t n = 0;

  for (; value && *value != '\n'; value++) n = n * 10 + (uint32_t)(*value - '0');
  return n;
}

static uint8_t digit(char c)
{
  return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

typedef struct bytes {
  uint8_t room[MAX_BYTES];
  const uint8_t *at; /* up to the end of the room, so that a sanitizer sees a look beyond */
  size_t len;
} bytes_t;

static const bytes_t *hex(const char *key, bytes_t *out)
{
  const char *value = value_of(key);
  size_t digits = value ? strcspn(value, "\n") : 0;
  uint8_t *at = out->room + sizeof out->room - digits / 2;

  out->at = at;
  out->len = digits / 2;
  for (size_t i = 0; i < out->len; i++) at[i] = (uint8_t)(digit(value[2 * i]) << 4 | digit(value[2 * i + 1]));
  return out;
}

static bool same_bytes(const char *key, const uint8_t *bytes, size_t len)
{
  static bytes_t expected;
  return value_of(key) && hex(key, &expected)->len == len && memcmp(expected.at, bytes, len) == 0;
}

static const char *text(const char *key, char *out, size_t size)
{
  const char *value = value_of(key);
  size_t len = value ? strcspn(value, "\n") : 0;

  if (len >= size) len = size - 1;
  if (value) memcpy(out, value, len);
  out[len] = 0;
  return out;
}

/* "device.keys.0" */
static const char *item(const char *list, size_t index)
{
  static char key[40];
  size_t len = strlen(list);

  memcpy(key, list, len);
  key[len] = '.';
  key[len + 1] = (char)('0' + index);
  key[len + 2] = 0;
  return key;
}

/* The outcome is the code of the case, or the case is valid and there is none. */
static bool outcome(int code)
{
  return code == 0 ? is("result", "valid") : is("result", "invalid") && is("error", usmp_ota_code_name(code));
}

/* ---- what cases do ---- */

static bytes_t a, b, c;

static bool same_ids(const char *list, const uint8_t (*ids)[USMP_KEY_ID_SIZE], size_t count)
{
  char size[40];

  strcpy(size, list);
  strcat(size, ".#");
  if (number(size) != count) return false;
  for (size_t i = 0; i < count; i++) {
    if (!same_bytes(item(list, i), ids[i], USMP_KEY_ID_SIZE)) return false;
  }
  return true;
}

static bool same_numbers(const usmp_manifest_t *manifest)
{
  return manifest->version == number("version") && manifest->counter == number("counter") &&
         manifest->least_version == number("least_version") && manifest->size == number("size") &&
         manifest->not_after == number("not_after");
}

static bool same_texts(const usmp_manifest_t *manifest)
{
  char expected[40];

  if (strcmp(manifest->product, text("product", expected, sizeof expected)) != 0) return false;
  if (strcmp(manifest->chip, text("chip", expected, sizeof expected)) != 0) return false;
  return strcmp(manifest->name, text("name", expected, sizeof expected)) == 0;
}

static bool same_manifest(usmp_manifest_t *manifest)
{
  size_t next_len = manifest->has_next_key ? sizeof manifest->next_key : 0;
  const uint8_t(*revoked)[USMP_KEY_ID_SIZE] = (const uint8_t(*)[USMP_KEY_ID_SIZE])(const void *)manifest->revoked;

  return same_numbers(manifest) && same_texts(manifest) && same_bytes("key_id", manifest->key_id, USMP_KEY_ID_SIZE) &&
         same_bytes("sha256", manifest->sha256, USMP_SHA256_SIZE) && same_bytes("next_key", manifest->next_key, next_len) &&
         same_ids("revoked_keys", revoked, manifest->revoked_count);
}

static bool run_parse(void)
{
  usmp_manifest_t manifest;

  hex("manifest", &a);
  int code = usmp_manifest_parse(&manifest, a.at, a.len);
  return outcome(code) && (code != 0 || same_manifest(&manifest));
}

static bool run_key(void)
{
  uint8_t id[USMP_KEY_ID_SIZE];

  if (hex("public_key", &a)->len != USMP_ED25519_KEY_SIZE) return is("result", "invalid"); /* a type of C cannot say that */
  if (!usmp_ed25519_key_is_trustworthy(crypto, a.at)) return outcome(USMP_OTA_MALFORMED);
  return is("result", "valid") && usmp_ota_key_id(crypto, a.at, id) == 0 && same_bytes("key_id", id, sizeof id);
}

static bool run_verify(void)
{
  hex("public_key", &a);
  hex("message", &b);
  hex("signature", &c);
  if (a.len != USMP_ED25519_KEY_SIZE || c.len != USMP_ED25519_SIGNATURE_SIZE) return is("result", "invalid");
  return outcome(usmp_ed25519_verify(crypto, a.at, b.at, b.len, c.at) ? 0 : USMP_OTA_BAD_SIGNATURE);
}

static int no(void *ctx, const usmp_manifest_t *manifest)
{
  (void)ctx;
  (void)manifest;
  return 1;
}

static void read_trust(usmp_ota_trust_t *trust)
{
  memset(trust, 0, sizeof *trust);
  trust->counter = number("device.counter");
  trust->key_count = (uint8_t)number("device.keys.#");
  for (size_t i = 0; i < trust->key_count; i++)
    memcpy(trust->keys[i], hex(item("device.keys", i), &b)->at, USMP_ED25519_KEY_SIZE);
  trust->revoked_count = (uint8_t)number("device.revoked.#");
  for (size_t i = 0; i < trust->revoked_count; i++) {
    memcpy(trust->revoked[i], hex(item("device.revoked", i), &b)->at, USMP_KEY_ID_SIZE);
  }
}

static bool same_trust(const usmp_ota_trust_t *trust)
{
  const uint8_t(*revoked)[USMP_KEY_ID_SIZE] = (const uint8_t(*)[USMP_KEY_ID_SIZE])(const void *)trust->revoked;

  if (trust->counter != number("record.counter") || trust->key_count != number("record.keys.#")) return false;
  for (size_t i = 0; i < trust->key_count; i++) {
    if (!same_bytes(item("record.keys", i), trust->keys[i], USMP_ED25519_KEY_SIZE)) return false;
  }
  return same_ids("record.revoked", revoked, trust->revoked_count);
}

static bool run_judge(void)
{
  static char product[32], chip[32];
  static usmp_ota_trust_t trust, after;
  usmp_manifest_t manifest;

  read_trust(&trust);
  usmp_ota_target_t target = {.product = text("device.product", product, sizeof product),
                              .chip = text("device.chip", chip, sizeof chip),
                              .version = number("device.version"),
                              .trust = &trust,
                              .slot_size = number("device.slot_size"),
                              .today = number("device.today"),
                              .busy = number("device.busy") == 1,
                              .may_update = number("device.veto") == 1 ? no : NULL};
  hex("manifest", &a);
  int code = usmp_manifest_judge(&manifest, a.at, a.len, crypto, &target);
  if (!outcome(code)) return false;
  return code != 0 || (usmp_ota_rotate(&after, &trust, &manifest, crypto) == 0 && same_trust(&after));
}

static bool run_case(void)
{
  if (is("op", "parse")) return run_parse();
  if (is("op", "key")) return run_key();
  if (is("op", "verify")) return run_verify();
  return is("op", "judge") && run_judge();
}

usmp_vector_count_t usmp_run_ota_vectors(const char *all, const usmp_ota_crypto_t *table, usmp_vector_failed_fn failed)
{
  usmp_vector_count_t count = {0};

  crypto = table;
  for (lines = all; *lines; lines = strstr(lines, "\n\n") + 2) {
    if (run_case()) {
      count.passed++;
    } else {
      count.failed++;
      failed(value_of("topic"), value_of("id"), value_of("comment"));
    }
  }
  return count;
}
