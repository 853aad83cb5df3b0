/* A device that a test plays: two slots in memory, a boot loader by the table of ESP-IDF, a record, a toy of Ed25519, and faults at will.
   A restart (device_boot) forgets all but flash. */
#ifndef USMP_OTA_PLAYED_DEVICE_H
#define USMP_OTA_PLAYED_DEVICE_H

#include <setjmp.h>

#include "usmp_ota.h"

#define SLOT_SIZE 65536u
#define IMAGE_MAX 40000u

typedef enum call {
  CALL_BEGIN,
  CALL_WRITE,
  CALL_READ,
  CALL_FINISH,
  CALL_ACTIVATE,
  CALL_STATE,
  CALL_CONFIRM,
  CALL_REVERT,
  CALL_LOAD,
  CALL_STORE,
  CALLS
} call_t;

typedef struct played {
  /* flash */
  uint8_t slots[2][SLOT_SIZE];
  uint8_t states[2];
  uint32_t versions[2]; /* that the program in a slot says of itself */
  int active;           /* that the boot loader is told to start */
  uint8_t record[USMP_OTA_RECORD_SIZE];
  bool has_record;
  bool no_rollback; /* a boot loader that notes nothing */

  /* the program that runs */
  int running;
  usmp_ota_config_t config;
  usmp_ota_t ota;
  usmp_rpc_t rpc;
  uint32_t now;
  uint32_t write_at;
  bool veto;
  uint32_t today;
  char answer[USMP_OTA_ANSWER_SIZE];
  size_t answer_len;
  uint8_t out[USMP_OTA_OUT_SIZE]; /* of the last device_poll */
  size_t out_len;

  /* faults and counts */
  unsigned calls[CALLS];
  unsigned total;
  int fails[CALLS]; /* what the function returns instead of 0 */
  unsigned cut_at;  /* the power fails in this call of all, 0: never; */
  bool cut_after;   /* behind its effect, not before */
  jmp_buf power;
} played_t;

/* A publisher; also `crypto` of the config. */
typedef struct publisher {
  uint8_t key[USMP_ED25519_KEY_SIZE];
} publisher_t;

publisher_t publisher_of(uint8_t number);
extern const usmp_ota_crypto_t toy_crypto;

typedef struct release {
  const publisher_t *publisher;
  const char *product, *chip;
  uint32_t version, counter, least_version, size, not_after;
  const publisher_t *next_key;
  const publisher_t *revoked;
  uint8_t seed; /* of the image */
  uint8_t image[IMAGE_MAX];
  uint8_t sha256[USMP_SHA256_SIZE];
  uint8_t manifest[USMP_MANIFEST_MAX];
  size_t manifest_len;
} release_t;

/* For "sensor", "esp32c3"; what the fields said else can be changed, then release_sign again. */
void release_make(release_t *release, const publisher_t *publisher, uint32_t version, uint32_t counter, uint32_t size,
                  uint8_t seed);
void release_sign(release_t *release);
/* With these bytes as the variable part, at most 352. */
void release_sign_with(release_t *release, const uint8_t *tlvs, size_t tlvs_len);

/* Fresh from the factory: version 1.0.0 in slot 0, one publisher, counter 0. */
void device_make(played_t *device, const publisher_t *publisher);
/* The boot loader, then usmp_ota_init. */
int device_boot(played_t *device);
/* A request by JSON-RPC: its answer is in device->answer; 0, or the code of the error. */
int device_request(played_t *device, const char *method, const char *params);
int device_offer(played_t *device, const release_t *release);
int device_apply(played_t *device, const release_t *release);
/* usmp_ota_poll once. */
size_t device_poll(played_t *device);
/* A chunk of the release. */
void device_chunk(played_t *device, const release_t *release, uint32_t offset);
/* A gateway: serves what is asked for until nothing is asked for at once. False: the notification ota.failed has come. */
bool device_serve(played_t *device, const release_t *release);
/* The last answer, or the last message polled, has this text in it. */
bool answer_has(const played_t *device, const char *text);
bool out_has(const played_t *device, const char *text);

#endif
