#include "usmp_ota_esp.h"

#include <esp_idf_version.h>
#include <esp_partition.h>
#include <nvs.h>
#include <string.h>

#if ESP_IDF_VERSION < ESP_IDF_VERSION_VAL(5, 5, 0)
#error "updates need ESP-IDF 5.5 or later: esp_ota_resume, which goes on with a transfer after a restart, came with it"
#endif

#define FAILED (-1)
#define RECORD_NAMESPACE "usmp_ota"
#define RECORD_KEY "record"

#ifdef ARDUINO
/* Arduino confirms each image before setup() otherwise, and nothing ever goes back. */
bool verifyRollbackLater(void);
bool verifyRollbackLater(void)
{
  return true;
}
#endif

esp_err_t usmp_ota_esp_init(usmp_ota_esp_t *esp)
{
  memset(esp, 0, sizeof *esp);
  esp->running = esp_ota_get_running_partition();
  esp->other = esp_ota_get_next_update_partition(NULL);
  return esp->running && esp->other && esp->running != esp->other ? ESP_OK : ESP_ERR_NOT_FOUND;
}

static int checked(esp_err_t result)
{
  return result == ESP_OK ? 0 : FAILED;
}

/* ---- the image ---- */

static void give_up(usmp_ota_esp_t *esp)
{
  if (esp->open) (void)esp_ota_abort(esp->handle);
  esp->open = false;
}

/* With sequential writes the sectors are erased as the image reaches them: erasing megabytes at once would hold everything up. */
static int begin(void *ctx, uint32_t size, uint32_t from)
{
  usmp_ota_esp_t *esp = ctx;
  esp_err_t err;

  give_up(esp);
  if (!esp->other || size > esp->other->size || from > size) return FAILED;
  if (from == 0) err = esp_ota_begin(esp->other, OTA_WITH_SEQUENTIAL_WRITES, &esp->handle);
  else err = esp_ota_resume(esp->other, OTA_WITH_SEQUENTIAL_WRITES, from, &esp->handle);
  esp->open = err == ESP_OK;
  esp->written = from;
  return checked(err);
}

static void keep_tail(usmp_ota_esp_t *esp, const uint8_t *data, size_t len)
{
  for (size_t i = 0; i < len; i++) esp->tail[(esp->written + i) % sizeof esp->tail] = data[i];
  esp->written += (uint32_t)len;
}

static int write_part(void *ctx, uint32_t offset, const uint8_t *data, size_t len)
{
  usmp_ota_esp_t *esp = ctx;

  if (!esp->open || offset != esp->written || len > esp->other->size - offset) return FAILED;
  if (esp_ota_write(esp->handle, data, len) != ESP_OK) return FAILED;
  keep_tail(esp, data, len);
  return 0;
}

/* With flash encryption the last block is not written before esp_ota_end, when it is not full: it is taken from here. */
static int read_part(void *ctx, uint32_t offset, uint8_t *data, size_t len)
{
  const usmp_ota_esp_t *esp = ctx;

  if (!esp->other || offset > esp->other->size || len > esp->other->size - offset) return FAILED;
  if (esp_partition_read(esp->other, offset, data, len) != ESP_OK) return FAILED;
  uint32_t from = esp->open ? esp->written - esp->written % (uint32_t)sizeof esp->tail : esp->written;
  for (uint32_t at = from > offset ? from : offset; esp->open && at < esp->written && at - offset < len; at++)
    data[at - offset] = esp->tail[at % sizeof esp->tail];
  return 0;
}

/* Ends the transfer whatever comes of it, as esp_ota_end does. */
static int finish(void *ctx)
{
  usmp_ota_esp_t *esp = ctx;

  if (!esp->open) return FAILED;
  esp->open = false;
  return checked(esp_ota_end(esp->handle));
}

static int activate(void *ctx)
{
  const usmp_ota_esp_t *esp = ctx;
  return esp->other && !esp->open ? checked(esp_ota_set_boot_partition(esp->other)) : FAILED;
}

/* ---- the slots ---- */

/* A factory partition has no state, nor has one that was flashed by cable. */
static uint8_t state_of(const esp_partition_t *partition)
{
  esp_ota_img_states_t noted;

  if (esp_ota_get_state_partition(partition, &noted) != ESP_OK) return USMP_OTA_SLOT_UNDEFINED;
  switch (noted) {
    case ESP_OTA_IMG_NEW: return USMP_OTA_SLOT_NEW;
    case ESP_OTA_IMG_PENDING_VERIFY: return USMP_OTA_SLOT_PENDING;
    case ESP_OTA_IMG_VALID: return USMP_OTA_SLOT_VALID;
    case ESP_OTA_IMG_INVALID: return USMP_OTA_SLOT_INVALID;
    case ESP_OTA_IMG_ABORTED: return USMP_OTA_SLOT_ABORTED;
    case ESP_OTA_IMG_UNDEFINED: break;
  }
  return USMP_OTA_SLOT_UNDEFINED;
}

static usmp_ota_slot_t slot_of(const esp_partition_t *partition)
{
  return (usmp_ota_slot_t){(uint8_t)partition->subtype, state_of(partition), partition->size};
}

static int state(void *ctx, usmp_ota_slot_t *running, usmp_ota_slot_t *other)
{
  const usmp_ota_esp_t *esp = ctx;

  if (!esp->running || !esp->other) return FAILED;
  *running = slot_of(esp->running);
  *other = slot_of(esp->other);
  return 0;
}

static int confirm(void *ctx)
{
  (void)ctx;
  return checked(esp_ota_mark_app_valid_cancel_rollback());
}

static int revert(void *ctx)
{
  (void)ctx;
  return checked(esp_ota_mark_app_invalid_rollback());
}

/* ---- the record ---- */

/* NVS writes a blob beside the old one and switches then: a power cut leaves one of the two. */
static int store(void *ctx, const uint8_t *record, size_t len)
{
  nvs_handle_t nvs;

  (void)ctx;
  if (nvs_open(RECORD_NAMESPACE, NVS_READWRITE, &nvs) != ESP_OK) return FAILED;
  esp_err_t err = nvs_set_blob(nvs, RECORD_KEY, record, len);
  if (err == ESP_OK) err = nvs_commit(nvs);
  nvs_close(nvs);
  return checked(err);
}

static int load(void *ctx, uint8_t *record, size_t len)
{
  nvs_handle_t nvs;
  size_t found = len;

  (void)ctx;
  esp_err_t err = nvs_open(RECORD_NAMESPACE, NVS_READONLY, &nvs);
  if (err == ESP_ERR_NVS_NOT_FOUND) return USMP_OTA_NO_RECORD;
  if (err != ESP_OK) return FAILED;
  err = nvs_get_blob(nvs, RECORD_KEY, record, &found);
  nvs_close(nvs);
  if (err == ESP_ERR_NVS_NOT_FOUND) return USMP_OTA_NO_RECORD;
  return err == ESP_OK && found == len ? 0 : FAILED;
}

const usmp_ota_port_t usmp_ota_esp_port = {
  .begin = begin,
  .write = write_part,
  .read = read_part,
  .finish = finish,
  .activate = activate,
  .state = state,
  .confirm = confirm,
  .revert = revert,
  .load = load,
  .store = store,
};
