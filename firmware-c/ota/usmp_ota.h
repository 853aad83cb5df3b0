/* Signed firmware updates for a device (specification, section 13): takes a manifest that a gateway offers, judges it, pulls the
   image into the other slot, proves it there, and starts it on trial. The gateway can withhold an update, never forge one.

     static const usmp_ota_config_t config = {
       .product = "sensor", .chip = "esp32c3", .version = USMP_OTA_VERSION(1, 2, 0),
       .keys = publisher_keys, .key_count = 1, .crypto = &crypto, .port = &usmp_ota_esp_port};
     static usmp_ota_t ota;

     usmp_ota_init(&ota, &config, now);                                        once, early: the trial runs from here
     usmp_rpc_init(&rpc, methods, 3, device);
     usmp_rpc_extend(&rpc, usmp_ota_methods, USMP_OTA_METHODS, &ota);          ota.state, ota.offer, ota.apply, ota.abort
     ...
     usmp_ota_begin_session(&ota, now);                                        with each session, behind usmp_rpc_begin
     if (sensors_work()) usmp_ota_self_test_passed(&ota);                      once: confirms an image on trial

     if (!usmp_ota_receive(&ota, message, len, now)) answer_len = usmp_rpc_receive(&rpc, message, len, now, answer, size);
     while ((n = usmp_ota_poll(&ota, now, out, sizeof out)) > 0) usmp_send(&ctx, out, (uint16_t)n);
     if (usmp_ota_restart_wanted(&ota)) close the session and restart;
     wait for a message, at most usmp_ota_next_deadline(&ota, now) ms
     ...
     usmp_ota_end_session(&ota);                                               usmp_ota_poll goes on without a session too

   No heap, no clock, no socket: `now` is any clock in ms that never steps and may wrap. The port's functions do the rest, and may
   block; a step of usmp_ota_poll reads USMP_OTA_HASH_STEP bytes of flash at most. One thread calls all of it.

   What is never done: erase before every check of the manifest has passed; start an image whose hash in flash is not that of a
   judged manifest; take bytes outside of it; confirm before a session was made with the new image and its self-test passed;
   lower the counter. */
#ifndef USMP_OTA_H
#define USMP_OTA_H

#include "usmp/errors.h"
#include "usmp_manifest.h"
#include "usmp_rpc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of an image in one message. */
#define USMP_OTA_CHUNK_MAX 440
/* First byte of the messages with chunks, and of those that ask for them. No JSON begins with it. */
#define USMP_OTA_MESSAGE 0xFE
/* A transfer goes on at a multiple of it. */
#define USMP_OTA_SECTOR 4096u
/* How often the record notes how far a transfer is: so many bytes may come again after a power cut. A multiple of USMP_OTA_SECTOR. */
#ifndef USMP_OTA_RECORD_STEP
#define USMP_OTA_RECORD_STEP 32768u
#endif
/* Bytes of flash that one call of usmp_ota_poll reads when it proves the image. */
#ifndef USMP_OTA_HASH_STEP
#define USMP_OTA_HASH_STEP 16384u
#endif
/* Bytes that port.read is asked for at once, on the stack. */
#ifndef USMP_OTA_READ_SIZE
#define USMP_OTA_READ_SIZE 256
#endif
/* For `out` of usmp_ota_poll: enough for any message. */
#define USMP_OTA_OUT_SIZE 288
/* For the answer of usmp_rpc_receive: enough for ota.state. */
#define USMP_OTA_ANSWER_SIZE 896
/* For the message that comes: enough for ota.offer with the longest manifest. */
#define USMP_OTA_OFFER_SIZE 896

/* ---- the port ---- */

/* What the boot loader notes of a slot, as ESP-IDF has it (esp_ota_img_states_t). */
typedef enum usmp_ota_slot_state {
  USMP_OTA_SLOT_UNDEFINED, /* nothing noted: the image came by cable, or the boot loader does not go back from images */
  USMP_OTA_SLOT_NEW,       /* made active, not started yet */
  USMP_OTA_SLOT_PENDING,   /* started for the first time: not confirmed. The next start goes back */
  USMP_OTA_SLOT_VALID,     /* confirmed */
  USMP_OTA_SLOT_INVALID,   /* the application said no: usmp_ota_port_t.revert */
  USMP_OTA_SLOT_ABORTED    /* was pending, and did not confirm before the next start */
} usmp_ota_slot_state_t;

