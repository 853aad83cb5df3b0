#include "usmp_manifest.h"

#include <string.h>

/* Where the fields stand (specification, section 13.2). */
enum {
  KEY_ID = 8,
  PRODUCT = 16,
  CHIP = 32,
  VERSION = 40,
  COUNTER = 44,
  LEAST_VERSION = 48,
  SIZE = 52,
  SHA256 = 56,
  NOT_AFTER = 88,
  RESERVED = 92
};
enum { TLV_NAME = 0x01, TLV_NEXT_KEY = 0x82, TLV_REVOKED = 0x83, TLV_CRITICAL = 0x80 };

static const uint8_t magic[] = {'U', 'O', 'T', 'A', 1 /* format */, 0 /* flags */};

/* Printable ASCII without blanks, then zeros; never empty. */
static bool read_ascii(char *out, const uint8_t *field, size_t size)
{
  size_t len = 0;

  while (len < size && field[len] > 0x20 && field[len] < 0x7F) len++;
  memcpy(out, field, len);
  out[len] = 0;
  for (size_t i = len; i < size; i++) {
    if (field[i] != 0) return false;
  }
  return len > 0;
}

/* Bytes of the UTF-8 character at `s`, of which `len` are there; 0: none, or a control character. */
static size_t character_size(const uint8_t *s, size_t len)
{
  if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7F;
  size_t n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
  if (n == 0 || n > len) return 0;
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0;
  }
  bool too_long = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
  bool surrogate = s[0] == 0xED && s[1] >= 0xA0;
  bool too_large = s[0] == 0xF4 && s[1] >= 0x90;
  return too_long || surrogate || too_large ? 0 : n;
}

static bool read_name(usmp_manifest_t *manifest, const uint8_t *value, size_t len)
{
  if (len == 0 || len > USMP_IMAGE_NAME_MAX) return false;
  for (size_t at = 0; at < len;) {
    size_t n = character_size(value + at, len - at);
    if (n == 0) return false;
    at += n;
  }
  memcpy(manifest->name, value, len);
  manifest->name[len] = 0;
  return true;
}

static bool read_next_key(usmp_manifest_t *manifest, const uint8_t *value, size_t len)
{
  if (len != USMP_ED25519_KEY_SIZE) return false;
  memcpy(manifest->next_key, value, len);
  manifest->has_next_key = true;
  return true;
}

/* 1 to 8 ids that rise; not that of the key which signs. */
static bool read_revoked(usmp_manifest_t *manifest, const uint8_t *value, size_t len)
{
  size_t count = len / USMP_KEY_ID_SIZE;

  if (len % USMP_KEY_ID_SIZE != 0 || count < 1 || count > USMP_REVOKED_MAX) return false;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *id = value + i * USMP_KEY_ID_SIZE;
    if (i > 0 && memcmp(id - USMP_KEY_ID_SIZE, id, USMP_KEY_ID_SIZE) >= 0) return false;
    if (memcmp(id, manifest->key_id, USMP_KEY_ID_SIZE) == 0) return false;
  }
  memcpy(manifest->revoked, value, len);
  manifest->revoked_count = (uint8_t)count;
  return true;
}

static bool read_tlv(usmp_manifest_t *manifest, uint8_t type, const uint8_t *value, size_t len)
{
  switch (type) {
    case TLV_NAME: return read_name(manifest, value, len);
    case TLV_NEXT_KEY: return read_next_key(manifest, value, len);
    case TLV_REVOKED: return read_revoked(manifest, value, len);
    default: return (type & TLV_CRITICAL) == 0;
  }
}

/* Types rise, so that each is there once at most. */
static bool read_tlvs(usmp_manifest_t *manifest, const uint8_t *bytes, size_t len)
{
  int last = -1;

  for (size_t at = 0; at < len;) {
    if (len - at < 2) return false;
    uint8_t type = bytes[at];
    size_t value_len = bytes[at + 1];
    if (value_len > len - at - 2 || type <= last) return false;
    if (!read_tlv(manifest, type, bytes + at + 2, value_len)) return false;
    last = type;
    at += 2 + value_len;
  }
  return true;
}

