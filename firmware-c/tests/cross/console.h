/* What the vectors need of a machine without an operating system. */
#ifndef USMP_TESTS_CONSOLE_H
#define USMP_TESTS_CONSOLE_H

#include <stddef.h>

void console_init(void);
void console_write(const char *text, size_t len);
_Noreturn void console_exit(int code);

#endif