typedef struct usmp_ota_slot {
  uint8_t index; /* which slot this is: 0 or 1, or any number that stays the same */
  uint8_t state; /* usmp_ota_slot_state_t; any other number counts as undefined */
  uint32_t size; /* bytes that an image may have */
} usmp_ota_slot_t;

/* `load`: nothing was ever stored. Not for a record that is damaged or cannot be read: that would bring the factory's keys back. */
#define USMP_OTA_NO_RECORD 1

/* Bytes of the record: security counter, keys, how far a transfer is, the image on trial. Little-endian, with a format of its own: it
   survives updates of the firmware. */
#define USMP_OTA_RECORD_SIZE 512

/* All return 0; anything else is a failure, whatever its type or sign (usmp/callbacks.h), except where said. All may block. They must
   not call the state machine back. ctx: usmp_ota_config_t.ctx. */
typedef struct usmp_ota_port {
  /* The other slot is to take an image of `size` bytes, from offset `from` on (a multiple of USMP_OTA_SECTOR; 0: from the start). What
     stands before `from` stays as it is, the rest is erased, now or as it is written. Ends what an earlier begin has begun. */
  int (*begin)(void *ctx, uint32_t size, uint32_t from);
  /* 1 to USMP_OTA_CHUNK_MAX bytes: each begins where the last one ended, the first at `from`. After 0 a read gives these bytes. */
  int (*write)(void *ctx, uint32_t offset, const uint8_t *data, size_t len);
  /* Of the other slot. */
  int (*read)(void *ctx, uint32_t offset, uint8_t *data, size_t len);
  /* The whole image is written and its hash is right. Not 0: the boot loader would not take it. */
  int (*finish)(void *ctx);
  /* The next start is of the image in the other slot. */
  int (*activate)(void *ctx);
  int (*state)(void *ctx, usmp_ota_slot_t *running, usmp_ota_slot_t *other);
  /* The running image stays. */
  int (*confirm)(void *ctx);
  /* The running image is never started again: the next start is of the other slot. Need not return. */
  int (*revert)(void *ctx);
  /* The record as a whole. load: 0, USMP_OTA_NO_RECORD, or a failure: then this device takes no update. store is atomic: after a power
     cut at any time load gives what was stored before, or this, whole. */
  int (*load)(void *ctx, uint8_t *record, size_t len);
  int (*store)(void *ctx, const uint8_t *record, size_t len);
  /* The application's veto, asked last: battery, motion, memory. 0: go on; anything else: USMP_OTA_NOT_NOW. May be null. */
  int (*may_update)(void *ctx, const usmp_manifest_t *manifest);
  /* Days since 2020-01-01; 0: not known. From a clock that can be trusted, or not at all. May be null. */
  uint32_t (*today)(void *ctx);
} usmp_ota_port_t;

/* ---- the device ---- */

/* Stays valid and as it is while the state machine is used. */
typedef struct usmp_ota_config {
  const char *product; /* 1 to 16 bytes of printable ASCII, without spaces */
  const char *chip;    /* 1 to 8; of the board or the chip: "esp32c3" */
  uint32_t version;    /* of this firmware: USMP_OTA_VERSION */
  /* Public keys of the publisher, 1 to USMP_OTA_KEYS_MAX: trusted when this device has no record yet. Later ones come by updates. */
  const uint8_t (*keys)[USMP_ED25519_KEY_SIZE];
  uint8_t key_count;
  uint8_t window;             /* chunks under way at most, up to 64; 0: 8 */
  uint32_t counter;           /* security counter of a device that has no record yet */
  uint32_t confirm_within_ms; /* how long an image may be on trial, from usmp_ota_init; 0: 300 000; at most a day */
  const usmp_ota_crypto_t *crypto;
  const usmp_ota_port_t *port;
  void *ctx; /* given to the port's functions */
} usmp_ota_config_t;

/* Private: what is kept over restarts (ota_record.c). */
typedef struct usmp_ota_record {
  usmp_ota_trust_t trust;
  usmp_ota_trust_t next; /* what it becomes when the image below is confirmed */
  uint8_t phase;         /* of that image: usmp_ota_phase_t */
  uint8_t slot;          /* where it is */
  uint8_t running_slot;  /* where the image of running_sha256 is */
  bool rollback_seen;    /* the boot loader has once started an image on trial */
  uint32_t offset;       /* received: in flash, a multiple of USMP_OTA_SECTOR */
  uint32_t size;         /* bytes of the image */
  uint32_t version;
  uint32_t running_version;
  uint8_t manifest_sha256[USMP_SHA256_SIZE];
  uint8_t sha256[USMP_SHA256_SIZE];
  uint8_t running_sha256[USMP_SHA256_SIZE]; /* of the image that was confirmed last */
  uint8_t rolled_back[USMP_SHA256_SIZE];    /* zeros: none */
} usmp_ota_record_t;

