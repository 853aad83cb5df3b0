/* QEMU's RISC-V machine `virt`: what a port to a board without operating system has to bring. */
#ifndef USMP_BOARD_H
#define USMP_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a factory writes into each device. Here it lies in memory behind the image, where
   `qemu-system-riscv32 -device loader,file=FILE,addr=0x80400000,force-raw=on` puts it. */
typedef struct board_identity {
  uint8_t magic[4]; /* "USMP" */
  uint8_t device_id[6];
  uint8_t zero[2];
  uint8_t psk[32];
  /* QEMU's virt machine has no source of randomness. Whoever starts it must give 32 random bytes, fresh at
     EVERY start: two starts with one seed make the same keys. A real board must use its own entropy
     source (a TRNG peripheral, a secure element) instead. */
  uint8_t seed[32];
} board_identity_t;

void board_init(void);

/* Null when no identity was loaded. */
const board_identity_t *board_identity(void);

/* UART with an interrupt-driven receive buffer; as usmp_uart_t wants them. */
size_t board_uart_read(uint8_t *out, size_t len);
size_t board_uart_write(const uint8_t *bytes, size_t len);
/* Waits until all is written. */
void board_print(const char *text);

uint32_t board_millis(void);
/* Sleeps until a byte comes, `ms` at most. */
void board_idle(uint32_t ms);

/* Instructions since the start, without sleep; real only under `-icount shift=0`. */
uint64_t board_instructions(void);

void board_led(bool on);
bool board_led_is_on(void);

/* Bytes of the stack that were never touched since the start, or since board_stack_paint. */
size_t board_stack_free(void);
/* Paints what lies under the caller's frame again. */
void board_stack_paint(void);
size_t board_stack_size(void);

/* As by the reset button: what was loaded is loaded again, the rest of the memory and the flash stay. With BOARD_TRAP_RESETS a fault
   resets too, where it ends the emulation otherwise. */
_Noreturn void board_reset(void);

/* Ends the emulation; the exit status of QEMU is `code`. */
_Noreturn void board_power_off(int code);

#endif
