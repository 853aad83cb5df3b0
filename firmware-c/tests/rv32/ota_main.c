/* Updates on rv32imc: the vectors of manifests with Monocypher and BearSSL, then instructions and stack of what a device does. The
   manifest that is measured is the first of the vectors that a device takes. */
#include <string.h>

#include "board.h"
#include "ota_vectors.h"
#include "usmp_ota.h"

static const usmp_ota_crypto_t crypto = {&usmp_ota_monocypher, &usmp_ota_bearssl_hashes};

/* ---- printing ---- */

static void print_number(uint64_t number)
{
  char digits[21];
  size_t at = sizeof digits - 1;

  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  board_print(digits + at);
}

static void print_line_of(const char *text)
{
  char line[80];
  size_t len = strcspn(text, "\n");

  if (len >= sizeof line) len = sizeof line - 1;
  memcpy(line, text, len);
  line[len] = 0;
  board_print(line);
}

static void failed(const char *topic, const char *id, const char *comment)
{
  (void)topic;
  board_print("failed: ");
  print_line_of(id);
  board_print(": ");
  print_line_of(comment);
  board_print("\n");
}

static void give_up(const char *why)
{
  board_print(why);
  board_print("\n");
  board_power_off(1);
}

/* ---- measuring, as in measure.c ---- */

extern uint32_t __stack_top[];
static uint64_t started;

#define START() (board_stack_paint(), started = board_instructions())
#define STOP(what) stop(what, (size_t)((uint8_t *)__stack_top - (uint8_t *)__builtin_frame_address(0)))

static void stop(const char *what, size_t outer)
{
  uint64_t instructions = board_instructions() - started;
  size_t used = board_stack_size() - board_stack_free() - outer;

  board_print(what);
  board_print(" ");
  print_number(instructions);
  board_print(" ");
  print_number(used);
  board_print("\n");
}

/* ---- a device whose flash takes everything ---- */

static int take(void *ctx)
{
  (void)ctx;
  return 0;
}

static int begin(void *ctx, uint32_t size, uint32_t from)
{
  (void)ctx, (void)size, (void)from;
  return 0;
}

static int write_flash(void *ctx, uint32_t offset, const uint8_t *data, size_t len)
{
  (void)ctx, (void)offset, (void)data, (void)len;
  return 0;
}

static int read_flash(void *ctx, uint32_t offset, uint8_t *data, size_t len)
{
  (void)ctx, (void)offset;
  memset(data, 0, len);
  return 0;
}

static int state(void *ctx, usmp_ota_slot_t *running, usmp_ota_slot_t *other)
{
  (void)ctx;
  *running = (usmp_ota_slot_t){0, USMP_OTA_SLOT_VALID, UINT32_MAX};
  *other = (usmp_ota_slot_t){1, USMP_OTA_SLOT_UNDEFINED, UINT32_MAX};
  return 0;
}

static int load(void *ctx, uint8_t *record, size_t len)
{
  (void)ctx, (void)record, (void)len;
  return USMP_OTA_NO_RECORD;
}

static int store(void *ctx, const uint8_t *record, size_t len)
{
  (void)ctx, (void)record, (void)len;
  return 0;
}

static const usmp_ota_port_t port = {.begin = begin,
                                     .write = write_flash,
                                     .read = read_flash,
                                     .finish = take,
                                     .activate = take,
                                     .state = state,
                                     .confirm = take,
                                     .revert = take,
                                     .load = load,
                                     .store = store};

/* ---- the case that is measured ---- */

static uint8_t digit(char c)
{
  return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The value behind "\nKEY " in the case that begins at `from`. */
static const char *value_of(const char *from, const char *key)
{
  const char *at = strstr(from, key);
  if (!at) give_up("a key is not in the vectors");
  return at + strlen(key);
}

static size_t read_hex(const char *value, uint8_t *out, size_t size)
{
  size_t len = 0;
  for (; *value != '\n' && len < size; value += 2) out[len++] = (uint8_t)(digit(value[0]) << 4 | digit(value[1]));
  return len;
}

static size_t put_base64url(char *text, const uint8_t *bytes, size_t len)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  char *begin_of = text;
  uint32_t bits = 0;
  unsigned count = 0;

  for (size_t i = 0; i < len; i++) {
    bits = bits << 8 | bytes[i];
    for (count += 8; count >= 6; count -= 6) *text++ = digits[bits >> (count - 6) & 63];
  }
  if (count > 0) *text++ = digits[bits << (6 - count) & 63];
  return (size_t)(text - begin_of);
}

static uint8_t key[1][USMP_ED25519_KEY_SIZE];
static uint8_t manifest[USMP_MANIFEST_MAX];
static size_t manifest_len;
static usmp_ota_t ota;
static usmp_rpc_t rpc;

