/* Which of two slots boots: the table that a boot loader and a program share, with the states and the rules of ESP-IDF
   (esp_flash_partitions.h, "App OTA State" in its documentation), roll-back enabled.

     state            set by                            what the boot loader does with it
     NEW              usmp_slots_set_boot               boots it once, as PENDING_VERIFY
     PENDING_VERIFY   the boot loader                   at the next start: ABORTED, and the other slot
     VALID            usmp_slots_mark: confirmed        boots it
     INVALID          usmp_slots_mark: given up         never boots it
     ABORTED          the boot loader                   never boots it
     UNDEFINED        a table that knows no states      boots it

   Two entries, one in each sector of the area STATE, each with a sequence number: slot = (sequence - 1) mod 2. Of those
   whose CRC is right and whose state may boot, the higher number counts. An entry is changed by erasing its sector and
   writing it again, so a power cut loses one entry at most. The rules keep the other one usable at each of these moments.

   When no entry may boot, the boot loader takes the newest one whose image is whole, in whatever state: better than none.

   Unlike ESP-IDF's, the CRC covers the whole entry, not the sequence number alone; and the entry carries size and CRC of the
   image, as these images carry no checksum of their own. That guards against decay, not against a person with the device
   in hand: docs/threat-model.md. */
#ifndef USMP_SLOT_TABLE_H
#define USMP_SLOT_TABLE_H

#include <stdbool.h>

#include "ota_flash.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum usmp_slot_state {
  USMP_SLOT_NEW = 0,
  USMP_SLOT_PENDING_VERIFY = 1,
  USMP_SLOT_VALID = 2,
  USMP_SLOT_INVALID = 3,
  USMP_SLOT_ABORTED = 4,
  USMP_SLOT_UNDEFINED = -1 /* 0xFFFFFFFF in the flash */
} usmp_slot_state_t;

/* Bytes of an entry in the flash: sequence, state, image size, CRC of the image, CRC of the entry; each u32, little-endian. */
#define USMP_SLOT_ENTRY_SIZE 20

typedef struct usmp_slot_entry {
  bool intact; /* its CRC is right; the rest means nothing otherwise */
  uint32_t sequence;
  usmp_slot_state_t state;
  uint32_t image_size; /* 0: not known, nothing is checked: the first image, which came by cable */
  uint32_t image_crc;
} usmp_slot_entry_t;

typedef struct usmp_slot_table {
  usmp_slot_entry_t entry[2]; /* as the two sectors hold them */
} usmp_slot_table_t;

/* Neither slot holds an image that can be started. */
#define USMP_SLOTS_NOTHING_BOOTS (-2)
/* The flash could not be read or written. */
#define USMP_SLOTS_FLASH_ERROR (-1)

/* 0 or 1: the slot of an intact entry. */
int usmp_slots_slot_of(const usmp_slot_entry_t *entry);
/* 0, or USMP_SLOTS_FLASH_ERROR. */
int usmp_slots_read(const usmp_flash_t *flash, usmp_slot_table_t *table);
/* Index of the entry that counts, -1: none may boot. */
int usmp_slots_active(const usmp_slot_table_t *table);
/* Index of the intact entry of a slot, in any state; -1: none. */
int usmp_slots_find(const usmp_slot_table_t *table, int slot);

/* The boot loader's whole decision, with the changes of state that go with it. The slot to start, 0 or 1, or an error code. */
int usmp_slots_choose(const usmp_flash_t *flash);

/* The running program's part. `running` is the slot it was started from. All return 0 or USMP_SLOTS_FLASH_ERROR. */

/* Before a slot is overwritten: it may not boot any more, whatever happens from here on. */
int usmp_slots_forget_other(const usmp_flash_t *flash, int running);
/* At the next start the other slot boots, once, as NEW. */
int usmp_slots_set_boot(const usmp_flash_t *flash, int running, uint32_t image_size, uint32_t image_crc);
/* Whether the other slot may boot: without that the running one must not be given up. */
bool usmp_slots_may_go_back(const usmp_flash_t *flash, int running);
/* Sets the state of the running slot: VALID or INVALID. Error also when the table does not know it. */
int usmp_slots_mark(const usmp_flash_t *flash, int running, usmp_slot_state_t state);

#ifdef __cplusplus
}
#endif
#endif