static void read_numbers(usmp_manifest_t *manifest, const uint8_t *bytes)
{
  memcpy(manifest->key_id, bytes + KEY_ID, USMP_KEY_ID_SIZE);
  memcpy(manifest->sha256, bytes + SHA256, USMP_SHA256_SIZE);
  manifest->version = usmp_load32(bytes + VERSION);
  manifest->counter = usmp_load32(bytes + COUNTER);
  manifest->least_version = usmp_load32(bytes + LEAST_VERSION);
  manifest->size = usmp_load32(bytes + SIZE);
  manifest->not_after = usmp_load32(bytes + NOT_AFTER);
}

static bool has_form(usmp_manifest_t *manifest, const uint8_t *bytes, size_t len)
{
  if (len < USMP_MANIFEST_MIN || memcmp(bytes, magic, sizeof magic) != 0) return false;
  manifest->signed_len = usmp_load16(bytes + sizeof magic);
  if (manifest->signed_len < USMP_MANIFEST_SIGNED_MIN || manifest->signed_len > USMP_MANIFEST_SIGNED_MAX) return false;
  return len == (size_t)manifest->signed_len + USMP_ED25519_SIGNATURE_SIZE;
}

int usmp_manifest_parse(usmp_manifest_t *manifest, const uint8_t *bytes, size_t len)
{
  memset(manifest, 0, sizeof *manifest);
  if (!has_form(manifest, bytes, len)) return USMP_OTA_MALFORMED;
  read_numbers(manifest, bytes);
  if (!read_ascii(manifest->product, bytes + PRODUCT, USMP_PRODUCT_MAX)) return USMP_OTA_MALFORMED;
  if (!read_ascii(manifest->chip, bytes + CHIP, USMP_CHIP_MAX)) return USMP_OTA_MALFORMED;
  if (manifest->size == 0 || usmp_load32(bytes + RESERVED) != 0) return USMP_OTA_MALFORMED;
  const uint8_t *tlvs = bytes + USMP_MANIFEST_SIGNED_MIN;
  return read_tlvs(manifest, tlvs, manifest->signed_len - USMP_MANIFEST_SIGNED_MIN) ? 0 : USMP_OTA_MALFORMED;
}

const char *usmp_ota_code_name(int code)
{
  switch (code) {
    case USMP_OTA_MALFORMED: return "MALFORMED";
    case USMP_OTA_UNKNOWN_KEY: return "UNKNOWN_KEY";
    case USMP_OTA_REVOKED_KEY: return "REVOKED_KEY";
    case USMP_OTA_BAD_SIGNATURE: return "BAD_SIGNATURE";
    case USMP_OTA_WRONG_PRODUCT: return "WRONG_PRODUCT";
    case USMP_OTA_WRONG_CHIP: return "WRONG_CHIP";
    case USMP_OTA_DOWNGRADE: return "DOWNGRADE";
    case USMP_OTA_VERSION_TOO_OLD: return "VERSION_TOO_OLD";
    case USMP_OTA_TOO_LARGE: return "TOO_LARGE";
    case USMP_OTA_EXPIRED: return "EXPIRED";
    case USMP_OTA_NOT_NOW: return "NOT_NOW";
    case USMP_OTA_BUSY: return "BUSY";
    case USMP_OTA_FLASH: return "FLASH";
    case USMP_OTA_WRONG_IMAGE: return "WRONG_IMAGE";
    case USMP_OTA_NOT_STAGED: return "NOT_STAGED";
    default: return "UNKNOWN";
  }
}

static char *put_decimal(char *at, uint32_t value)
{
  char digits[5];
  size_t count = 0;

  do digits[count++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  while (count > 0) *at++ = digits[--count];
  return at;
}

void usmp_ota_version_text(uint32_t version, char text[USMP_OTA_VERSION_TEXT_SIZE])
{
  text = put_decimal(text, version >> 24);
  *text++ = '.';
  text = put_decimal(text, version >> 16 & 0xFF);
  *text++ = '.';
  text = put_decimal(text, version & 0xFFFF);
  *text = 0;
}
