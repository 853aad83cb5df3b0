/* The sensor's updates on this machine: state machine, two slots in a folder, restart and watchdog by usmp-loader. A build without
   the crypto libraries for updates has the same functions, which do nothing.

   Calls in this order: updates_start once; updates_connected and updates_lost with each session; updates_take for each message;
   updates_send and updates_tick again and again, the latter also while there is no session. */
#ifndef SENSOR_UPDATES_H
#define SENSOR_UPDATES_H

#include "options.h"
#ifdef SENSOR_OTA
#include "file_flash.h"
#include "ota_slots.h"
#endif

typedef struct updates {
  bool on;
#ifdef SENSOR_OTA
  usmp_file_flash_t files;
  usmp_ota_slots_t slots;
  usmp_ota_config_t config;
  usmp_ota_t ota;
  int watchdog; /* a file descriptor, -1: none */
  uint32_t fed_at;
#endif
} updates_t;

/* 0, also when the options ask for no updates; or an exit code, and what is wrong was said. Adds the methods of updates to `rpc`. */
int updates_start(updates_t *updates, const sensor_options_t *options, usmp_rpc_t *rpc, uint32_t now);
void updates_stop(updates_t *updates);

void updates_connected(updates_t *updates, uint32_t now);
void updates_lost(updates_t *updates);
/* True: the message was for the update, and is done with. */
bool updates_take(updates_t *updates, const uint8_t *message, size_t len, uint32_t now);
/* Sends what the update has to say now. */
usmp_err_t updates_send(updates_t *updates, usmp_t *ctx);
/* The sensor has measured and the reading has left: a new image is sound, as far as it can tell. */
void updates_self_test_passed(updates_t *updates);
/* Feeds the watchdog, and does what is due without a session. */
void updates_tick(updates_t *updates, uint32_t now);
/* ms until updates_send or updates_tick has something to do. */
uint32_t updates_wait(const updates_t *updates, uint32_t now);
/* True: end the session, then the program with USMP_LOADER_RESTART. */
bool updates_restart_wanted(const updates_t *updates);

#endif
