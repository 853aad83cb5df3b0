#include "played_device.h"

#include <stdio.h>
#include <string.h>

#include "ota_test_crypto.h"

/* ---- a toy of Ed25519: R is the SHA-256 of key and message, S is zero; "SHA-512" gives R too, as the toy's hash ---- */

static int toy_r(uint8_t r[32], const uint8_t *key, const uint8_t *message, size_t len)
{
  usmp_sha256_state_t state;
  const usmp_hashes_t *hashes = ota_test_crypto[0].table.hashes;

  int err = hashes->begin(&state);
  if (err == 0) err = hashes->update(&state, key, USMP_ED25519_KEY_SIZE);
  if (err == 0) err = hashes->update(&state, message, len);
  int end = hashes->finish(&state, r);
  r[31] &= 0x7F; /* canonical, but for a chance that nobody will see */
  return err != 0 ? err : end;
}

static int toy_sha512(const uint8_t points[64], const uint8_t *message, size_t len, uint8_t *hash)
{
  memset(hash, 0, USMP_SHA512_SIZE);
  return toy_r(hash, points + 32, message, len);
}

static int toy_verify(const uint8_t *key, const uint8_t *hash, const uint8_t *signature)
{
  (void)key;
  return memcmp(hash, signature, 32) != 0 || !usmp_is_zero(signature + 32, 32);
}

static int toy_is_point(const uint8_t *key)
{
  (void)key;
  return 0;
}

static int sha_begin(usmp_sha256_state_t *state)
{
  return ota_test_crypto[0].table.hashes->begin(state);
}

static int sha_update(usmp_sha256_state_t *state, const uint8_t *data, size_t len)
{
  return ota_test_crypto[0].table.hashes->update(state, data, len);
}

static int sha_finish(usmp_sha256_state_t *state, uint8_t *digest)
{
  return ota_test_crypto[0].table.hashes->finish(state, digest);
}

static const usmp_ed25519_t toy_ed25519 = {.verify = toy_verify, .is_point = toy_is_point};
static const usmp_hashes_t toy_hashes = {.begin = sha_begin, .update = sha_update, .finish = sha_finish, .sha512 = toy_sha512};
const usmp_ota_crypto_t toy_crypto = {.ed25519 = &toy_ed25519, .hashes = &toy_hashes};

publisher_t publisher_of(uint8_t number)
{
  publisher_t publisher;

  memset(publisher.key, number, sizeof publisher.key);
  publisher.key[31] = 0x42;
  return publisher;
}

/* ---- releases ---- */

static size_t put_tlv(uint8_t *at, uint8_t type, const uint8_t *value, uint8_t len)
{
  at[0] = type;
  at[1] = len;
  memcpy(at + 2, value, len);
  return 2u + len;
}

static void put_key_id(uint8_t *id, const publisher_t *publisher)
{
  if (usmp_ota_key_id(&toy_crypto, publisher->key, id) != 0) memset(id, 0, USMP_KEY_ID_SIZE);
}

/* The fields of fixed place. */
static void put_fixed(uint8_t *m, const release_t *release)
{
  memcpy(m, "UOTA\1", 5);
  put_key_id(m + 8, release->publisher);
  memcpy(m + 16, release->product, strlen(release->product));
  memcpy(m + 32, release->chip, strlen(release->chip));
  usmp_store32(m + 40, release->version);
  usmp_store32(m + 44, release->counter);
  usmp_store32(m + 48, release->least_version);
  usmp_store32(m + 52, release->size);
  memcpy(m + 56, release->sha256, USMP_SHA256_SIZE);
  usmp_store32(m + 88, release->not_after);
}

