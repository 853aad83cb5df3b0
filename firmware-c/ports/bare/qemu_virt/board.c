#include "board.h"

#include <string.h>

#define UART_BASE 0x10000000u
#define FINISHER 0x00100000u
#define CLINT_MTIMECMP 0x02004000u
#define CLINT_MTIME 0x0200BFF8u
#define PLIC_BASE 0x0C000000u
#define IDENTITY_BASE 0x80400000u

static volatile uint8_t *reg8(uintptr_t address)
{
  return (volatile uint8_t *)address;
}

static volatile uint32_t *reg32(uintptr_t address)
{
  return (volatile uint32_t *)address;
}

/* ---- control and status registers ---- */

#define MSTATUS_MIE 0x8u
#define MIE_MTIE 0x80u
#define MIE_MEIE 0x800u

/* zicsr is asked for here only: asked for in -march, the compiler would link libraries of another ABI. */
#define CSR(...) __asm__ volatile(".option push\n.option arch, +zicsr\n" __VA_ARGS__)

static void interrupts_on(void)
{
  CSR("csrsi mstatus, %0\n.option pop" : : "i"(MSTATUS_MIE) : "memory");
}

static void interrupts_off(void)
{
  CSR("csrci mstatus, %0\n.option pop" : : "i"(MSTATUS_MIE) : "memory");
}

static uint64_t retired(void)
{
  uint32_t high, low, again;
  do {
    CSR("csrr %0, minstreth\ncsrr %1, minstret\ncsrr %2, minstreth\n.option pop" : "=r"(high), "=r"(low), "=r"(again));
  } while (high != again);
  return (uint64_t)high << 32 | low;
}

/* Under -icount the counter is QEMU's clock, which goes on while the processor sleeps. */
static uint64_t asleep;

uint64_t board_instructions(void)
{
  return retired() - asleep;
}

/* ---- clock: 10 MHz ---- */

#define TICKS_PER_MS 10000u

static uint64_t ticks(void)
{
  uint32_t high, low;
  do {
    high = *reg32(CLINT_MTIME + 4);
    low = *reg32(CLINT_MTIME);
  } while (high != *reg32(CLINT_MTIME + 4));
  return (uint64_t)high << 32 | low;
}

static void wake_at(uint64_t when)
{
  *reg32(CLINT_MTIMECMP + 4) = UINT32_MAX; /* never too early while the halves are written */
  *reg32(CLINT_MTIMECMP) = (uint32_t)when;
  *reg32(CLINT_MTIMECMP + 4) = (uint32_t)(when >> 32);
}

uint32_t board_millis(void)
{
  return (uint32_t)(ticks() / TICKS_PER_MS);
}

/* ---- UART: a 16550 ---- */

#define UART_DATA 0
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_LSR 5
#define LSR_RECEIVED 0x01u
#define LSR_TX_EMPTY 0x20u
#define UART_IRQ 10u
#define UART_FIFO 16

/* At 115200 baud this bridges 90 ms, longer than one X25519 on a small processor takes. */
#ifndef UART_RING_SIZE
#define UART_RING_SIZE 1024u /* a power of two */
#endif
static uint8_t ring[UART_RING_SIZE];
static volatile uint32_t ring_in;  /* written by the interrupt only */
static volatile uint32_t ring_out; /* written by board_uart_read only */

static void uart_interrupt(void)
{
  while (*reg8(UART_BASE + UART_LSR) & LSR_RECEIVED) {
    uint8_t byte = *reg8(UART_BASE + UART_DATA);
    /* When the ring is full the byte is lost: the packet's CRC or tag tells. */
    if (ring_in - ring_out < UART_RING_SIZE) {
      ring[ring_in % UART_RING_SIZE] = byte;
      ring_in = ring_in + 1;
    }
  }
}

size_t board_uart_read(uint8_t *out, size_t len)
{
  size_t n = 0;
  while (n < len && ring_out != ring_in) {
    out[n++] = ring[ring_out % UART_RING_SIZE];
    ring_out = ring_out + 1;
  }
  return n;
}