__attribute__((noinline)) static void measure_judge(void)
{
  usmp_ota_trust_t trust = {.key_count = 1};
  usmp_manifest_t fields;
  uint8_t message[12 + USMP_MANIFEST_SIGNED_MAX] = "usmp-ota-v1";

  memcpy(trust.keys[0], key[0], sizeof key[0]);
  usmp_ota_target_t target = {
    .product = "weather-station", .chip = "esp32c3", .version = UINT32_MAX, .trust = &trust, .slot_size = UINT32_MAX};
  size_t signed_len = manifest_len - USMP_ED25519_SIGNATURE_SIZE;
  memcpy(message + 12, manifest, signed_len);
  START();
  bool good = usmp_ed25519_verify(&crypto, key[0], message, 12 + signed_len, manifest + signed_len);
  STOP("verify");
  START();
  int code = usmp_manifest_judge(&fields, manifest, manifest_len, &crypto, &target);
  STOP("judge");
  if (!good || code != 0) give_up("the manifest was refused");
}

__attribute__((noinline)) static void measure_offer(void)
{
  static char request[USMP_OTA_OFFER_SIZE] =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ota.offer\",\"params\":{\"manifest\":\"";
  static char answer[USMP_OTA_ANSWER_SIZE];
  size_t len = strlen(request);

  len += put_base64url(request + len, manifest, manifest_len);
  memcpy(request + len, "\"}}", 3);
  START();
  size_t written = usmp_rpc_receive(&rpc, (const uint8_t *)request, len + 3, 0, answer, sizeof answer);
  STOP("offer");
  if (written == 0 || !strstr(answer, "\"have\":0")) give_up("the offer was refused");
}

__attribute__((noinline)) static void measure_transfer(void)
{
  static uint8_t out[USMP_OTA_OUT_SIZE];
  static uint8_t chunk[6 + USMP_OTA_CHUNK_MAX] = {USMP_OTA_MESSAGE, 2};

  while (usmp_ota_poll(&ota, 0, out, sizeof out) > 0) continue;
  START();
  (void)usmp_ota_receive(&ota, chunk, sizeof chunk, 0);
  STOP("chunk");
  for (uint32_t offset = USMP_OTA_CHUNK_MAX; offset < ota.record.size; offset += USMP_OTA_CHUNK_MAX) {
    uint32_t left = ota.record.size - offset;
    while (usmp_ota_poll(&ota, 0, out, sizeof out) > 0) continue;
    usmp_store32(chunk + 2, offset);
    (void)usmp_ota_receive(&ota, chunk, 6 + (left < USMP_OTA_CHUNK_MAX ? left : USMP_OTA_CHUNK_MAX), 0);
  }
  START();
  (void)usmp_ota_poll(&ota, 0, out, sizeof out);
  STOP("prove-16k");
  if (usmp_ota_next_deadline(&ota, 0) != 0) give_up("nothing was proven");
}

/* The first case that a device takes. */
static const char *first_taken(void)
{
  const char *line = strstr(usmp_vectors, "op judge\n");

  while (line && strncmp(value_of(line, "\nresult "), "valid", 5) != 0) line = strstr(line + 1, "op judge\n");
  return line;
}

static void measure(void)
{
  const char *found = first_taken();

  if (!found) give_up("no manifest to measure with");
  read_hex(value_of(found, "\ndevice.keys.0 "), key[0], sizeof key[0]);
  manifest_len = read_hex(value_of(found, "\nmanifest "), manifest, sizeof manifest);
  static usmp_ota_config_t config = {.product = "weather-station",
                                     .chip = "esp32c3",
                                     .version = USMP_OTA_VERSION(255, 0, 0),
                                     .keys = (const uint8_t(*)[USMP_ED25519_KEY_SIZE])key,
                                     .key_count = 1,
                                     .crypto = &crypto,
                                     .port = &port};
  if (usmp_ota_init(&ota, &config, 0) != 0) give_up("no device");
  usmp_rpc_init(&rpc, NULL, 0, NULL);
  usmp_rpc_extend(&rpc, usmp_ota_methods, USMP_OTA_METHODS, &ota);
  usmp_rpc_begin(&rpc, 0);
  usmp_ota_begin_session(&ota, 0);
  measure_judge();
  measure_offer();
  measure_transfer();
}

int main(void)
{
  board_init();
  usmp_vector_count_t count = usmp_run_ota_vectors(usmp_vectors, &crypto, failed);
  if (count.failed > 0 || count.passed != OTA_VECTOR_COUNT) give_up("vectors failed");
  measure();
  board_print("vectors of manifests: ");
  print_number(count.passed);
  board_print(" passed\n");
  board_power_off(0);
}
