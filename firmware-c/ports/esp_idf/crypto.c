/* PSA Crypto, one call at a time. */
#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>

#include "usmp/crypto_psa.h"
#include "usmp_port.h"

static StaticSemaphore_t memory;
static SemaphoreHandle_t mutex;

/* Before any task can ask for it. */
__attribute__((constructor)) static void make_mutex(void)
{
  mutex = xSemaphoreCreateMutexStatic(&memory);
}

void usmp_psa_lock(void)
{
  xSemaphoreTake(mutex, portMAX_DELAY);
}

void usmp_psa_unlock(void)
{
  xSemaphoreGive(mutex);
}

const usmp_crypto_t *usmp_port_crypto(void)
{
  return usmp_psa_start();
}
