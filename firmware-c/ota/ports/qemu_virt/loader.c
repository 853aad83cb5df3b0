/* The boot loader of an emulated rv32 board: what QEMU starts after each reset. It chooses a slot, copies its image to where it was linked
   for, and jumps there. Images run from RAM, so one image fits both slots. With nothing to start it says so and stops. */
#include <stdint.h>

#include "board.h"
#include "board_flash.h"
#include "slot_table.h"

static void copy_image(int slot)
{
  const volatile uint32_t *from = (const volatile uint32_t *)(uintptr_t)(BOARD_FLASH_BASE + (uint32_t)slot * BOARD_SLOT_SIZE);
  volatile uint32_t *to = (volatile uint32_t *)BOARD_IMAGE_BASE;

  for (uint32_t i = 0; i < BOARD_SLOT_SIZE / 4; i++) to[i] = from[i];
}

static void tell_image(int slot)
{
  volatile board_handoff_t *handoff = BOARD_HANDOFF;

  handoff->starts = handoff->magic == BOARD_HANDOFF_MAGIC ? handoff->starts + 1 : 0;
  handoff->magic = BOARD_HANDOFF_MAGIC;
  handoff->slot = (uint32_t)slot;
}

int main(void)
{
  int slot = usmp_slots_choose(&board_flash);

  if (slot < 0) {
    board_print("\r\nloader: no image to start\r\n");
    return 1;
  }
  board_print(slot == 0 ? "\r\nloader: starts slot 0\r\n" : "\r\nloader: starts slot 1\r\n");
  tell_image(slot);
  copy_image(slot);
  __asm__ volatile(".option push\n.option arch, +zifencei\nfence.i\n.option pop" ::: "memory");
  ((void (*)(void))BOARD_IMAGE_BASE)();
  return 1;
}
