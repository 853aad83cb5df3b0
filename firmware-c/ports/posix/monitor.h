/* A lock, and waiting for something to change under it: what clients that run their own thread need (mqtt/mosquitto, ws/libwebsockets). */
#ifndef USMP_POSIX_MONITOR_H
#define USMP_POSIX_MONITOR_H

#include <pthread.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct usmp_posix_monitor {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
} usmp_posix_monitor_t;

/* 0, or USMP_ERR_UNREACHABLE when the system has no more of them. */
int usmp_posix_monitor_init(usmp_posix_monitor_t *monitor);
void usmp_posix_monitor_destroy(usmp_posix_monitor_t *monitor);
void usmp_posix_monitor_lock(usmp_posix_monitor_t *monitor);
void usmp_posix_monitor_unlock(usmp_posix_monitor_t *monitor);
/* With the lock, which it gives away meanwhile: until a wake, for wait_ms, or shorter. A clock that is set does not matter. */
void usmp_posix_monitor_wait(usmp_posix_monitor_t *monitor, uint32_t wait_ms);
/* With the lock: everybody who waits looks again. */
void usmp_posix_monitor_wake(usmp_posix_monitor_t *monitor);

#ifdef __cplusplus
}
#endif
#endif
