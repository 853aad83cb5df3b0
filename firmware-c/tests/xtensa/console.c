/* Semihosting of QEMU's sim machine: the call's number in a2, arguments from a3 on, the answer in a2. */
#include "console.h"

#define SIMCALL_EXIT 1
#define SIMCALL_WRITE 4
#define STDOUT 1

static int simcall(int number, int a, int b, int c)
{
  register int a2 __asm__("a2") = number;
  register int a3 __asm__("a3") = a;
  register int a4 __asm__("a4") = b;
  register int a5 __asm__("a5") = c;
  __asm__ volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
  return a2;
}

void console_init(void) {}

void console_write(const char *text, size_t len)
{
  (void)simcall(SIMCALL_WRITE, STDOUT, (int)text, (int)len);
}

void console_exit(int code)
{
  for (;;) (void)simcall(SIMCALL_EXIT, code, 0, 0);
}
