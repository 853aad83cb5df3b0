/* Words between an emulated program and the program that runs it, besides the UART: RISC-V semihosting. */
#ifndef USMP_TEST_HOST_H
#define USMP_TEST_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* The words that QEMU was given as `-semihosting-config arg=…`, with a space between. False: none, or too many. */
bool host_words(char *out, size_t size);

/* Writes text to the character device of `-semihosting-config chardev=…`. */
void host_say(const char *text);

#endif