/* Static or for as long as the program runs: about 1 KB. All of it is private. */
typedef struct usmp_ota {
  const usmp_ota_config_t *config;
  usmp_ota_record_t record; /* as it is stored */
  usmp_ota_slot_t running;
  usmp_ota_slot_t other;
  bool usable; /* the record and the slots could be read */
  bool in_session;
  bool restart; /* wanted */

  bool on_trial;    /* the running image is not confirmed yet */
  bool self_tested; /* the application's self-test passed; or failed: */
  bool test_failed;
  bool kept; /* the port has confirmed it; the record does not say so yet */
  uint32_t deadline;
  uint32_t retry_at; /* of a confirmation that failed */

  uint8_t transfer;     /* usmp_ota_transfer_t */
  bool pulling;         /* the gateway of this session has offered the image of the record */
  bool asked;           /* chunks are under way */
  bool gap;             /* one came before one that is missing, and was dropped */
  uint32_t offset;      /* bytes of the image that are written */
  uint32_t asked_until; /* chunks up to here were asked for */
  uint32_t ask_at;      /* when nothing comes until then they are asked for again */
  uint32_t backoff_ms;
  uint32_t hashed; /* bytes that were read back */
  usmp_sha256_state_t hash;
  uint8_t failures; /* of this image, since the start */

  uint8_t notices; /* what the gateway is still to be told: usmp_ota_notice_t */
  uint32_t progress_at;
  int failure; /* of ota.failed */
  const char *failure_reason;
  uint8_t failed_sha256[USMP_SHA256_SIZE];
} usmp_ota_t;

/* Reads the record and the slots, and sees how the last update ended. `now` starts the time of an image on trial. 0,
   USMP_ERR_INVALID_ARGUMENT: a field of config is wrong, or a key is not trustworthy (usmp_ed25519_key_is_trustworthy), and nothing
   else may be called. USMP_ERR_CRYPTO_FAILED, USMP_ERR_TRANSPORT_FAILED: the crypto library, or the port: all functions may be called, and every
   offer is refused with USMP_OTA_FLASH. */
int usmp_ota_init(usmp_ota_t *ota, const usmp_ota_config_t *config, uint32_t now);

/* A session with the gateway is established; it has ended. A transfer waits in between, until the gateway offers it again. */
void usmp_ota_begin_session(usmp_ota_t *ota, uint32_t now);
void usmp_ota_end_session(usmp_ota_t *ota);

/* A message of the session. True: it began with USMP_OTA_MESSAGE and is done with, whatever it was. False: it is for somebody else. */
bool usmp_ota_receive(usmp_ota_t *ota, const uint8_t *message, size_t len, uint32_t now);

/* Does what is due, and writes the next message to be sent into `out` (USMP_OTA_OUT_SIZE bytes or more). Its length; 0: nothing to send
   now. Without a session it sends nothing, and the time of a trial runs all the same. */
size_t usmp_ota_poll(usmp_ota_t *ota, uint32_t now, uint8_t *out, size_t size);

/* ms until usmp_ota_poll is to be called, 0: now; UINT32_MAX: not before something happens. */
uint32_t usmp_ota_next_deadline(const usmp_ota_t *ota, uint32_t now);

/* What the application says of an image on trial, as often as it likes; for a confirmed image they do nothing. Passed: the image is
   confirmed as soon as there is a session too. Failed: the device goes back with the next usmp_ota_poll. */
void usmp_ota_self_test_passed(usmp_ota_t *ota);
void usmp_ota_self_test_failed(usmp_ota_t *ota);

/* True after ota.apply, and after the running image was given up: end the session in order, then restart through the boot loader. */
bool usmp_ota_restart_wanted(const usmp_ota_t *ota);
/* True while the running image waits for its confirmation. */
bool usmp_ota_is_on_trial(const usmp_ota_t *ota);

/* ota.state, ota.offer, ota.apply and ota.abort, for usmp_rpc_extend with the usmp_ota_t as the context. ota.offer may take as long as
   a signature and the erasing of a sector: some 40 ms and more on a chip of 160 MHz. */
#define USMP_OTA_METHODS 4
extern const usmp_rpc_method_t usmp_ota_methods[USMP_OTA_METHODS];

#ifdef __cplusplus
}
#endif
#endif
