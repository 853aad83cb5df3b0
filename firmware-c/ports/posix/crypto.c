#include "usmp_port.h"

#ifdef USMP_POSIX_bearssl

#include "usmp/crypto_bearssl.h"

const usmp_crypto_t *usmp_port_crypto(void)
{
  return &usmp_crypto_bearssl;
}

#else

#include <pthread.h>

#include "usmp/crypto_psa.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void usmp_psa_lock(void)
{
  pthread_mutex_lock(&mutex);
}

void usmp_psa_unlock(void)
{
  pthread_mutex_unlock(&mutex);
}

const usmp_crypto_t *usmp_port_crypto(void)
{
  return usmp_psa_start();
}

#endif
