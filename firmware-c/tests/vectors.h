/* Runs the shared vectors against the core. Needs neither files nor a heap, so it runs on bare metal too. */
#ifndef USMP_TESTS_VECTORS_H
#define USMP_TESTS_VECTORS_H

#include "usmp/crypto.h"

/* Made by tools/vectors_to_c.py. */
extern const char usmp_vectors[];

typedef struct usmp_vector_count {
  unsigned passed;
  unsigned failed;
  unsigned left_out; /* wire version 1, suites this build does not contain, primitives wider than its table */
} usmp_vector_count_t;

/* Called for each case that failed; the texts end with a newline, not with a zero. */
typedef void (*usmp_vector_failed_fn)(const char *topic, const char *id, const char *comment);

usmp_vector_count_t usmp_run_vectors(const usmp_crypto_t *crypto, usmp_vector_failed_fn failed);

#endif
