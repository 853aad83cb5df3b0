/* Keys in files, for the programs among the examples. */
#ifndef KEY_FILE_H
#define KEY_FILE_H

#include <stddef.h>
#include <stdint.h>

/* A file with hex digits, white space aside, or with 32 raw bytes. Returns the length of the key; 0: the file cannot be read, or
   is anything else, or its key does not fit into `size` (64 at most). */
size_t read_key_file(const char *path, uint8_t *out, size_t size);

#endif
