#include "monitor.h"

#include <time.h>

#include "usmp/errors.h"

#define NS_IN_MS 1000000u
#define NS_IN_S 1000000000u

static int init_condition(pthread_cond_t *changed)
{
  pthread_condattr_t monotonic;

  if (pthread_condattr_init(&monotonic) != 0) return USMP_ERR_UNREACHABLE;
  int failed = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) != 0 || pthread_cond_init(changed, &monotonic) != 0;
  pthread_condattr_destroy(&monotonic);
  return failed ? USMP_ERR_UNREACHABLE : USMP_OK;
}

int usmp_posix_monitor_init(usmp_posix_monitor_t *monitor)
{
  if (init_condition(&monitor->changed) < 0) return USMP_ERR_UNREACHABLE;
  if (pthread_mutex_init(&monitor->mutex, NULL) == 0) return USMP_OK;
  pthread_cond_destroy(&monitor->changed);
  return USMP_ERR_UNREACHABLE;
}

void usmp_posix_monitor_destroy(usmp_posix_monitor_t *monitor)
{
  pthread_mutex_destroy(&monitor->mutex);
  pthread_cond_destroy(&monitor->changed);
}

void usmp_posix_monitor_lock(usmp_posix_monitor_t *monitor)
{
  pthread_mutex_lock(&monitor->mutex);
}

void usmp_posix_monitor_unlock(usmp_posix_monitor_t *monitor)
{
  pthread_mutex_unlock(&monitor->mutex);
}

void usmp_posix_monitor_wait(usmp_posix_monitor_t *monitor, uint32_t wait_ms)
{
  struct timespec until;

  clock_gettime(CLOCK_MONOTONIC, &until);
  uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)(wait_ms % 1000u) * NS_IN_MS;
  until.tv_sec += (time_t)(wait_ms / 1000u) + (time_t)(ns / NS_IN_S);
  until.tv_nsec = (long)(ns % NS_IN_S);
  pthread_cond_timedwait(&monitor->changed, &monitor->mutex, &until);
}

void usmp_posix_monitor_wake(usmp_posix_monitor_t *monitor)
{
  pthread_cond_broadcast(&monitor->changed);
}