void release_sign_with(release_t *release, const uint8_t *tlvs, size_t tlvs_len)
{
  uint8_t message[12 + USMP_MANIFEST_SIGNED_MAX] = "usmp-ota-v1";
  uint8_t *m = release->manifest;
  size_t len = USMP_MANIFEST_SIGNED_MIN + tlvs_len;

  memset(m, 0, sizeof release->manifest);
  put_fixed(m, release);
  usmp_store16(m + 6, (uint16_t)len);
  if (tlvs_len > 0) memcpy(m + USMP_MANIFEST_SIGNED_MIN, tlvs, tlvs_len);
  memcpy(message + 12, m, len);
  (void)toy_r(m + len, release->publisher->key, message, 12 + len);
  release->manifest_len = len + USMP_ED25519_SIGNATURE_SIZE;
}

void release_sign(release_t *release)
{
  uint8_t tlvs[64];
  uint8_t id[USMP_KEY_ID_SIZE];
  size_t len = 0;

  if (release->next_key) len += put_tlv(tlvs, 0x82, release->next_key->key, USMP_ED25519_KEY_SIZE);
  if (release->revoked) {
    put_key_id(id, release->revoked);
    len += put_tlv(tlvs + len, 0x83, id, sizeof id);
  }
  release_sign_with(release, tlvs, len);
}

void release_make(release_t *release, const publisher_t *publisher, uint32_t version, uint32_t counter, uint32_t size,
                  uint8_t seed)
{
  memset(release, 0, sizeof *release);
  *release = (release_t){.publisher = publisher,
                         .product = "sensor",
                         .chip = "esp32c3",
                         .version = version,
                         .counter = counter,
                         .size = size,
                         .seed = seed};
  for (uint32_t i = 0; i < size; i++) release->image[i] = (uint8_t)(i * 131 + (i >> 8) * 7 + seed);
  (void)!usmp_sha256(&toy_crypto, release->image, size, release->sha256);
  release_sign(release);
}

/* ---- the port ---- */

/* Counts the call, and lets the power fail in it or the function fail. `after`: its effect has come. */
static int enter(played_t *device, call_t call, bool after)
{
  if (!after) {
    device->calls[call]++;
    device->total++;
  }
  if (device->cut_at != 0 && device->total == device->cut_at && device->cut_after == after) longjmp(device->power, 1);
  return after ? 0 : device->fails[call];
}

static int other_of(const played_t *device)
{
  return 1 - device->running;
}

static int port_begin(void *ctx, uint32_t size, uint32_t from)
{
  played_t *device = ctx;
  uint8_t *slot = device->slots[other_of(device)];

  int result = enter(device, CALL_BEGIN, false);
  if (result != 0) return result;
  if (size > SLOT_SIZE || from % USMP_OTA_SECTOR != 0 || from > size) return -1;
  memset(slot + from, 0xFF, SLOT_SIZE - from);
  device->states[other_of(device)] = USMP_OTA_SLOT_UNDEFINED;
  device->write_at = from;
  return enter(device, CALL_BEGIN, true);
}

static int port_write(void *ctx, uint32_t offset, const uint8_t *data, size_t len)
{
  played_t *device = ctx;

  int result = enter(device, CALL_WRITE, false);
  if (result != 0) return result;
  if (offset != device->write_at || len == 0 || len > USMP_OTA_CHUNK_MAX || offset + len > SLOT_SIZE) return -1;
  memcpy(device->slots[other_of(device)] + offset, data, len);
  device->write_at += (uint32_t)len;
  return enter(device, CALL_WRITE, true);
}

static int port_read(void *ctx, uint32_t offset, uint8_t *data, size_t len)
{
  played_t *device = ctx;

  int result = enter(device, CALL_READ, false);
  if (result != 0) return result;
  if (offset + len > SLOT_SIZE) return -1;
  memcpy(data, device->slots[other_of(device)] + offset, len);
  return enter(device, CALL_READ, true);
}

static int port_finish(void *ctx)
{
  int result = enter(ctx, CALL_FINISH, false);
  return result != 0 ? result : enter(ctx, CALL_FINISH, true);
}

