#include "ota_internal.h"

#include <string.h>

/* An image on trial: how it begins, and its three ends.

     ota.apply      store TRIAL, then activate the slot
     next start     it runs: on trial. It does not, and the boot loader has given it up: rolled back. It does not, and nothing was
                    noted of it: the slot was never activated, and the image is staged as before
     confirmed      the port first, then the record: a cut between the two leaves TRIAL in the record, and is confirmed again
     given up       store GIVEN_UP, then the port: a cut between the two is seen at the next start */

#define CONFIRM_WITHIN_MS 300000u
#define RETRY_MS 1000u

static uint32_t trial_ms(const usmp_ota_config_t *config)
{
  return config->confirm_within_ms > 0 ? config->confirm_within_ms : CONFIRM_WITHIN_MS;
}

bool usmp_ota_runs_record(const usmp_ota_t *ota)
{
  bool started = ota->record.phase == USMP_OTA_TRIAL || ota->record.phase == USMP_OTA_GIVEN_UP;
  return started && ota->record.slot == ota->running.index;
}

static int went_back(usmp_ota_t *ota)
{
  usmp_ota_record_t next = ota->record;

  next.phase = USMP_OTA_NONE;
  next.offset = 0;
  memcpy(next.rolled_back, next.sha256, USMP_SHA256_SIZE);
  if (ota->other.state == USMP_OTA_SLOT_ABORTED) next.rollback_seen = true; /* only a boot loader that goes back notes that */
  return usmp_ota_store(ota, &next);
}

static int note_phase(usmp_ota_t *ota, usmp_ota_phase_t phase)
{
  usmp_ota_record_t next = ota->record;

  next.phase = (uint8_t)phase;
  return usmp_ota_store(ota, &next);
}

static int note_rollback(usmp_ota_t *ota)
{
  usmp_ota_record_t next = ota->record;

  next.rollback_seen = true;
  return usmp_ota_store(ota, &next);
}

/* The image of the record was made active, and another one runs. */
static int settle_absent(usmp_ota_t *ota)
{
  bool refused = ota->other.state == USMP_OTA_SLOT_INVALID || ota->other.state == USMP_OTA_SLOT_ABORTED;

  if (ota->record.phase == USMP_OTA_GIVEN_UP || refused) return went_back(ota);
  return note_phase(ota, USMP_OTA_STAGED);
}

/* The image of the record is where the running one is: somebody has put another one there, by cable. */
static int settle_overwritten(usmp_ota_t *ota)
{
  return ota->record.slot == ota->running.index ? note_phase(ota, USMP_OTA_NONE) : 0;
}

static int settle_record(usmp_ota_t *ota)
{
  switch (ota->record.phase) {
    case USMP_OTA_RECEIVING:
    case USMP_OTA_STAGED: return settle_overwritten(ota);
    case USMP_OTA_TRIAL:
    case USMP_OTA_GIVEN_UP: return usmp_ota_runs_record(ota) ? 0 : settle_absent(ota);
    default: return 0;
  }
}

int usmp_ota_settle(usmp_ota_t *ota, uint32_t now)
{
  bool pending = ota->running.state == USMP_OTA_SLOT_PENDING;

  int result = settle_record(ota);
  if (result == 0 && pending && !ota->record.rollback_seen) result = note_rollback(ota);
  ota->on_trial = pending || usmp_ota_runs_record(ota);
  ota->deadline = now + trial_ms(ota->config);
  ota->retry_at = now;
  if (usmp_ota_runs_record(ota) && ota->record.phase == USMP_OTA_GIVEN_UP) ota->deadline = now;
  return result == 0 ? USMP_OK : USMP_ERR_TRANSPORT_FAILED;
}

/* ---- its ends ---- */

/* What the record says when the running image stays. */
static void keep(usmp_ota_record_t *next, const usmp_ota_t *ota)
{
  memset(next->rolled_back, 0, USMP_SHA256_SIZE);
  next->running_slot = ota->running.index;
  next->running_version = ota->config->version;
  memset(next->running_sha256, 0, USMP_SHA256_SIZE);
  if (!usmp_ota_runs_record(ota)) return; /* it did not come by an update of ours */
  memcpy(next->running_sha256, next->sha256, USMP_SHA256_SIZE);
  next->trust = next->next;
  next->phase = USMP_OTA_NONE;
  next->offset = 0;
}

static void confirm(usmp_ota_t *ota, uint32_t now)
{
  const usmp_ota_config_t *config = ota->config;
  usmp_ota_record_t next = ota->record;
  bool of_record = usmp_ota_runs_record(ota);

  ota->retry_at = now + RETRY_MS;
  if (!ota->kept && config->port->confirm(config->ctx) != 0) return;
  ota->kept = true;
  keep(&next, ota);
  if (usmp_ota_store(ota, &next) != 0) return;
  ota->on_trial = false;
  ota->running.state = USMP_OTA_SLOT_VALID;
  if (of_record) ota->notices |= USMP_OTA_TELL_CONFIRMED;
}

/* When the record cannot be stored the device goes back even so: the boot loader's notes tell of it then. When the port fails, a restart
   helps only if the boot loader goes back by itself; else the image stays on trial, so that the device does not restart for ever. */
static void give_up(usmp_ota_t *ota, uint32_t now)
{
  const usmp_ota_config_t *config = ota->config;

  if (ota->record.phase == USMP_OTA_TRIAL) (void)!note_phase(ota, USMP_OTA_GIVEN_UP);
  bool reverted = config->port->revert(config->ctx) == 0;
  ota->restart = reverted || ota->running.state == USMP_OTA_SLOT_PENDING;
  ota->test_failed = false;
  ota->deadline = now + trial_ms(config);
}

void usmp_ota_poll_trial(usmp_ota_t *ota, uint32_t now)
{
  if (!ota->on_trial || ota->restart) return;
  bool over = ota->test_failed || usmp_ota_until(ota->deadline, now) == 0;
  if (over && !ota->kept) {
    give_up(ota, now);
  } else if (ota->in_session && ota->self_tested && usmp_ota_until(ota->retry_at, now) == 0) {
    confirm(ota, now);
  }
}

uint32_t usmp_ota_trial_deadline(const usmp_ota_t *ota, uint32_t now)
{
  if (!ota->on_trial || ota->restart) return UINT32_MAX;
  if (ota->test_failed && !ota->kept) return 0;
  uint32_t retry = ota->in_session && ota->self_tested ? usmp_ota_until(ota->retry_at, now) : UINT32_MAX;
  return usmp_ota_sooner(retry, ota->kept ? UINT32_MAX : usmp_ota_until(ota->deadline, now));
}

void usmp_ota_self_test_passed(usmp_ota_t *ota)
{
  ota->self_tested = true;
  ota->test_failed = false;
}

void usmp_ota_self_test_failed(usmp_ota_t *ota)
{
  ota->self_tested = false;
  ota->test_failed = true;
}

/* ---- its begin ---- */

int usmp_ota_activate(usmp_ota_t *ota)
{
  const usmp_ota_config_t *config = ota->config;

  int code = note_phase(ota, USMP_OTA_TRIAL);
  if (code != 0) return code;
  if (config->port->activate(config->ctx) == 0) {
    ota->restart = true;
    return 0;
  }
  (void)!note_phase(ota, USMP_OTA_STAGED); /* if that fails, the next start sees that it was not activated */
  return USMP_OTA_FLASH;
}
