#include "ota_internal.h"

#include <string.h>

#define HEX_SIZE (2 * USMP_SHA256_SIZE + 1)

/* ---- texts ---- */

static void put_hex(usmp_json_out_t *out, const char *name, const uint8_t *bytes, size_t len)
{
  static const char digits[] = "0123456789abcdef";
  char text[HEX_SIZE];

  for (size_t i = 0; i < len; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  text[2 * len] = 0;
  usmp_json_put_string(out, name, text);
}

static void put_hash_or_null(usmp_json_out_t *out, const char *name, const uint8_t hash[USMP_SHA256_SIZE])
{
  if (usmp_is_zero(hash, USMP_SHA256_SIZE)) {
    usmp_json_put_null(out, name);
  } else {
    put_hex(out, name, hash, USMP_SHA256_SIZE);
  }
}

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: the parameter is no SHA-256 in lower-case hex. */
static bool read_sha256(usmp_rpc_call_t *call, uint8_t hash[USMP_SHA256_SIZE])
{
  char text[HEX_SIZE];

  if (!usmp_rpc_string(call, "sha256", text, sizeof text)) return false;
  for (size_t i = 0; i < USMP_SHA256_SIZE; i++) {
    int high = hex_digit(text[2 * i]);
    int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
    if (low < 0) {
      usmp_rpc_refuse(call, 0, "sha256 must be 64 digits of lower-case hex");
      return false;
    }
    hash[i] = (uint8_t)(high << 4 | low);
  }
  return text[2 * USMP_SHA256_SIZE] == 0;
}

static int base64url_digit(char c)
{
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Bytes of base64url without padding; -1: it is none, or there is no room. */
static int read_base64url(const char *text, size_t len, uint8_t *out, size_t size)
{
  uint32_t bits = 0;
  unsigned count = 0;
  size_t written = 0;

  for (size_t i = 0; i < len; i++) {
    int digit = base64url_digit(text[i]);
    if (digit < 0) return -1;
    bits = (bits << 6 | (uint32_t)digit) & 0xFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    if (written == size) return -1;
    out[written++] = (uint8_t)(bits >> count);
  }
  bool whole = len % 4 != 1 && (bits & ((1u << count) - 1)) == 0;
  return whole ? (int)written : -1;
}

/* What an error answer says of a code; "the update" is what was offered. */
static const char *reason_of(int code)
{
  switch (code) {
    case USMP_OTA_MALFORMED: return "the manifest is damaged, not of format 1, or cannot be followed";
    case USMP_OTA_UNKNOWN_KEY: return "signed by a key that this device does not trust";
    case USMP_OTA_REVOKED_KEY: return "signed by a key that was revoked";
    case USMP_OTA_BAD_SIGNATURE: return "the signature is not that of the key which the manifest names";
    case USMP_OTA_WRONG_PRODUCT: return "the update is for another product";
    case USMP_OTA_WRONG_CHIP: return "the update is for another chip or board";
    case USMP_OTA_DOWNGRADE: return "its security counter is lower than that of this device";
    case USMP_OTA_VERSION_TOO_OLD: return "the running version is too old for it: update to one between first";
    case USMP_OTA_TOO_LARGE: return "the image does not fit the slot";
    case USMP_OTA_EXPIRED: return "the last day of the manifest is over";
    case USMP_OTA_NOT_NOW: return "the application refuses updates for now: offer it again later";
    case USMP_OTA_BUSY: return "an image waits for its confirmation, or another update is under way";
    case USMP_OTA_WRONG_IMAGE: return "twice other bytes came than those of the manifest; not once more before a restart";
    case USMP_OTA_NOT_STAGED: return "this image is not staged: transfer it first";
    default: return "flash, record or crypto library failed; after a restart it may be tried again";
  }
}

static int refuse(usmp_rpc_call_t *call, int code)
{
  return usmp_rpc_refuse(call, code, reason_of(code));
}

/* ---- methods ---- */

static int run_offer(usmp_rpc_call_t *call)
{
  uint8_t bytes[USMP_MANIFEST_MAX];
  uint32_t have;
  int part = usmp_json_member(call->json, call->params, "manifest");

  if (!usmp_json_is_kind(call->json, part, USMP_JSON_STRING)) {
    return usmp_rpc_refuse(call, USMP_RPC_INVALID_PARAMS, "manifest must be a string");
  }
  const usmp_json_part_t *text = &call->json->parts[part];
  int len = read_base64url(call->json->text + text->start, (size_t)(text->end - text->start), bytes, sizeof bytes);
  if (len < 0) return usmp_rpc_refuse(call, USMP_RPC_INVALID_PARAMS, "manifest must be base64url of at most 512 bytes");
  int code = usmp_ota_offer(call->context, bytes, (size_t)len, call->now, &have);
  if (code != 0) return refuse(call, code);
  usmp_json_put_integer(&call->result, "have", have);
  return 0;
}

static int run_apply(usmp_rpc_call_t *call)
{
  usmp_ota_t *ota = call->context;
  uint8_t hash[USMP_SHA256_SIZE];

  if (!read_sha256(call, hash)) return USMP_RPC_INVALID_PARAMS;
  bool named = usmp_equal(hash, ota->record.sha256, sizeof hash);
  if (named && ota->restart && ota->record.phase == USMP_OTA_TRIAL && !ota->on_trial) return 0; /* asked twice */
  if (!named || ota->record.phase != USMP_OTA_STAGED) return refuse(call, USMP_OTA_NOT_STAGED);
  if (ota->on_trial || ota->restart) return refuse(call, USMP_OTA_BUSY);
  int code = usmp_ota_activate(ota);
  return code == 0 ? 0 : refuse(call, code);
}

static int run_abort(usmp_rpc_call_t *call)
{
  usmp_ota_t *ota = call->context;
  uint8_t hash[USMP_SHA256_SIZE];

  if (!read_sha256(call, hash)) return USMP_RPC_INVALID_PARAMS;
  if (usmp_equal(hash, ota->record.sha256, sizeof hash)) ota->pulling = false;
  return 0;
}

/* Of the image that runs; zeros: not known. */
static const uint8_t *running_sha256(const usmp_ota_t *ota)
{
  static const uint8_t unknown[USMP_SHA256_SIZE] = {0};
  const usmp_ota_record_t *record = &ota->record;

  if (usmp_ota_runs_record(ota)) return record->sha256;
  bool known = record->running_slot == ota->running.index && record->running_version == ota->config->version;
  return known ? record->running_sha256 : unknown;
}

static int put_keys(usmp_json_out_t *out, const usmp_ota_t *ota)
{
  const usmp_ota_trust_t *trust = &ota->record.trust;
  uint8_t id[USMP_KEY_ID_SIZE];

  usmp_json_open_array(out, "keys");
  for (size_t i = 0; i < trust->key_count; i++) {
    if (usmp_ota_key_id(ota->config->crypto, trust->keys[i], id) != 0) return USMP_RPC_INTERNAL_ERROR;
    put_hex(out, NULL, id, sizeof id);
  }
  usmp_json_close_array(out);
  return 0;
}

static void put_trial(usmp_json_out_t *out, const usmp_ota_t *ota, uint32_t now)
{
  usmp_json_put_string(out, "state", ota->on_trial ? "pending" : "confirmed");
  if (ota->on_trial) {
    usmp_json_put_integer(out, "confirmWithin", usmp_ota_until(ota->deadline, now));
  } else {
    usmp_json_put_null(out, "confirmWithin");
  }
  usmp_json_put_bool(out, "rollback", ota->record.rollback_seen);
}

static int run_state(usmp_rpc_call_t *call)
{
  const usmp_ota_t *ota = call->context;
  usmp_json_out_t *out = &call->result;
  char version[USMP_OTA_VERSION_TEXT_SIZE];

  usmp_ota_version_text(ota->config->version, version);
  usmp_json_put_string(out, "product", ota->config->product);
  usmp_json_put_string(out, "chip", ota->config->chip);
  usmp_json_put_string(out, "version", version);
  usmp_json_put_integer(out, "counter", ota->record.trust.counter);
  put_hex(out, "sha256", running_sha256(ota), USMP_SHA256_SIZE);
  put_trial(out, ota, call->now);
  int code = put_keys(out, ota);
  if (ota->record.phase == USMP_OTA_STAGED) {
    put_hex(out, "staged", ota->record.sha256, USMP_SHA256_SIZE);
  } else {
    usmp_json_put_null(out, "staged");
  }
  put_hash_or_null(out, "rolledBack", ota->record.rolled_back);
  return code;
}

const usmp_rpc_method_t usmp_ota_methods[USMP_OTA_METHODS] = {
  {"ota.state", run_state}, {"ota.offer", run_offer}, {"ota.apply", run_apply}, {"ota.abort", run_abort}};

/* ---- notifications ---- */

static bool progress_is_due(const usmp_ota_t *ota, uint32_t now)
{
  return ota->pulling && usmp_ota_until(ota->progress_at, now) == 0;
}

static size_t put_progress(usmp_ota_t *ota, uint32_t now, char *text, size_t size)
{
  usmp_json_out_t out;

  ota->progress_at = now + USMP_OTA_PROGRESS_MS;
  usmp_rpc_notification(&out, text, size, "ota.progress");
  put_hex(&out, "sha256", ota->record.sha256, USMP_SHA256_SIZE);
  usmp_json_put_integer(&out, "offset", ota->offset);
  return usmp_rpc_notification_end(&out);
}

static size_t put_failed(const usmp_ota_t *ota, char *text, size_t size)
{
  usmp_json_out_t out;

  usmp_rpc_notification(&out, text, size, "ota.failed");
  put_hex(&out, "sha256", ota->failed_sha256, USMP_SHA256_SIZE);
  usmp_json_put_integer(&out, "code", ota->failure);
  usmp_json_put_string(&out, "reason", ota->failure_reason);
  return usmp_rpc_notification_end(&out);
}

static size_t put_event(const char *method, const uint8_t *sha256, char *text, size_t size)
{
  usmp_json_out_t out;

  usmp_rpc_notification(&out, text, size, method);
  put_hex(&out, "sha256", sha256, USMP_SHA256_SIZE);
  return usmp_rpc_notification_end(&out);
}

/* Takes the notice off the list. */
static bool take(usmp_ota_t *ota, usmp_ota_notice_t notice)
{
  bool due = (ota->notices & notice) != 0;
  ota->notices &= (uint8_t)~notice;
  return due;
}

size_t usmp_ota_notify(usmp_ota_t *ota, uint32_t now, uint8_t *out, size_t size)
{
  char *text = (char *)out;

  if (take(ota, USMP_OTA_TELL_CONFIRMED)) return put_event("ota.confirmed", ota->record.running_sha256, text, size);
  if (take(ota, USMP_OTA_TELL_FAILED)) return put_failed(ota, text, size);
  if (take(ota, USMP_OTA_TELL_STAGED)) return put_event("ota.staged", ota->record.sha256, text, size);
  return progress_is_due(ota, now) ? put_progress(ota, now, text, size) : 0;
}

uint32_t usmp_ota_notify_deadline(const usmp_ota_t *ota, uint32_t now)
{
  if (ota->notices != 0) return 0;
  return ota->pulling ? usmp_ota_until(ota->progress_at, now) : UINT32_MAX;
}
