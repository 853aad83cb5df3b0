#include "ota_internal.h"

#include <string.h>

#define CONFIRM_WITHIN_MAX_MS 86400000u
#define WINDOW_MAX 64 /* a gateway owes no more (specification, section 13.6) */

/* Printable ASCII without blanks, 1 to `max` bytes. */
static bool is_name(const char *text, size_t max)
{
  size_t len = 0;

  if (!text) return false;
  while (len <= max && text[len] > 0x20 && text[len] < 0x7F) len++;
  return len >= 1 && len <= max && text[len] == 0;
}

static bool has_functions(const usmp_ota_config_t *config)
{
  const usmp_ota_port_t *port = config->port;
  const usmp_ota_crypto_t *crypto = config->crypto;

  if (!port || !crypto || !crypto->ed25519 || !crypto->hashes) return false;
  return port->begin && port->write && port->read && port->finish && port->activate && port->state && port->confirm &&
         port->revert && port->load && port->store;
}

static bool keys_are_good(const usmp_ota_config_t *config)
{
  if (!config->keys || config->key_count < 1 || config->key_count > USMP_OTA_KEYS_MAX) return false;
  for (size_t i = 0; i < config->key_count; i++) {
    if (!usmp_ed25519_key_is_trustworthy(config->crypto, config->keys[i])) return false;
  }
  return true;
}

static bool is_good(const usmp_ota_config_t *config)
{
  return config && has_functions(config) && is_name(config->product, USMP_PRODUCT_MAX) &&
         is_name(config->chip, USMP_CHIP_MAX) && config->confirm_within_ms <= CONFIRM_WITHIN_MAX_MS &&
         config->window <= WINDOW_MAX && keys_are_good(config);
}

/* A device that has no record yet. Stored with the first update, not before. */
static void first_record(usmp_ota_record_t *record, const usmp_ota_config_t *config)
{
  record->trust.counter = config->counter;
  record->trust.key_count = config->key_count;
  memcpy(record->trust.keys, config->keys, (size_t)config->key_count * USMP_ED25519_KEY_SIZE);
}

static int read_state(usmp_ota_t *ota)
{
  const usmp_ota_config_t *config = ota->config;

  int result = usmp_ota_load(&ota->record, config);
  if (result == USMP_OTA_NO_RECORD) {
    first_record(&ota->record, config);
    result = USMP_OK;
  }
  if (result != USMP_OK) return result;
  return config->port->state(config->ctx, &ota->running, &ota->other) == 0 ? USMP_OK : USMP_ERR_TRANSPORT_FAILED;
}

int usmp_ota_init(usmp_ota_t *ota, const usmp_ota_config_t *config, uint32_t now)
{
  memset(ota, 0, sizeof *ota);
  if (!is_good(config)) return USMP_ERR_INVALID_ARGUMENT;
  ota->config = config;
  int result = read_state(ota);
  if (result == USMP_OK) result = usmp_ota_settle(ota, now);
  ota->usable = result == USMP_OK;
  return result;
}

/* What is under way goes on when the gateway of this session offers it; what it must know is told once more. */
void usmp_ota_begin_session(usmp_ota_t *ota, uint32_t now)
{
  ota->in_session = true;
  ota->pulling = false;
  ota->progress_at = now;
}

void usmp_ota_end_session(usmp_ota_t *ota)
{
  ota->in_session = false;
  ota->pulling = false;
}

size_t usmp_ota_poll(usmp_ota_t *ota, uint32_t now, uint8_t *out, size_t size)
{
  usmp_ota_poll_trial(ota, now);
  usmp_ota_poll_transfer(ota);
  if (!ota->in_session || size < USMP_OTA_OUT_SIZE) return 0;
  size_t len = usmp_ota_notify(ota, now, out, size);
  return len > 0 ? len : usmp_ota_ask(ota, now, out);
}

uint32_t usmp_ota_next_deadline(const usmp_ota_t *ota, uint32_t now)
{
  if (ota->transfer == USMP_OTA_PROVING) return 0;
  if (!ota->in_session) return usmp_ota_trial_deadline(ota, now);
  uint32_t message = usmp_ota_sooner(usmp_ota_notify_deadline(ota, now), usmp_ota_ask_deadline(ota, now));
  return usmp_ota_sooner(message, usmp_ota_trial_deadline(ota, now));
}

bool usmp_ota_restart_wanted(const usmp_ota_t *ota)
{
  return ota->restart;
}

bool usmp_ota_is_on_trial(const usmp_ota_t *ota)
{
  return ota->on_trial;
}
