/* The secret of a device, out of the NVS partition: it is in no source file and in no image. */
#ifndef EXAMPLE_SECRET_H
#define EXAMPLE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_SIZE 32

/* Reads the blob `key` of the namespace "usmp", exactly SECRET_SIZE bytes. 0, or less than zero with a log
   line that says what to do. */
int secret_load(const char *key, uint8_t secret[SECRET_SIZE]);

#endif
