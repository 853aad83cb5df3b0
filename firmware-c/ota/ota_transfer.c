#include "ota_internal.h"

#include <string.h>

#include "usmp/callbacks.h"

/* The device pulls (specification, section 13.6): it asks for chunks from an offset on, a window of them at a time, and again after silence.

     device -> gateway   0xFE 0x01 | offset u32 | count u16
     gateway -> device   0xFE 0x02 | offset u32 | data 1..440 */
enum { ASK = 0x01, CHUNK = 0x02, HEAD = 6, ASK_SIZE = 8 };

#define WINDOW 8
#define BACKOFF_MIN_MS 1000u
#define BACKOFF_MAX_MS 30000u
/* How long a chunk may be late when a later one has come: longer than a session takes to repeat a datagram. */
#define GAP_MS 250u
/* Attempts at one image in which writing, reading or proving it failed, until the next start (specification, section 13.6). */
#define FAILURES_MAX 2

/* The transfer of the image is over until it is offered again. What is in flash up to the offset of the record stays. */
static void fail(usmp_ota_t *ota, int code, const char *reason)
{
  ota->transfer = USMP_OTA_IDLE;
  ota->pulling = false;
  if (ota->failures < UINT8_MAX) ota->failures++;
  ota->failure = code;
  ota->failure_reason = reason;
  memcpy(ota->failed_sha256, ota->record.sha256, USMP_SHA256_SIZE);
  ota->notices |= USMP_OTA_TELL_FAILED;
}

/* … and begins with its first byte then: nothing of what is in flash may be gone on with. */
static void fail_whole(usmp_ota_t *ota, int code, const char *reason)
{
  usmp_ota_record_t next = ota->record;

  fail(ota, code, reason);
  next.offset = 0;
  (void)!usmp_ota_store(ota, &next); /* if that fails, the next attempt fails for the same reason */
}

/* ---- the offer ---- */

static bool is_same(const usmp_ota_t *ota, const uint8_t hash[USMP_SHA256_SIZE])
{
  bool has_image = ota->record.phase == USMP_OTA_RECEIVING || ota->record.phase == USMP_OTA_STAGED;
  return has_image && memcmp(ota->record.manifest_sha256, hash, USMP_SHA256_SIZE) == 0;
}

static usmp_ota_target_t target_of(const usmp_ota_t *ota, bool same)
{
  const usmp_ota_config_t *config = ota->config;
  bool under_way = ota->pulling || ota->transfer == USMP_OTA_PROVING;

  return (usmp_ota_target_t){.product = config->product,
                             .chip = config->chip,
                             .version = config->version,
                             .trust = &ota->record.trust,
                             .slot_size = ota->other.size,
                             .today = config->port->today ? config->port->today(config->ctx) : 0,
                             .busy = ota->on_trial || ota->restart || (under_way && !same),
                             .may_update = config->port->may_update,
                             .ctx = config->ctx};
}

/* Another image than that of the record: all that is known of the old one is forgotten before a byte of it is erased. */
static int take_up(usmp_ota_t *ota, const usmp_manifest_t *manifest, const uint8_t hash[USMP_SHA256_SIZE])
{
  usmp_ota_record_t next = ota->record;

  next.phase = USMP_OTA_RECEIVING;
  next.slot = ota->other.index;
  next.offset = 0;
  next.size = manifest->size;
  next.version = manifest->version;
  memcpy(next.manifest_sha256, hash, USMP_SHA256_SIZE);
  memcpy(next.sha256, manifest->sha256, USMP_SHA256_SIZE);
  int code = usmp_ota_rotate(&next.next, &next.trust, manifest, ota->config->crypto);
  if (code != 0) return code;
  ota->transfer = USMP_OTA_IDLE;
  ota->failures = 0;
  ota->notices &= (uint8_t)~USMP_OTA_TELL_STAGED; /* that was the old one */
  return usmp_ota_store(ota, &next);
}

/* Opens the slot where the record says. */
static int open_slot(usmp_ota_t *ota)
{
  const usmp_ota_config_t *config = ota->config;
  const usmp_ota_record_t *record = &ota->record;

  int result = config->port->begin(config->ctx, record->size, record->offset);
  if (usmp_callback_result(result, USMP_OTA_FLASH) != 0) {
    if (ota->failures < UINT8_MAX) ota->failures++;
    ota->failure = USMP_OTA_FLASH;
    return USMP_OTA_FLASH;
  }
  ota->offset = record->offset;
  ota->transfer = USMP_OTA_WRITING;
  return 0;
}

/* The manifest is judged: goes on with the image of the record, or begins with this one. */
static int start(usmp_ota_t *ota, const usmp_manifest_t *manifest, const uint8_t *hash, bool same)
{
  int code = same ? 0 : take_up(ota, manifest, hash);

  if (code != 0) return code;
  if (ota->record.phase == USMP_OTA_STAGED) {
    ota->notices |= USMP_OTA_TELL_STAGED;
    return 0;
  }
  if (ota->failures >= FAILURES_MAX) return ota->failure; /* once more, without trying */
  return ota->transfer == USMP_OTA_IDLE ? open_slot(ota) : 0;
}

