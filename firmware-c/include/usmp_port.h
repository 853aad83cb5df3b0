/* What a platform provides to the application layer (usmp.h). The engine in usmp/ needs none of it. */
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

/* level: 'E', 'W', 'I'. Nothing secret is ever logged. */
void usmp_port_log(char level, const char *tag, const char *msg);

/* The crypto table, ready for use; null when the library could not be started. */
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
