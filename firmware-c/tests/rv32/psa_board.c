/* What mbedTLS's PSA wants of a board without operating system: memory, from a static block, and randomness, here from a
   counter. That only blinds computations, and no key comes from it: images with this run vectors and measure. */
#include "psa_board.h"

#include <mbedtls/memory_buffer_alloc.h>
#include <psa/crypto.h>
#include <stdlib.h>

#include "board.h"

static unsigned char heap[48 * 1024];

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *output,
                                             size_t output_size, size_t *output_length)
{
  static uint8_t n;
  (void)context;
  for (size_t i = 0; i < output_size; i++) output[i] = ++n;
  *output_length = output_size;
  return PSA_SUCCESS;
}

/* Called when the memory was found to be damaged. */
void exit(int code)
{
  board_power_off(code);
}

void psa_board_init(void)
{
  mbedtls_memory_buffer_alloc_init(heap, sizeof heap);
}
