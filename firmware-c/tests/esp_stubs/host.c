/* What ESP-IDF would do, done by Linux: with it ports/esp_idf and its examples run on this machine.
   The "eFuse" and the "NVS" come from the environment: STUB_MAC, STUB_SECRET (hex). A STUB_MAC of 8 bytes is the EUI-64 of
   a chip with IEEE 802.15.4: maker, ff fe, number. */
#define _GNU_SOURCE
#include <esp_event.h>
#include <esp_log.h>
#include <esp_mac.h>
#include <esp_netif.h>
#include <esp_random.h>
#include <esp_task_wdt.h>
#include <esp_timer.h>
#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <freertos/task.h>
#include <nvs.h>
#include <nvs_flash.h>
#include <protocol_examples_common.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

void app_main(void);

void stub_log(char level, const char *tag, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  printf("%c (%lld) %s: ", level, (long long)(esp_timer_get_time() / 1000), tag);
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
}

static size_t hex_variable(const char *name, uint8_t *out, size_t max_len)
{
  const char *text = getenv(name);
  unsigned byte;
  size_t len = 0;
  while (text && len < max_len && sscanf(text + 2 * len, "%2x", &byte) == 1) out[len++] = (uint8_t)byte;
  return len;
}

esp_err_t esp_efuse_mac_get_default(uint8_t *mac)
{
  return hex_variable("STUB_MAC", mac, 8) >= 6 ? ESP_OK : -1;
}

esp_err_t esp_read_mac(uint8_t *mac, esp_mac_type_t type)
{
  static const uint8_t offsets[] = {0, 1, 2, 3};
  uint8_t base[8];
  size_t len = hex_variable("STUB_MAC", base, sizeof base);

  if (len != 6 && len != 8) return -1;
  memcpy(mac, base, 3);
  memcpy(mac + 3, base + len - 3, 3);
  mac[5] = (uint8_t)(mac[5] + offsets[type]);
  return ESP_OK;
}

esp_err_t esp_task_wdt_status(TaskHandle_t task)
{
  (void)task;
  return ESP_OK;
}

esp_err_t esp_task_wdt_reset(void)
{
  return ESP_OK;
}

void esp_fill_random(void *buf, size_t len)
{
  if (getrandom(buf, len, 0) != (ssize_t)len) abort();
}

int64_t esp_timer_get_time(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void vTaskDelay(TickType_t ticks)
{
  usleep(ticks * (1000000u / configTICK_RATE_HZ));
}

static pthread_mutex_t critical = PTHREAD_MUTEX_INITIALIZER;

void stub_enter_critical(portMUX_TYPE *mux)
{
  pthread_mutex_lock(&critical);
  mux->owner = 1;
}

void stub_exit_critical(portMUX_TYPE *mux)
{
  mux->owner = 0;
  pthread_mutex_unlock(&critical);
}

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(StaticSemaphore_t), "a mutex fits");

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *memory)
{
  pthread_mutex_init((pthread_mutex_t *)memory, NULL);
  return (SemaphoreHandle_t)memory;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t mutex, TickType_t wait)
{
  (void)wait; /* the port waits without end */
  return pthread_mutex_lock((pthread_mutex_t *)mutex) == 0 ? pdTRUE : 0;
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t mutex)
{
  return pthread_mutex_unlock((pthread_mutex_t *)mutex) == 0 ? pdTRUE : 0;
}

void vSemaphoreDelete(SemaphoreHandle_t mutex)
{
  pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

esp_err_t nvs_flash_init(void)
{
  return ESP_OK;
}

esp_err_t nvs_open(const char *namespace_name, nvs_open_mode_t mode, nvs_handle_t *handle)
{
  (void)mode;
  *handle = 1;
  return strcmp(namespace_name, "usmp") == 0 ? ESP_OK : -1;
}

esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *value, size_t *length)
{
  (void)handle, (void)key;
  *length = hex_variable("STUB_SECRET", value, *length);
  return *length > 0 ? ESP_OK : -1;
}

void nvs_close(nvs_handle_t handle)
{
  (void)handle;
}

esp_err_t esp_netif_init(void)
{
  return ESP_OK;
}

esp_err_t esp_event_loop_create_default(void)
{
  return ESP_OK;
}

esp_err_t example_connect(void)
{
  return ESP_OK;
}

int main(void)
{
  setvbuf(stdout, NULL, _IOLBF, 0);
  app_main();
  return 1;
}