static void begin_pull(usmp_ota_t *ota, uint32_t now)
{
  ota->pulling = true;
  ota->asked = false;
  ota->gap = false;
  ota->asked_until = ota->offset;
  ota->ask_at = now;
  ota->backoff_ms = BACKOFF_MIN_MS;
  if (usmp_ota_until(ota->progress_at, now) > USMP_OTA_PROGRESS_MS) ota->progress_at = now; /* the clock has wrapped since */
  ota->notices &= (uint8_t)~USMP_OTA_TELL_FAILED;
}

/* The same offer once more changes nothing, but a gateway that has forgotten the transfer need not wait long. */
static void ask_soon(usmp_ota_t *ota, uint32_t now)
{
  ota->backoff_ms = BACKOFF_MIN_MS;
  ota->ask_at = now + usmp_ota_sooner(BACKOFF_MIN_MS, usmp_ota_until(ota->ask_at, now));
}

int usmp_ota_offer(usmp_ota_t *ota, const uint8_t *bytes, size_t len, uint32_t now, uint32_t *have)
{
  usmp_manifest_t manifest;
  uint8_t hash[USMP_SHA256_SIZE];

  if (!ota->usable || usmp_sha256(ota->config->crypto, bytes, len, hash) != 0) return USMP_OTA_FLASH;
  bool same = is_same(ota, hash);
  usmp_ota_target_t target = target_of(ota, same);
  int code = usmp_manifest_judge(&manifest, bytes, len, ota->config->crypto, &target);
  if (code == 0) code = start(ota, &manifest, hash, same);
  if (code != 0) return code;
  bool whole = ota->record.phase == USMP_OTA_STAGED || ota->transfer == USMP_OTA_PROVING;
  *have = whole ? ota->record.size : ota->offset;
  if (whole) return 0;
  if (ota->pulling) {
    ask_soon(ota, now);
  } else {
    begin_pull(ota, now);
  }
  return 0;
}

/* ---- chunks ---- */

/* How many bytes the chunk at `offset` has. */
static uint32_t chunk_size(const usmp_ota_t *ota, uint32_t offset)
{
  uint32_t left = ota->record.size - offset;
  return left < USMP_OTA_CHUNK_MAX ? left : USMP_OTA_CHUNK_MAX;
}

/* The record follows from time to time, so that a power cut costs little and flash is not worn out. It never says that all is there: a
   transfer that goes on has something to ask for, and comes to the proof in the one way. */
static int note_offset(usmp_ota_t *ota)
{
  usmp_ota_record_t next = ota->record;
  uint32_t offset = usmp_ota_sooner(ota->offset, ota->record.size - 1);

  if (ota->offset - ota->record.offset < USMP_OTA_RECORD_STEP) return 0;
  next.offset = offset - offset % USMP_OTA_SECTOR;
  return usmp_ota_store(ota, &next);
}

static void begin_proof(usmp_ota_t *ota)
{
  ota->hashed = 0;
  if (ota->config->crypto->hashes->begin(&ota->hash) != 0) {
    fail(ota, USMP_OTA_FLASH, "the crypto library cannot hash the image");
    return;
  }
  ota->transfer = USMP_OTA_PROVING;
  ota->pulling = false;
}

static void write_chunk(usmp_ota_t *ota, const uint8_t *data, uint32_t len, uint32_t now)
{
  const usmp_ota_config_t *config = ota->config;

  int result = config->port->write(config->ctx, ota->offset, data, len);
  if (usmp_callback_result(result, USMP_OTA_FLASH) != 0) {
    /* What a gateway sent before may stand there, in a sector that cannot be erased without what is right of it. */
    fail_whole(ota, USMP_OTA_FLASH, "the flash could not be written");
    return;
  }
  ota->offset += len;
  ota->backoff_ms = BACKOFF_MIN_MS;
  ota->ask_at = now + BACKOFF_MIN_MS;
  /* What stood behind the gap was dropped, and nobody sends it again by himself. */
  if (ota->gap) ota->asked = false;
  ota->gap = false;
  if (note_offset(ota) != 0) {
    fail(ota, USMP_OTA_FLASH, "the record could not be stored");
  } else if (ota->offset == ota->record.size) {
    begin_proof(ota);
  }
}

/* A chunk before one that is missing: the session will bring that one soon, or it was never sent. */
static void note_gap(usmp_ota_t *ota, uint32_t now)
{
  if (ota->gap) return;
  ota->gap = true;
  ota->ask_at = now + usmp_ota_sooner(GAP_MS, usmp_ota_until(ota->ask_at, now));
}

