/* Manifests: any bytes, and any bytes as the variable part of a good one. What is taken has fields within their limits, and was signed. */
#include <stdlib.h>
#include <string.h>

#include "played_device.h"

static void must(bool holds)
{
  if (!holds) abort();
}

static void check_fields(const usmp_manifest_t *manifest, size_t len)
{
  must(manifest->signed_len + (size_t)USMP_ED25519_SIGNATURE_SIZE == len);
  must(strlen(manifest->product) >= 1 && strlen(manifest->product) <= USMP_PRODUCT_MAX);
  must(strlen(manifest->chip) >= 1 && strlen(manifest->chip) <= USMP_CHIP_MAX);
  must(strlen(manifest->name) <= USMP_IMAGE_NAME_MAX && manifest->size > 0 && manifest->revoked_count <= USMP_REVOKED_MAX);
  for (size_t i = 1; i < manifest->revoked_count; i++) {
    must(memcmp(manifest->revoked[i - 1], manifest->revoked[i], USMP_KEY_ID_SIZE) < 0);
  }
}

/* The toy's signature is not guessed by chance: what is judged good was signed below. */
static void judge(const uint8_t *bytes, size_t len, bool is_signed)
{
  publisher_t publisher = publisher_of(1);
  usmp_manifest_t manifest;
  usmp_ota_trust_t after;
  usmp_ota_trust_t trust = {.key_count = 1};

  memcpy(trust.keys[0], publisher.key, sizeof publisher.key);
  usmp_ota_target_t target = {
    .product = "sensor", .chip = "esp32c3", .version = UINT32_MAX, .trust = &trust, .slot_size = UINT32_MAX};
  int code = usmp_manifest_judge(&manifest, bytes, len, &toy_crypto, &target);
  must(code == 0 || strcmp(usmp_ota_code_name(code), "UNKNOWN") != 0);
  if (code != 0) return;
  must(is_signed && usmp_ota_rotate(&after, &trust, &manifest, &toy_crypto) == 0);
  must(after.counter >= trust.counter && after.key_count >= 1 && after.key_count <= USMP_OTA_KEYS_MAX);
  must(after.revoked_count <= USMP_REVOKED_MAX);
}

/* `bytes` in memory of exactly that size. */
static void take(const uint8_t *bytes, size_t len, bool is_signed)
{
  usmp_manifest_t manifest;
  uint8_t *exact = malloc(len > 0 ? len : 1);

  if (!exact) return;
  if (len > 0) memcpy(exact, bytes, len);
  if (usmp_manifest_parse(&manifest, exact, len) == 0) check_fields(&manifest, len);
  judge(exact, len, is_signed);
  free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static release_t release;
  publisher_t publisher = publisher_of(1);

  take(data, size, false);
  release_make(&release, &publisher, USMP_OTA_VERSION(1, 1, 0), 1, 100, 1);
  size_t room = USMP_MANIFEST_SIGNED_MAX - USMP_MANIFEST_SIGNED_MIN;
  release_sign_with(&release, data, size < room ? size : room);
  take(release.manifest, release.manifest_len, true);
  return 0;
}