static int port_activate(void *ctx)
{
  played_t *device = ctx;

  int result = enter(device, CALL_ACTIVATE, false);
  if (result != 0) return result;
  device->active = other_of(device);
  device->states[device->active] = device->no_rollback ? USMP_OTA_SLOT_UNDEFINED : USMP_OTA_SLOT_NEW;
  return enter(device, CALL_ACTIVATE, true);
}

static int port_state(void *ctx, usmp_ota_slot_t *running, usmp_ota_slot_t *other)
{
  played_t *device = ctx;

  int result = enter(device, CALL_STATE, false);
  if (result != 0) return result;
  *running = (usmp_ota_slot_t){(uint8_t)device->running, device->states[device->running], SLOT_SIZE};
  *other = (usmp_ota_slot_t){(uint8_t)other_of(device), device->states[other_of(device)], SLOT_SIZE};
  return enter(device, CALL_STATE, true);
}

static int port_confirm(void *ctx)
{
  played_t *device = ctx;

  int result = enter(device, CALL_CONFIRM, false);
  if (result != 0) return result;
  device->states[device->running] = USMP_OTA_SLOT_VALID;
  return enter(device, CALL_CONFIRM, true);
}

static int port_revert(void *ctx)
{
  played_t *device = ctx;

  int result = enter(device, CALL_REVERT, false);
  if (result != 0) return result;
  device->states[device->running] = USMP_OTA_SLOT_INVALID;
  device->active = other_of(device);
  return enter(device, CALL_REVERT, true);
}

static int port_load(void *ctx, uint8_t *record, size_t len)
{
  played_t *device = ctx;

  int result = enter(device, CALL_LOAD, false);
  if (result != 0) return result;
  if (!device->has_record) return USMP_OTA_NO_RECORD;
  memcpy(record, device->record, len);
  return enter(device, CALL_LOAD, true);
}

static int port_store(void *ctx, const uint8_t *record, size_t len)
{
  played_t *device = ctx;

  int result = enter(device, CALL_STORE, false);
  if (result != 0) return result;
  memcpy(device->record, record, len);
  device->has_record = true;
  return enter(device, CALL_STORE, true);
}

static int port_may_update(void *ctx, const usmp_manifest_t *manifest)
{
  const played_t *device = ctx;
  return device->veto || manifest->size == 0;
}

static uint32_t port_today(void *ctx)
{
  const played_t *device = ctx;
  return device->today;
}

static const usmp_ota_port_t port = {.begin = port_begin,
                                     .write = port_write,
                                     .read = port_read,
                                     .finish = port_finish,
                                     .activate = port_activate,
                                     .state = port_state,
                                     .confirm = port_confirm,
                                     .revert = port_revert,
                                     .load = port_load,
                                     .store = port_store,
                                     .may_update = port_may_update,
                                     .today = port_today};

/* ---- the device ---- */

void device_make(played_t *device, const publisher_t *publisher)
{
  memset(device, 0, sizeof *device);
  device->versions[0] = USMP_OTA_VERSION(1, 0, 0);
  device->config = (usmp_ota_config_t){.product = "sensor",
                                       .chip = "esp32c3",
                                       .keys = &publisher->key,
                                       .key_count = 1,
                                       .confirm_within_ms = 60000,
                                       .crypto = &toy_crypto,
                                       .port = &port};
}

/* What the boot loader of ESP-IDF does at a start, if it goes back from images. */
static void start_slot(played_t *device)
{
  uint8_t *state = &device->states[device->active];

  if (*state == USMP_OTA_SLOT_PENDING) {
    *state = USMP_OTA_SLOT_ABORTED;
    device->active = 1 - device->active;
  } else if (*state == USMP_OTA_SLOT_NEW) {
    *state = USMP_OTA_SLOT_PENDING;
  }
  device->running = device->active;
}

