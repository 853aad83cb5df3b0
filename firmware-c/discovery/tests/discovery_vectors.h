#ifndef USMP_DISCOVERY_VECTORS_H
#define USMP_DISCOVERY_VECTORS_H

#include <stddef.h>

/* Runs vectors/discovery.json against the codec. Calls `failed` with the id of each case that does not hold, a text that ends
   with its line. Returns how many hold. */
size_t run_discovery_vectors(void (*failed)(const char *id));

#endif
