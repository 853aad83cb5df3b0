/* What a platform provides to the application layer (usmp.h). The engine in usmp/ needs none of it.

   The ports of this project define device id, random, delay, millis, log and watchdog as weak symbols: a program may
   define any of them itself, as programs for the published component do. */
#ifndef USMP_PORT_H
#define USMP_PORT_H

#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 6 bytes that are this device's alone, the same at every start. Returns 0, or less than zero. */
int usmp_port_get_device_id(uint8_t *out, size_t len);

/* Bytes fit for keys. Returns 0, or less than zero; never guesses. On an ESP32 the generator is good only
   while radio or the bootloader's entropy source is on. */
int usmp_port_random(uint8_t *out, size_t len);

void usmp_port_delay_ms(uint32_t ms);

/* Milliseconds, growing within one boot; may wrap. */
uint32_t usmp_port_millis(void);

/* Called at least once a second while a call of usmp.h waits, by the task that waits: feeds its watchdog. */
void usmp_port_wdt_feed(void);

/* level: 'E', 'W', 'I', 'D'. Nothing secret is ever logged. */
void usmp_port_log(char level, const char *tag, const char *msg);

/* What is less important than the level is not handed to usmp_port_log. INFO at the start, which is all that the
   library itself says. To be set before threads use sessions. */
typedef enum usmp_log_level {
  USMP_LOG_LEVEL_NONE,
  USMP_LOG_LEVEL_ERROR,
  USMP_LOG_LEVEL_WARN,
  USMP_LOG_LEVEL_INFO,
  USMP_LOG_LEVEL_DEBUG
} usmp_log_level_t;

void usmp_set_log_level(usmp_log_level_t level);
usmp_log_level_t usmp_get_log_level(void);

/* To usmp_port_log, if the level lets it through. */
void usmp_log(char level, const char *tag, const char *msg);
#define USMP_LOGE(tag, msg) usmp_log('E', tag, msg)
#define USMP_LOGW(tag, msg) usmp_log('W', tag, msg)
#define USMP_LOGI(tag, msg) usmp_log('I', tag, msg)
#ifdef USMP_DISABLE_DEBUG
#define USMP_LOGD(tag, msg) ((void)0)
#else
#define USMP_LOGD(tag, msg) usmp_log('D', tag, msg)
#endif

/* The crypto table, ready for use; null when the library could not be started. Not a hook that a program replaces. */
const usmp_crypto_t *usmp_port_crypto(void);

/* Mutexes, for programs that use one session from several threads. A build for a system without threads
   sets USMP_THREADS to 0 and needs none of these. */
#ifndef USMP_THREADS
#define USMP_THREADS 1
#endif
#if USMP_THREADS
typedef void *usmp_mutex_t;
int usmp_port_mutex_create(usmp_mutex_t *mutex); /* 0, or less than zero */
int usmp_port_mutex_lock(usmp_mutex_t mutex);
int usmp_port_mutex_unlock(usmp_mutex_t mutex);
void usmp_port_mutex_destroy(usmp_mutex_t mutex);
#endif

#ifdef __cplusplus
}
#endif
#endif
