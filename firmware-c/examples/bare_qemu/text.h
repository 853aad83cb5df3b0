/* Text without printf. */
#ifndef EXAMPLE_TEXT_H
#define EXAMPLE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_SIZE 256

/* What does not fit is cut off. */
typedef struct text {
  char at[TEXT_SIZE]; /* ends with a zero */
  size_t len;
} text_t;

void text_clear(text_t *t);
void text_add(text_t *t, const char *words);
void text_add_bytes(text_t *t, const uint8_t *bytes, size_t len);
void text_add_number(text_t *t, uint64_t number);
/* Thousandths as a decimal fraction: -1500 as -1.500 */
void text_add_thousandths(text_t *t, int32_t number);

#endif
