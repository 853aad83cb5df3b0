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
#include <stdbool.h>
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

/* A mutex, or a binary semaphore: whoever gives it wakes one that takes it. */
typedef struct semaphore {
  pthread_mutex_t mutex;
  pthread_cond_t is_given;
  bool binary;
  bool given;
} semaphore_t;
_Static_assert(sizeof(semaphore_t) <= sizeof(StaticSemaphore_t), "it fits");

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t *memory)
{
  semaphore_t *made = (semaphore_t *)memory;
  memset(made, 0, sizeof *made);
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->is_given, NULL);
  return (SemaphoreHandle_t)memory;
}

SemaphoreHandle_t xSemaphoreCreateBinaryStatic(StaticSemaphore_t *memory)
{
  SemaphoreHandle_t handle = xSemaphoreCreateMutexStatic(memory);
  ((semaphore_t *)memory)->binary = true;
  return handle;
}

static BaseType_t take_binary(semaphore_t *semaphore, TickType_t wait)
{
  struct timespec until;
  int expired = 0;

  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += (long)(wait % configTICK_RATE_HZ) * (1000000000L / (long)configTICK_RATE_HZ);
  until.tv_sec += (time_t)(wait / configTICK_RATE_HZ) + until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_mutex_lock(&semaphore->mutex);
  while (!semaphore->given && expired == 0) expired = pthread_cond_timedwait(&semaphore->is_given, &semaphore->mutex, &until);
  BaseType_t taken = semaphore->given ? pdTRUE : 0;
  semaphore->given = false;
  pthread_mutex_unlock(&semaphore->mutex);
  return taken;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t handle, TickType_t wait)
{
  semaphore_t *semaphore = (semaphore_t *)handle;
  if (semaphore->binary) return take_binary(semaphore, wait);
  return pthread_mutex_lock(&semaphore->mutex) == 0 ? pdTRUE : 0; /* the port waits without end for a mutex */
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t handle)
{
  semaphore_t *semaphore = (semaphore_t *)handle;
  if (!semaphore->binary) return pthread_mutex_unlock(&semaphore->mutex) == 0 ? pdTRUE : 0;
  pthread_mutex_lock(&semaphore->mutex);
  semaphore->given = true;
  pthread_cond_broadcast(&semaphore->is_given);
  pthread_mutex_unlock(&semaphore->mutex);
  return pdTRUE;
}

void vSemaphoreDelete(SemaphoreHandle_t handle)
{
  pthread_mutex_destroy(&((semaphore_t *)handle)->mutex);
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
