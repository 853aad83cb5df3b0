#include "host_ota.h"

#include <nvs.h>
#include <string.h>

#define MIN_BLOCK 16u
#define FAILED (-1)

host_ota_t host_ota;

static struct {
  const esp_partition_t *partition;
  uint32_t written;
  uint8_t partial[MIN_BLOCK];
  uint32_t partial_len;
} transfer;

void host_ota_init(void)
{
  memset(&host_ota, 0, sizeof host_ota);
  memset(&transfer, 0, sizeof transfer);
  memset(host_ota.flash, 0xff, sizeof host_ota.flash);
  for (int i = 0; i < 2; i++) {
    host_ota.partition[i] = (esp_partition_t){
      .type = ESP_PARTITION_TYPE_APP,
      .subtype = i == 0 ? ESP_PARTITION_SUBTYPE_APP_OTA_0 : ESP_PARTITION_SUBTYPE_APP_OTA_1,
      .size = HOST_OTA_SIZE,
      .erase_size = HOST_OTA_ERASE,
    };
    host_ota.state[i] = ESP_OTA_IMG_UNDEFINED;
  }
}

static int index_of(const esp_partition_t *partition)
{
  return partition == &host_ota.partition[1] ? 1 : 0;
}

/* ---- partitions ---- */

esp_err_t esp_partition_read(const esp_partition_t *partition, size_t offset, void *out, size_t size)
{
  if (offset > HOST_OTA_SIZE || size > HOST_OTA_SIZE - offset) return FAILED;
  memcpy(out, host_ota.flash[index_of(partition)] + offset, size);
  return ESP_OK;
}

const esp_partition_t *esp_ota_get_running_partition(void)
{
  return &host_ota.partition[host_ota.running];
}

const esp_partition_t *esp_ota_get_next_update_partition(const esp_partition_t *start_from)
{
  (void)start_from;
  return &host_ota.partition[host_ota.single ? host_ota.running : !host_ota.running];
}

/* ---- a transfer ---- */

static esp_err_t open_at(const esp_partition_t *partition, size_t offset, esp_ota_handle_t *handle)
{
  if (partition == esp_ota_get_running_partition() || host_ota.open > 0) return FAILED;
  if (host_ota.state[host_ota.running] == ESP_OTA_IMG_PENDING_VERIFY) return FAILED;
  memset(&transfer, 0, sizeof transfer);
  transfer.partition = partition;
  transfer.written = (uint32_t)offset;
  host_ota.open++;
  *handle = 7;
  return ESP_OK;
}

esp_err_t esp_ota_begin(const esp_partition_t *partition, size_t image_size, esp_ota_handle_t *handle)
{
  esp_err_t err = image_size == OTA_WITH_SEQUENTIAL_WRITES ? open_at(partition, 0, handle) : FAILED;
  if (err == ESP_OK) host_ota.state[index_of(partition)] = ESP_OTA_IMG_UNDEFINED;
  return err;
}

esp_err_t esp_ota_resume(const esp_partition_t *partition, size_t erase_size, size_t image_offset, esp_ota_handle_t *handle)
{
  return erase_size == OTA_WITH_SEQUENTIAL_WRITES ? open_at(partition, image_offset, handle) : FAILED;
}

/* Sectors are erased as they are reached; bits are cleared only. */
static void program(const uint8_t *data, size_t size)
{
  uint8_t *flash = host_ota.flash[index_of(transfer.partition)];

  for (size_t i = 0; i < size; i++, transfer.written++) {
    if (transfer.written % HOST_OTA_ERASE == 0) memset(flash + transfer.written, 0xff, HOST_OTA_ERASE);
    flash[transfer.written] = (uint8_t)(flash[transfer.written] & data[i]);
  }
}

esp_err_t esp_ota_write(esp_ota_handle_t handle, const void *data, size_t size)
{
  const uint8_t *bytes = data;

  if (handle != 7 || host_ota.open == 0) return FAILED;
  if (transfer.written == 0 && transfer.partial_len == 0 && bytes[0] != 0xe9)
    return FAILED; /* no image of this chip begins so */
  if (!host_ota.encrypted) {
    program(bytes, size);
    return ESP_OK;
  }
  for (size_t i = 0; i < size; i++) {
    transfer.partial[transfer.partial_len++] = bytes[i];
    if (transfer.partial_len < MIN_BLOCK) continue;
    program(transfer.partial, MIN_BLOCK);
    transfer.partial_len = 0;
  }
  return ESP_OK;
}

esp_err_t esp_ota_abort(esp_ota_handle_t handle)
{
  if (handle != 7 || host_ota.open == 0) return FAILED;
  host_ota.open--;
  return ESP_OK;
}

esp_err_t esp_ota_end(esp_ota_handle_t handle)
{
  if (handle != 7 || host_ota.open == 0) return FAILED;
  host_ota.open--;
  program(transfer.partial, transfer.partial_len);
  return host_ota.invalid_image ? FAILED : ESP_OK;
}

/* ---- states ---- */

esp_err_t esp_ota_set_boot_partition(const esp_partition_t *partition)
{
  if (host_ota.invalid_image) return FAILED;
  host_ota.boot = index_of(partition);
  host_ota.state[host_ota.boot] = ESP_OTA_IMG_NEW;
  return ESP_OK;
}

esp_err_t esp_ota_get_state_partition(const esp_partition_t *partition, esp_ota_img_states_t *state)
{
  *state = host_ota.state[index_of(partition)];
  return *state == ESP_OTA_IMG_UNDEFINED ? ESP_ERR_NOT_FOUND : ESP_OK;
}

esp_err_t esp_ota_mark_app_valid_cancel_rollback(void)
{
  host_ota.state[host_ota.running] = ESP_OTA_IMG_VALID;
  return ESP_OK;
}

esp_err_t esp_ota_mark_app_invalid_rollback(void)
{
  host_ota.state[host_ota.running] = ESP_OTA_IMG_INVALID;
  host_ota.boot = !host_ota.running;
  return ESP_OK;
}

/* ---- NVS ---- */

esp_err_t nvs_open(const char *namespace_name, nvs_open_mode_t mode, nvs_handle_t *handle)
{
  if (host_ota.nvs_fails || strcmp(namespace_name, "usmp_ota") != 0) return FAILED;
  if (mode == NVS_READONLY && host_ota.record_len == 0) return ESP_ERR_NVS_NOT_FOUND;
  *handle = 1;
  return ESP_OK;
}

esp_err_t nvs_set_blob(nvs_handle_t handle, const char *key, const void *value, size_t length)
{
  if (handle != 1 || strcmp(key, "record") != 0 || length > sizeof host_ota.record) return FAILED;
  memcpy(host_ota.record, value, length);
  host_ota.record_len = length;
  return ESP_OK;
}

esp_err_t nvs_commit(nvs_handle_t handle)
{
  return handle == 1 ? ESP_OK : FAILED;
}

esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *value, size_t *length)
{
  if (handle != 1 || strcmp(key, "record") != 0 || host_ota.record_len > *length) return FAILED;
  memcpy(value, host_ota.record, host_ota.record_len);
  *length = host_ota.record_len;
  return ESP_OK;
}

void nvs_close(nvs_handle_t handle)
{
  (void)handle;
}
