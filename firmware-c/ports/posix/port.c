#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "usmp_posix.h"

/* Programs may define the hooks of usmp_port.h that are marked so themselves. */
#define HOOK __attribute__((weak))

static uint8_t device_id[USMP_DEVICE_ID_LEN];
static bool device_id_set;

void usmp_posix_set_device_id(const uint8_t id[USMP_DEVICE_ID_LEN])
{
  memcpy(device_id, id, sizeof device_id);
  device_id_set = true;
}

int usmp_posix_parse_device_id(const char *text, uint8_t id[USMP_DEVICE_ID_LEN])
{
  unsigned b[USMP_DEVICE_ID_LEN];
  int used = 0;

  if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &used) != 6) return -1;
  if (text[used] != 0) return -1;
  for (int i = 0; i < USMP_DEVICE_ID_LEN; i++) id[i] = (uint8_t)b[i];
  return 0;
}

HOOK int usmp_port_get_device_id(uint8_t *out, size_t len)
{
  unsigned byte;

  if (len < USMP_DEVICE_ID_LEN) return -1;
  if (!device_id_set) {
    FILE *file = fopen("/etc/machine-id", "r");
    if (!file) return -1;
    int found = 0;
    while (found < USMP_DEVICE_ID_LEN && fscanf(file, "%2x", &byte) == 1) device_id[found++] = (uint8_t)byte;
    fclose(file);
    if (found < USMP_DEVICE_ID_LEN) return -1;
    device_id[0] = (uint8_t)((device_id[0] & 0xFE) | 0x02); /* locally administered, as no maker's address is */
    device_id_set = true;
  }
  memcpy(out, device_id, USMP_DEVICE_ID_LEN);
  return 0;
}

HOOK int usmp_port_random(uint8_t *out, size_t len)
{
  while (len > 0) {
    ssize_t got = getrandom(out, len, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return -1;
    out += got;
    len -= (size_t)got;
  }
  return 0;
}

HOOK void usmp_port_delay_ms(uint32_t ms)
{
  struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L};
  while (nanosleep(&time, &time) != 0 && errno == EINTR) continue; /* a signal does not shorten it */
}

HOOK uint32_t usmp_port_millis(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

HOOK void usmp_port_log(char level, const char *tag, const char *msg)
{
  fprintf(stderr, "%c %s: %s\n", level, tag, msg);
}

HOOK void usmp_port_wdt_feed(void) {}

/* A fixed number of mutexes instead of a heap: two a session. */
#define MUTEXES 64
static pthread_mutex_t mutexes[MUTEXES];
static bool mutex_used[MUTEXES];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

int usmp_port_mutex_create(usmp_mutex_t *mutex)
{
  int result = -1;

  pthread_mutex_lock(&guard);
  for (int i = 0; i < MUTEXES && result < 0; i++) {
    if (mutex_used[i] || pthread_mutex_init(&mutexes[i], NULL) != 0) continue;
    mutex_used[i] = true;
    *mutex = &mutexes[i];
    result = 0;
  }
  pthread_mutex_unlock(&guard);
  return result;
}

int usmp_port_mutex_lock(usmp_mutex_t mutex)
{
  return pthread_mutex_lock(mutex);
}

int usmp_port_mutex_unlock(usmp_mutex_t mutex)
{
  return pthread_mutex_unlock(mutex);
}

void usmp_port_mutex_destroy(usmp_mutex_t mutex)
{
  pthread_mutex_lock(&guard);
  pthread_mutex_destroy(mutex);
  mutex_used[(pthread_mutex_t *)mutex - mutexes] = false;
  pthread_mutex_unlock(&guard);
}
