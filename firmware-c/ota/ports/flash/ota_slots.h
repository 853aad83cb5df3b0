/* The port of the update's state machine (usmp_ota.h) for two slots in any flash: slot table, slots and record.

     static usmp_ota_slots_t slots;
     usmp_ota_slots_init(&slots, &flash, slot_that_runs);     the loader says which
     config.port = &usmp_ota_slots_port;
     config.ctx = &slots;

   The last 32 bytes of a slot hold size and CRC of the image that it received last, so that an image which is whole can be made active
   after any power cut: an image may be that much smaller than the slot.

   For a veto of the application or a date, copy the table and set may_update and today. Sectors are erased as the image
   reaches them. No restart is made here: usmp_ota_restart_wanted says when. */
#ifndef USMP_OTA_SLOTS_H
#define USMP_OTA_SLOTS_H

#include "ota_flash.h"
#include "usmp_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_OTA_SLOT_FOOTER 32u

typedef struct usmp_ota_slots {
  const usmp_flash_t *flash;
  uint8_t running;    /* 0 or 1: the slot that this program was started from */
  uint32_t size;      /* of the image that comes, bytes; 0: none */
  uint32_t erased_to; /* from here on the other slot is not erased yet */
} usmp_ota_slots_t;

/* `flash` stays valid. */
void usmp_ota_slots_init(usmp_ota_slots_t *slots, const usmp_flash_t *flash, int running);

extern const usmp_ota_port_t usmp_ota_slots_port;

#ifdef __cplusplus
}
#endif
#endif
