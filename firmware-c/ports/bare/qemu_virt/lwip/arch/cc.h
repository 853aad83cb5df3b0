/* What lwIP asks of a compiler and a board. */
#ifndef USMP_LWIP_ARCH_CC_H
#define USMP_LWIP_ARCH_CC_H

#include <stdint.h>

_Noreturn void board_power_off(int code);
uint32_t board_lwip_random(void);

#define EXIT_LWIP 98
#define LWIP_NO_CTYPE_H 1
#define LWIP_PLATFORM_DIAG(x) ((void)0)
#define LWIP_PLATFORM_ASSERT(x) board_power_off(EXIT_LWIP)
#define LWIP_RAND() board_lwip_random()

#endif
