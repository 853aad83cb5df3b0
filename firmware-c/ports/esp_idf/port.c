/* The hooks of usmp_port.h on ESP-IDF 5 and 6. */
#include <esp_log.h>
#include <esp_mac.h>
#include <esp_random.h>
#include <esp_task_wdt.h>
#include <esp_timer.h>
#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <freertos/task.h>
#include <sdkconfig.h>
#include <soc/soc_caps.h>

#include "usmp_esp.h"

/* Programs may define the hooks of usmp_port.h that are marked so themselves. */
#define HOOK __attribute__((weak))

/* The address of an interface, which is always 6 bytes. The base address in the eFuse is not: chips with IEEE 802.15.4
   give an EUI-64, whose first 6 bytes are the maker's and `ff fe`, and alike on many chips. */
#if SOC_WIFI_SUPPORTED
#define ID_INTERFACE ESP_MAC_WIFI_STA /* as the published port: devices in the field keep their ids */
#elif SOC_BT_SUPPORTED
#define ID_INTERFACE ESP_MAC_BT
#else
#define ID_INTERFACE ESP_MAC_ETH
#endif

HOOK int usmp_port_get_device_id(uint8_t *out, size_t len)
{
  return len >= USMP_DEVICE_ID_LEN && esp_read_mac(out, ID_INTERFACE) == ESP_OK ? 0 : -1;
}

/* Fit for keys only while Wi-Fi or Bluetooth is on, or after bootloader_random_enable(). A client on TCP or UDP over Wi-Fi
   has its radio on by the time it connects; over Ethernet, call bootloader_random_enable() first. */
HOOK int usmp_port_random(uint8_t *out, size_t len)
{
  esp_fill_random(out, len);
  return 0;
}

/* At least one tick, so that other tasks run. */
HOOK void usmp_port_delay_ms(uint32_t ms)
{
  TickType_t ticks = pdMS_TO_TICKS(ms);
  vTaskDelay(ticks > 0 ? ticks : 1);
}

HOOK uint32_t usmp_port_millis(void)
{
  return (uint32_t)(esp_timer_get_time() / 1000);
}

HOOK void usmp_port_log(char level, const char *tag, const char *msg)
{
  switch (level) {
    case 'E': ESP_LOGE(tag, "%s", msg); break;
    case 'W': ESP_LOGW(tag, "%s", msg); break;
    case 'D': ESP_LOGD(tag, "%s", msg); break;
    default: ESP_LOGI(tag, "%s", msg); break;
  }
}

/* Of a task that is not watched nothing is fed, and nothing logged. */
HOOK void usmp_port_wdt_feed(void)
{
#if CONFIG_ESP_TASK_WDT_INIT || CONFIG_ESP_TASK_WDT /* the latter: ESP-IDF 5.0 */
  if (esp_task_wdt_status(NULL) == ESP_OK) esp_task_wdt_reset();
#endif
}

/* Static mutexes, two a session, instead of the heap. */
#define MUTEXES (2 * USMP_ESP_MAX_SESSIONS)
static StaticSemaphore_t mutexes[MUTEXES];
static bool mutex_used[MUTEXES];
static portMUX_TYPE guard = portMUX_INITIALIZER_UNLOCKED;

int usmp_port_mutex_create(usmp_mutex_t *mutex)
{
  int free_place = -1;

  portENTER_CRITICAL(&guard);
  for (int i = 0; i < MUTEXES && free_place < 0; i++) {
    if (!mutex_used[i]) free_place = i;
  }
  if (free_place >= 0) mutex_used[free_place] = true;
  portEXIT_CRITICAL(&guard);
  if (free_place < 0) return -1;
  *mutex = xSemaphoreCreateMutexStatic(&mutexes[free_place]);
  return 0;
}

int usmp_port_mutex_lock(usmp_mutex_t mutex)
{
  return xSemaphoreTake(mutex, portMAX_DELAY) == pdTRUE ? 0 : -1;
}

int usmp_port_mutex_unlock(usmp_mutex_t mutex)
{
  return xSemaphoreGive(mutex) == pdTRUE ? 0 : -1;
}

/* A static mutex's handle is the address of its memory. */
void usmp_port_mutex_destroy(usmp_mutex_t mutex)
{
  vSemaphoreDelete(mutex);
  portENTER_CRITICAL(&guard);
  for (int i = 0; i < MUTEXES; i++) {
    if ((usmp_mutex_t)&mutexes[i] == mutex) mutex_used[i] = false;
  }
  portEXIT_CRITICAL(&guard);
}