size_t board_uart_write(const uint8_t *bytes, size_t len)
{
  if (!(*reg8(UART_BASE + UART_LSR) & LSR_TX_EMPTY)) return 0;
  size_t n = len < UART_FIFO ? len : UART_FIFO;
  for (size_t i = 0; i < n; i++) *reg8(UART_BASE + UART_DATA) = bytes[i];
  return n;
}

void board_print(const char *text)
{
  size_t len = strlen(text);
  while (len > 0) {
    size_t n = board_uart_write((const uint8_t *)text, len);
    text += n;
    len -= n;
  }
}

static void uart_init(void)
{
  *reg8(UART_BASE + UART_LCR) = 0x03; /* 8N1; QEMU has no baud rate */
  *reg8(UART_BASE + UART_FCR) = 0x01; /* FIFOs on */
  *reg8(UART_BASE + UART_IER) = 0x01; /* interrupt on received bytes */
  *reg32(PLIC_BASE + 4 * UART_IRQ) = 1;
  *reg32(PLIC_BASE + 0x2000) = 1u << UART_IRQ;
  *reg32(PLIC_BASE + 0x200000) = 0; /* threshold */
}

/* ---- traps ---- */

#define CAUSE_INTERRUPT 0x80000000u
#define CAUSE_TIMER (CAUSE_INTERRUPT | 7u)
#define CAUSE_EXTERNAL (CAUSE_INTERRUPT | 11u)
#define EXIT_FAULT 99

void board_trap(void);

__attribute__((interrupt("machine"), aligned(4))) void board_trap(void)
{
  uint32_t cause;
  CSR("csrr %0, mcause\n.option pop" : "=r"(cause));
  if (cause == CAUSE_TIMER) {
    wake_at(UINT64_MAX);
  } else if (cause == CAUSE_EXTERNAL) {
    uint32_t irq = *reg32(PLIC_BASE + 0x200004);
    if (irq == UART_IRQ) uart_interrupt();
    *reg32(PLIC_BASE + 0x200004) = irq;
  } else {
#ifdef BOARD_TRAP_RESETS
    board_reset();
#else
    board_power_off(EXIT_FAULT);
#endif
  }
}

void board_idle(uint32_t ms)
{
  /* wfi wakes up for an interrupt that is held back too, so none slips in between check and sleep. */
  interrupts_off();
  if (ms > 0 && ring_in == ring_out) {
    wake_at(ticks() + (uint64_t)ms * TICKS_PER_MS);
    uint64_t before = retired();
    __asm__ volatile("wfi");
    asleep += retired() - before;
  }
  interrupts_on();
}

void board_init(void)
{
  uart_init();
  wake_at(UINT64_MAX);
  CSR("csrs mie, %0\n.option pop" : : "r"(MIE_MTIE | MIE_MEIE) : "memory");
  interrupts_on();
}

/* ---- the rest ---- */

const board_identity_t *board_identity(void)
{
  const board_identity_t *identity = (const board_identity_t *)IDENTITY_BASE;
  return memcmp(identity->magic, "USMP", sizeof identity->magic) == 0 ? identity : NULL;
}

static bool led;

void board_led(bool on)
{
  led = on; /* virt has no lamp */
}

bool board_led_is_on(void)
{
  return led;
}

#define PAINT 0xA5A5A5A5u
extern uint32_t __stack_bottom[];
extern uint32_t __stack_top[];

size_t board_stack_free(void)
{
  const uint32_t *word = __stack_bottom;
  while (word < __stack_top && *word == PAINT) word++;
  return (size_t)(word - __stack_bottom) * sizeof *word;
}

void board_stack_paint(void)
{
  uint32_t *here = __builtin_frame_address(0);
  /* This function's own frame, and an interrupt's, may lie up to here. */
  uint32_t *end = here - 64;
  for (volatile uint32_t *word = __stack_bottom; word < end; word++) *word = PAINT;
}

size_t board_stack_size(void)
{
  return (size_t)(__stack_top - __stack_bottom) * sizeof(uint32_t);
}

_Noreturn void board_reset(void)
{
  *reg32(FINISHER) = 0x7777u;
  for (;;) __asm__ volatile("wfi");
}

_Noreturn void board_power_off(int code)
{
  *reg32(FINISHER) = code == 0 ? 0x5555u : (uint32_t)code << 16 | 0x3333u;
  for (;;) __asm__ volatile("wfi");
}
