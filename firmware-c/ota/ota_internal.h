/* What the files of the state machine share. */
#ifndef USMP_OTA_INTERNAL_H
#define USMP_OTA_INTERNAL_H

#include "usmp_ota.h"

/* What has become of the image of the record. Stored: the numbers never change. */
typedef enum usmp_ota_phase {
  USMP_OTA_NONE,      /* there is none */
  USMP_OTA_RECEIVING, /* `offset` bytes of it are in the other slot, and perhaps more */
  USMP_OTA_STAGED,    /* whole, proven, and accepted by the port */
  USMP_OTA_TRIAL,     /* made active, or just about to be: on trial as soon as it runs */
  USMP_OTA_GIVEN_UP   /* the device goes back from it, or is just about to */
} usmp_ota_phase_t;

/* What goes on with it since the start. */
typedef enum usmp_ota_transfer {
  USMP_OTA_IDLE,
  USMP_OTA_WRITING, /* the port's slot is open */
  USMP_OTA_PROVING  /* every byte is written; what is in flash is hashed */
} usmp_ota_transfer_t;

typedef enum usmp_ota_notice {
  USMP_OTA_TELL_CONFIRMED = 1,
  USMP_OTA_TELL_FAILED = 2,
  USMP_OTA_TELL_STAGED = 4
} usmp_ota_notice_t;

/* ---- trust_record.c ---- */

/* ids: one behind the other. */
bool usmp_ota_has_key_id(const uint8_t *ids, size_t count, const uint8_t id[USMP_KEY_ID_SIZE]);

/* ---- ota_record.c ---- */

/* 0; USMP_OTA_NO_RECORD: nothing was ever stored; USMP_ERR_TRANSPORT_FAILED: the port failed, or the record is damaged or of a format
   that this firmware does not know. */
USMP_MUST_CHECK int usmp_ota_load(usmp_ota_record_t *record, const usmp_ota_config_t *config);
/* Stores `next`, and takes it for the record after that: memory never says what flash does not. 0 or USMP_OTA_FLASH. */
USMP_MUST_CHECK int usmp_ota_store(usmp_ota_t *ota, const usmp_ota_record_t *next);

/* ---- ota_trial.c ---- */

/* How the last update ended, by the record and the slots. USMP_OK or USMP_ERR_TRANSPORT_FAILED. */
USMP_MUST_CHECK int usmp_ota_settle(usmp_ota_t *ota, uint32_t now);
/* Confirms the image on trial, or goes back from it, when that is due. */
void usmp_ota_poll_trial(usmp_ota_t *ota, uint32_t now);
/* ms until that; UINT32_MAX: never. */
uint32_t usmp_ota_trial_deadline(const usmp_ota_t *ota, uint32_t now);
/* Makes the staged image the one of the next start. 0 or a code. */
USMP_MUST_CHECK int usmp_ota_activate(usmp_ota_t *ota);
/* True while the running image is the one that the record has on trial. */
bool usmp_ota_runs_record(const usmp_ota_t *ota);

/* ---- ota_transfer.c ---- */

/* What a gateway offers. 0 and the bytes that are here already, or a code. */
USMP_MUST_CHECK int usmp_ota_offer(usmp_ota_t *ota, const uint8_t *bytes, size_t len, uint32_t now, uint32_t *have);
/* Reads the next part of the image back when it is whole. */
void usmp_ota_poll_transfer(usmp_ota_t *ota);
/* A request for chunks, when one is due; its length or 0. */
size_t usmp_ota_ask(usmp_ota_t *ota, uint32_t now, uint8_t out[USMP_OTA_OUT_SIZE]);
/* ms until usmp_ota_ask has one; UINT32_MAX: never, as it is. */
uint32_t usmp_ota_ask_deadline(const usmp_ota_t *ota, uint32_t now);

/* ---- ota_rpc.c ---- */

/* The notification that is due, or 0. */
size_t usmp_ota_notify(usmp_ota_t *ota, uint32_t now, uint8_t *out, size_t size);
/* ms until there is one; UINT32_MAX: never, as it is. */
uint32_t usmp_ota_notify_deadline(const usmp_ota_t *ota, uint32_t now);

/* ---- times ---- */

/* Between two notifications of progress, at least. */
#define USMP_OTA_PROGRESS_MS 1000u

/* ms from `now` to `at`, on a clock that may wrap; 0 when it is over. */
static inline uint32_t usmp_ota_until(uint32_t at, uint32_t now)
{
  uint32_t left = at - now;
  return left > UINT32_MAX / 2 ? 0 : left;
}

static inline uint32_t usmp_ota_sooner(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

#endif