bool usmp_ota_receive(usmp_ota_t *ota, const uint8_t *message, size_t len, uint32_t now)
{
  if (len == 0 || message[0] != USMP_OTA_MESSAGE) return false;
  if (!ota->pulling || len <= HEAD || message[1] != CHUNK) return true;
  uint32_t offset = usmp_load32(message + 2);
  if (offset > ota->offset && offset < ota->asked_until) note_gap(ota, now);
  bool is_next = offset == ota->offset && offset < ota->asked_until; /* a repetition, or what nobody asked for, is nothing */
  if (is_next && len - HEAD == chunk_size(ota, offset)) write_chunk(ota, message + HEAD, (uint32_t)(len - HEAD), now);
  return true;
}

/* ---- asking ---- */

static uint32_t window_of(const usmp_ota_t *ota)
{
  return ota->config->window > 0 ? ota->config->window : WINDOW;
}

/* Chunks that were asked for and have not come. */
static uint32_t outstanding(const usmp_ota_t *ota)
{
  return (ota->asked_until - ota->offset + USMP_OTA_CHUNK_MAX - 1) / USMP_OTA_CHUNK_MAX;
}

static bool wants_more(const usmp_ota_t *ota)
{
  return ota->asked_until < ota->record.size && outstanding(ota) <= window_of(ota) / 2;
}

uint32_t usmp_ota_ask_deadline(const usmp_ota_t *ota, uint32_t now)
{
  if (!ota->pulling) return UINT32_MAX;
  return !ota->asked || wants_more(ota) ? 0 : usmp_ota_until(ota->ask_at, now);
}

/* Nothing has come for a while: from the first byte that is missing, and with more patience. */
static void start_over(usmp_ota_t *ota)
{
  ota->asked_until = ota->offset;
  if (ota->asked) ota->backoff_ms = usmp_ota_sooner(2 * ota->backoff_ms, BACKOFF_MAX_MS);
}

size_t usmp_ota_ask(usmp_ota_t *ota, uint32_t now, uint8_t out[USMP_OTA_OUT_SIZE])
{
  if (usmp_ota_ask_deadline(ota, now) > 0) return 0;
  if (!ota->asked || !wants_more(ota)) start_over(ota);
  uint32_t left = ota->record.size - ota->asked_until;
  uint32_t chunks = left / USMP_OTA_CHUNK_MAX + (left % USMP_OTA_CHUNK_MAX != 0);
  uint32_t count = usmp_ota_sooner(window_of(ota) - outstanding(ota), chunks);
  out[0] = USMP_OTA_MESSAGE;
  out[1] = ASK;
  usmp_store32(out + 2, ota->asked_until);
  usmp_store16(out + 6, (uint16_t)count);
  ota->asked_until += usmp_ota_sooner(count * USMP_OTA_CHUNK_MAX, left);
  ota->asked = true;
  ota->gap = false;
  ota->ask_at = now + ota->backoff_ms;
  return ASK_SIZE;
}

/* ---- the proof ---- */

/* The next bytes of the slot into the hash. */
static int hash_part(usmp_ota_t *ota)
{
  uint8_t buffer[USMP_OTA_READ_SIZE];
  const usmp_ota_config_t *config = ota->config;
  uint32_t end = ota->hashed + usmp_ota_sooner(ota->record.size - ota->hashed, USMP_OTA_HASH_STEP);

  while (ota->hashed < end) {
    uint32_t len = usmp_ota_sooner(end - ota->hashed, sizeof buffer);
    int result = config->port->read(config->ctx, ota->hashed, buffer, len);
    if (result == 0) result = config->crypto->hashes->update(&ota->hash, buffer, len);
    if (result != 0) return USMP_OTA_FLASH;
    ota->hashed += len;
  }
  return 0;
}

static void stage(usmp_ota_t *ota)
{
  usmp_ota_record_t next = ota->record;

  next.phase = USMP_OTA_STAGED;
  next.offset = 0;
  if (usmp_ota_store(ota, &next) != 0) {
    fail(ota, USMP_OTA_FLASH, "the record could not be stored");
    return;
  }
  ota->transfer = USMP_OTA_IDLE;
  ota->notices |= USMP_OTA_TELL_STAGED;
}

static void judge_image(usmp_ota_t *ota)
{
  uint8_t digest[USMP_SHA256_SIZE];
  const usmp_ota_config_t *config = ota->config;

  if (config->crypto->hashes->finish(&ota->hash, digest) != 0) {
    fail(ota, USMP_OTA_FLASH, "the crypto library cannot hash the image");
  } else if (!usmp_equal(digest, ota->record.sha256, sizeof digest)) {
    fail_whole(ota, USMP_OTA_WRONG_IMAGE, "what is in flash has another hash than the image of the manifest");
  } else if (config->port->finish(config->ctx) != 0) {
    fail_whole(ota, USMP_OTA_WRONG_IMAGE, "the boot loader does not take the image");
  } else {
    stage(ota);
  }
}

void usmp_ota_poll_transfer(usmp_ota_t *ota)
{
  if (ota->transfer != USMP_OTA_PROVING) return;
  if (hash_part(ota) != 0) {
    (void)ota->config->crypto->hashes->finish(&ota->hash, NULL);
    fail(ota, USMP_OTA_FLASH, "the flash could not be read");
  } else if (ota->hashed == ota->record.size) {
    judge_image(ota);
  }
}