int device_boot(played_t *device)
{
  start_slot(device);
  device->config.version = device->versions[device->running];
  device->config.ctx = device;
  int result = usmp_ota_init(&device->ota, &device->config, device->now);
  usmp_rpc_init(&device->rpc, NULL, 0, NULL);
  usmp_rpc_extend(&device->rpc, usmp_ota_methods, USMP_OTA_METHODS, &device->ota);
  usmp_rpc_begin(&device->rpc, device->now);
  return result;
}

int device_request(played_t *device, const char *method, const char *params)
{
  char text[1024];
  usmp_json_t json;
  double code;

  int len = snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
  device->answer_len = usmp_rpc_receive(&device->rpc, (const uint8_t *)text, (size_t)len, device->now, device->answer,
                                        sizeof device->answer);
  if (usmp_json_read(&json, device->answer, device->answer_len) != USMP_JSON_GOOD) return 1;
  int error = usmp_json_member(&json, 0, "error");
  if (error < 0) return 0;
  return usmp_json_number(&json, usmp_json_member(&json, error, "code"), &code) ? (int)code : 1;
}

static void base64url(char *text, const uint8_t *bytes, size_t len)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint32_t bits = 0;
  unsigned count = 0;

  for (size_t i = 0; i < len; i++) {
    bits = bits << 8 | bytes[i];
    for (count += 8; count >= 6; count -= 6) *text++ = digits[bits >> (count - 6) & 63];
  }
  if (count > 0) *text++ = digits[bits << (6 - count) & 63];
  *text = 0;
}

int device_offer(played_t *device, const release_t *release)
{
  char params[800] = "{\"manifest\":\"";

  base64url(params + strlen(params), release->manifest, release->manifest_len);
  strcat(params, "\"}");
  return device_request(device, "ota.offer", params);
}

int device_apply(played_t *device, const release_t *release)
{
  char params[96] = "{\"sha256\":\"";

  for (size_t i = 0; i < USMP_SHA256_SIZE; i++) snprintf(params + strlen(params), 3, "%02x", release->sha256[i]);
  strcat(params, "\"}");
  return device_request(device, "ota.apply", params);
}

size_t device_poll(played_t *device)
{
  device->out_len = usmp_ota_poll(&device->ota, device->now, device->out, sizeof device->out);
  return device->out_len;
}

void device_chunk(played_t *device, const release_t *release, uint32_t offset)
{
  uint8_t message[6 + USMP_OTA_CHUNK_MAX] = {USMP_OTA_MESSAGE, 2};
  uint32_t left = release->size - offset;
  uint32_t len = left < USMP_OTA_CHUNK_MAX ? left : USMP_OTA_CHUNK_MAX;

  usmp_store32(message + 2, offset);
  memcpy(message + 6, release->image + offset, len);
  usmp_ota_receive(&device->ota, message, 6 + len, device->now);
}

bool device_serve(played_t *device, const release_t *release)
{
  while (device_poll(device) > 0 || usmp_ota_next_deadline(&device->ota, device->now) == 0) {
    if (out_has(device, "ota.failed")) return false;
    if (out_has(device, "ota.staged") || usmp_ota_restart_wanted(&device->ota)) return true;
    if (device->out_len != 8 || device->out[0] != USMP_OTA_MESSAGE) continue;
    uint32_t offset = usmp_load32(device->out + 2);
    uint16_t count = usmp_load16(device->out + 6);
    for (uint16_t i = 0; i < count; i++, offset += USMP_OTA_CHUNK_MAX) device_chunk(device, release, offset);
  }
  return true;
}

static bool has(const char *text, size_t len, const char *part)
{
  size_t size = strlen(part);
  for (size_t i = 0; i + size <= len; i++) {
    if (memcmp(text + i, part, size) == 0) return true;
  }
  return false;
}

bool answer_has(const played_t *device, const char *text)
{
  return has(device->answer, device->answer_len, text);
}

bool out_has(const played_t *device, const char *text)
{
  return has((const char *)device->out, device->out_len, text);
}
