/* The public key of who signs images, as `usmp ota keygen` writes it. */
#ifndef SENSOR_PUBLISHER_KEY_H
#define SENSOR_PUBLISHER_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define PUBLISHER_KEY_SIZE 32

/* A file in PEM (BEGIN PUBLIC KEY, Ed25519), with 64 hex digits, or with 32 raw bytes. False: it cannot be read, or is anything else. */
bool read_publisher_key(const char *path, uint8_t key[PUBLISHER_KEY_SIZE]);

#endif
