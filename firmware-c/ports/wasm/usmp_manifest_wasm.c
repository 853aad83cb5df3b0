/* Manifests of updates as a WebAssembly module, with Monocypher and BearSSL: what a device reads in one, and what it decides. Bytes cross
   over in `exchange`. */
#include <string.h>

#include "usmp_manifest.h"

#define EXPORT(name) __attribute__((export_name(#name)))

static uint8_t exchange[4096];
static const usmp_ota_crypto_t crypto = {&usmp_ota_monocypher, &usmp_ota_bearssl_hashes};

/* Where the other functions take bytes from and leave them. */
uint8_t *exchange_address(void);
EXPORT(exchange_address) uint8_t *exchange_address(void)
{
  return exchange;
}

static size_t put(size_t at, const void *bytes, size_t len)
{
  memcpy(exchange + at, bytes, len);
  return at + len;
}

static size_t put_number(size_t at, uint32_t number)
{
  usmp_store32(exchange + at, number);
  return at + 4;
}

/* A text and its zero. */
static size_t put_text(size_t at, const char *text)
{
  return put(at, text, strlen(text) + 1);
}

/* 0 or a code. Then the fields are in the exchange: key id, product, chip, five numbers, SHA-256, last day, name, whether there is a next
   key, that key or zeros, the count of revoked keys, their ids. `fields_size` says how many bytes. */
static size_t fields_len;

size_t fields_size(void);
EXPORT(fields_size) size_t fields_size(void)
{
  return fields_len;
}

static size_t put_fields(const usmp_manifest_t *manifest)
{
  size_t at = put(0, manifest->key_id, USMP_KEY_ID_SIZE);

  at = put_text(put_text(at, manifest->product), manifest->chip);
  at = put_number(put_number(at, manifest->version), manifest->counter);
  at = put_number(put_number(at, manifest->least_version), manifest->size);
  at = put(at, manifest->sha256, USMP_SHA256_SIZE);
  at = put_text(put_number(at, manifest->not_after), manifest->name);
  exchange[at++] = manifest->has_next_key;
  at = put(at, manifest->next_key, USMP_ED25519_KEY_SIZE);
  exchange[at++] = manifest->revoked_count;
  return put(at, manifest->revoked, (size_t)manifest->revoked_count * USMP_KEY_ID_SIZE);
}

int parse(size_t len);
EXPORT(parse) int parse(size_t len)
{
  static uint8_t bytes[sizeof exchange];
  usmp_manifest_t manifest;

  memcpy(bytes, exchange, len);
  int code = usmp_manifest_parse(&manifest, bytes, len);
  fields_len = code == 0 ? put_fields(&manifest) : 0;
  return code;
}

/* ---- what a device decides ---- */

static usmp_ota_trust_t trust;

/* Takes a record from the exchange: counter, count of keys, keys, count of revoked ids, ids. */
void set_trust(void);
EXPORT(set_trust) void set_trust(void)
{
  size_t at = 5;

  memset(&trust, 0, sizeof trust);
  trust.counter = usmp_load32(exchange);
  trust.key_count = exchange[4];
  memcpy(trust.keys, exchange + at, (size_t)trust.key_count * USMP_ED25519_KEY_SIZE);
  at += (size_t)trust.key_count * USMP_ED25519_KEY_SIZE;
  trust.revoked_count = exchange[at++];
  memcpy(trust.revoked, exchange + at, (size_t)trust.revoked_count * USMP_KEY_ID_SIZE);
}

static size_t put_trust(const usmp_ota_trust_t *after)
{
  size_t at = put_number(0, after->counter);

  exchange[at++] = after->key_count;
  at = put(at, after->keys, (size_t)after->key_count * USMP_ED25519_KEY_SIZE);
  exchange[at++] = after->revoked_count;
  return put(at, after->revoked, (size_t)after->revoked_count * USMP_KEY_ID_SIZE);
}

/* Judges the manifest of `len` bytes in the exchange, by a device with the record of set_trust and of the product and chip that the
   manifest names. 0 or a code; then the record after confirmation is in the exchange, `fields_size` bytes. */
int judge(size_t len, uint32_t version, uint32_t slot_size, uint32_t today);
EXPORT(judge) int judge(size_t len, uint32_t version, uint32_t slot_size, uint32_t today)
{
  static uint8_t bytes[sizeof exchange];
  usmp_manifest_t manifest;
  usmp_manifest_t named;
  usmp_ota_trust_t after;

  memcpy(bytes, exchange, len);
  fields_len = 0;
  int code = usmp_manifest_parse(&named, bytes, len);
  if (code != 0) return code;
  usmp_ota_target_t target = {
    .product = named.product, .chip = named.chip, .version = version, .trust = &trust, .slot_size = slot_size, .today = today};
  code = usmp_manifest_judge(&manifest, bytes, len, &crypto, &target);
  if (code == 0) code = usmp_ota_rotate(&after, &trust, &manifest, &crypto);
  if (code == 0) fields_len = put_trust(&after);
  return code;
}
