#include "ota_internal.h"

#include <string.h>

#include "usmp/callbacks.h"

/* The record as bytes:

     0  4 "UREC"    4 1 format = 1    5 1 phase    6 1 slot    7 1 running slot    8 1 rollback seen    9 3 zero
     12 4 offset    16 4 size         20 4 version 24 4 running version
     28 4 x 32 SHA-256: manifest, image, running image, rolled back
     156 trust now, then trust after the update, each: 4 counter, 1 keys, 1 revoked, 2 zero, 3 x 32 keys, 8 x 8 ids
     492 zeros, 508 4 the first bytes of the SHA-256 of all that, against a port that stores half of it */
enum { FORMAT = 1, HASHES = 28, TRUST = 156, TRUST_SIZE = 168, CHECK = USMP_OTA_RECORD_SIZE - 4 };

static const uint8_t magic[] = {'U', 'R', 'E', 'C', FORMAT};

static void write_trust(uint8_t *bytes, const usmp_ota_trust_t *trust)
{
  usmp_store32(bytes, trust->counter);
  bytes[4] = trust->key_count;
  bytes[5] = trust->revoked_count;
  memcpy(bytes + 8, trust->keys, sizeof trust->keys);
  memcpy(bytes + 8 + sizeof trust->keys, trust->revoked, sizeof trust->revoked);
}

/* A device without a key could never be updated again; more would be outside of the list. */
static bool read_trust(usmp_ota_trust_t *trust, const uint8_t *bytes, uint8_t least_keys)
{
  trust->counter = usmp_load32(bytes);
  trust->key_count = bytes[4];
  trust->revoked_count = bytes[5];
  memcpy(trust->keys, bytes + 8, sizeof trust->keys);
  memcpy(trust->revoked, bytes + 8 + sizeof trust->keys, sizeof trust->revoked);
  return trust->key_count >= least_keys && trust->key_count <= USMP_OTA_KEYS_MAX && trust->revoked_count <= USMP_REVOKED_MAX;
}

static int checksum(const usmp_ota_config_t *config, const uint8_t *bytes, uint8_t check[4])
{
  uint8_t digest[USMP_SHA256_SIZE];

  if (usmp_sha256(config->crypto, bytes, CHECK, digest) != 0) return USMP_ERR_CRYPTO_FAILED;
  memcpy(check, digest, 4);
  return 0;
}

static void write_record(uint8_t bytes[USMP_OTA_RECORD_SIZE], const usmp_ota_record_t *record)
{
  memset(bytes, 0, USMP_OTA_RECORD_SIZE);
  memcpy(bytes, magic, sizeof magic);
  bytes[5] = record->phase;
  bytes[6] = record->slot;
  bytes[7] = record->running_slot;
  bytes[8] = record->rollback_seen;
  usmp_store32(bytes + 12, record->offset);
  usmp_store32(bytes + 16, record->size);
  usmp_store32(bytes + 20, record->version);
  usmp_store32(bytes + 24, record->running_version);
  memcpy(bytes + HASHES, record->manifest_sha256, USMP_SHA256_SIZE);
  memcpy(bytes + HASHES + 32, record->sha256, USMP_SHA256_SIZE);
  memcpy(bytes + HASHES + 64, record->running_sha256, USMP_SHA256_SIZE);
  memcpy(bytes + HASHES + 96, record->rolled_back, USMP_SHA256_SIZE);
  write_trust(bytes + TRUST, &record->trust);
  write_trust(bytes + TRUST + TRUST_SIZE, &record->next);
}

static bool read_record(usmp_ota_record_t *record, const uint8_t bytes[USMP_OTA_RECORD_SIZE])
{
  if (memcmp(bytes, magic, sizeof magic) != 0) return false;
  record->phase = bytes[5];
  record->slot = bytes[6];
  record->running_slot = bytes[7];
  record->rollback_seen = bytes[8] != 0;
  record->offset = usmp_load32(bytes + 12);
  record->size = usmp_load32(bytes + 16);
  record->version = usmp_load32(bytes + 20);
  record->running_version = usmp_load32(bytes + 24);
  memcpy(record->manifest_sha256, bytes + HASHES, USMP_SHA256_SIZE);
  memcpy(record->sha256, bytes + HASHES + 32, USMP_SHA256_SIZE);
  memcpy(record->running_sha256, bytes + HASHES + 64, USMP_SHA256_SIZE);
  memcpy(record->rolled_back, bytes + HASHES + 96, USMP_SHA256_SIZE);
  if (record->phase > USMP_OTA_GIVEN_UP) return false;
  if (record->offset > 0 && record->offset >= record->size) return false;
  if (record->offset % USMP_OTA_SECTOR != 0) return false;
  return read_trust(&record->trust, bytes + TRUST, 1) &&
         read_trust(&record->next, bytes + TRUST + TRUST_SIZE, record->phase == USMP_OTA_NONE ? 0 : 1);
}

int usmp_ota_load(usmp_ota_record_t *record, const usmp_ota_config_t *config)
{
  uint8_t bytes[USMP_OTA_RECORD_SIZE];
  uint8_t check[4];

  memset(record, 0, sizeof *record);
  int result = config->port->load(config->ctx, bytes, sizeof bytes);
  if (result == USMP_OTA_NO_RECORD) return result;
  if (result != 0) return USMP_ERR_TRANSPORT_FAILED;
  if (checksum(config, bytes, check) != 0) return USMP_ERR_CRYPTO_FAILED;
  bool good = memcmp(check, bytes + CHECK, sizeof check) == 0 && read_record(record, bytes);
  return good ? 0 : USMP_ERR_TRANSPORT_FAILED;
}

int usmp_ota_store(usmp_ota_t *ota, const usmp_ota_record_t *next)
{
  uint8_t bytes[USMP_OTA_RECORD_SIZE];
  const usmp_ota_config_t *config = ota->config;

  write_record(bytes, next);
  if (checksum(config, bytes, bytes + CHECK) != 0) return USMP_OTA_FLASH;
  int result = usmp_callback_result(config->port->store(config->ctx, bytes, sizeof bytes), USMP_OTA_FLASH);
  if (result == 0) ota->record = *next;
  return result;
}
