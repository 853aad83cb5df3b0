#include <string.h>

#include "usmp_rpc.h"

/* How fast the smallest offset is raised, ms a ms: two crystals differ by less, and a queue that grows by more. */
#define DRIFT 200e-6

void usmp_rpc_init(usmp_rpc_t *rpc, const usmp_rpc_method_t *methods, size_t count, void *context)
{
  *rpc = (usmp_rpc_t){.methods = methods, .count = count, .context = context};
}

void usmp_rpc_extend(usmp_rpc_t *rpc, const usmp_rpc_method_t *methods, size_t count, void *context)
{
  rpc->more_methods = methods;
  rpc->more_count = count;
  rpc->more_context = context;
}

void usmp_rpc_begin(usmp_rpc_t *rpc, uint32_t now)
{
  rpc->clock = 0;
  rpc->offset_at = 0;
  rpc->now = now;
  rpc->has_offset = false;
}

/* ---- the time to live of a request ---- */

/* How late a message that left at `at` (the peer's session clock) has come, compared with the fastest one so far. */
static double lateness(usmp_rpc_t *rpc, double at)
{
  double offset = (double)rpc->clock - at;

  rpc->offset += (double)(rpc->clock - rpc->offset_at) * DRIFT;
  rpc->offset_at = rpc->clock;
  if (!rpc->has_offset || offset < rpc->offset) rpc->offset = offset;
  rpc->has_offset = true;
  return offset - rpc->offset;
}

/* 0, USMP_RPC_INVALID_REQUEST or USMP_RPC_TOO_OLD. */
static int check_age(usmp_rpc_t *rpc, usmp_rpc_call_t *call)
{
  int age = usmp_json_member(&rpc->json, 0, "age");
  double at;
  double ttl;

  if (age < 0) return 0;
  bool good = usmp_json_number(&rpc->json, usmp_json_member(&rpc->json, age, "at"), &at) &&
              usmp_json_number(&rpc->json, usmp_json_member(&rpc->json, age, "ttl"), &ttl) && ttl >= 0;
  if (!good) return usmp_rpc_refuse(call, USMP_RPC_INVALID_REQUEST, "age must have at and ttl, in milliseconds");
  if (lateness(rpc, at) <= ttl) return 0;
  return usmp_rpc_refuse(call, USMP_RPC_TOO_OLD, "too old: it came later than its ttl allows, and was not carried out");
}

/* ---- answers ---- */

/* The id as it stands in the request, null where there is none that could be told. */
typedef struct id {
  const char *text;
  size_t len;
} id_t;

static const id_t no_id = {"null", 4};

static void begin_answer(usmp_json_out_t *out, const id_t *id, char *text, size_t size)
{
  usmp_json_begin(out, text, size);
  usmp_json_open_object(out, NULL);
  usmp_json_put_string(out, "jsonrpc", "2.0");
  usmp_json_put_raw(out, "id", id->text, id->len);
}

static size_t error_answer(const id_t *id, int code, const char *reason, char *text, size_t size)
{
  usmp_json_out_t out;

  begin_answer(&out, id, text, size);
  usmp_json_open_object(&out, "error");
  usmp_json_put_integer(&out, "code", code);
  usmp_json_put_string(&out, "message", reason);
  usmp_json_close_object(&out);
  usmp_json_close_object(&out);
  return usmp_json_end(&out);
}

int usmp_rpc_refuse(usmp_rpc_call_t *call, int code, const char *reason)
{
  size_t len = strlen(reason);

  if (len >= sizeof call->reason) len = sizeof call->reason - 1;
  memcpy(call->reason, reason, len);
  call->reason[len] = 0;
  return code;
}

static const char *usual_reason(int code)
{
  switch (code) {
    case USMP_RPC_METHOD_NOT_FOUND: return "this device has no such method";
    case USMP_RPC_INVALID_PARAMS: return "the parameters are wrong";
    case USMP_RPC_INTERNAL_ERROR: return "the device could not make an answer";
    case USMP_RPC_BUSY: return "busy";
    default: return "failed";
  }
}

/* ---- requests ---- */

static const usmp_rpc_method_t *find_in(const usmp_json_t *json, int name, const usmp_rpc_method_t *methods, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (usmp_json_equals(json, name, methods[i].name)) return &methods[i];
  }
  return NULL;
}

/* Also gives the call the context of its table. */
static const usmp_rpc_method_t *find_method(const usmp_rpc_t *rpc, int name, usmp_rpc_call_t *call)
{
  const usmp_rpc_method_t *method = find_in(&rpc->json, name, rpc->methods, rpc->count);

  if (method) return method;
  call->context = rpc->more_context;
  return find_in(&rpc->json, name, rpc->more_methods, rpc->more_count);
}

/* False when the member is there and cannot be an id. */
static bool read_id(const usmp_json_t *json, int part, id_t *id)
{
  if (part < 0) return true;
  bool quoted = usmp_json_is_kind(json, part, USMP_JSON_STRING);
  bool bare = usmp_json_is_kind(json, part, USMP_JSON_NUMBER) || usmp_json_is_kind(json, part, USMP_JSON_NULL);
  size_t len = (size_t)(json->parts[part].end - json->parts[part].start) + (quoted ? 2 : 0);
  if ((!quoted && !bare) || len > USMP_RPC_ID_MAX) return false;
  *id = (id_t){json->text + json->parts[part].start - quoted, len};
  return true;
}

static bool has_method(const usmp_json_t *json)
{
  return usmp_json_is_kind(json, usmp_json_member(json, 0, "method"), USMP_JSON_STRING);
}

/* 0 or the code of an error. */
static int check_request(usmp_rpc_t *rpc, usmp_rpc_call_t *call)
{
  const usmp_json_t *json = &rpc->json;
  int params = usmp_json_member(json, 0, "params");
  int age = check_age(rpc, call); /* first: it also measures, whatever becomes of the request */

  if (!usmp_json_equals(json, usmp_json_member(json, 0, "jsonrpc"), "2.0")) {
    return usmp_rpc_refuse(call, USMP_RPC_INVALID_REQUEST, "jsonrpc must be \"2.0\"");
  }
  if (!has_method(json)) {
    return usmp_rpc_refuse(call, USMP_RPC_INVALID_REQUEST, "method must be a string");
  }
  if (usmp_json_is_kind(json, params, USMP_JSON_ARRAY)) {
    return usmp_rpc_refuse(call, USMP_RPC_INVALID_PARAMS, "params must be an object: this device takes them by name");
  }
  if (params >= 0 && !usmp_json_is_kind(json, params, USMP_JSON_OBJECT)) {
    return usmp_rpc_refuse(call, USMP_RPC_INVALID_REQUEST, "params must be an object");
  }
  call->params = params;
  return age;
}

static int run_method(usmp_rpc_t *rpc, usmp_rpc_call_t *call)
{
  const usmp_rpc_method_t *method = find_method(rpc, usmp_json_member(&rpc->json, 0, "method"), call);
  return method ? method->run(call) : USMP_RPC_METHOD_NOT_FOUND;
}

static size_t carry_out(usmp_rpc_t *rpc, usmp_rpc_call_t *call, const id_t *id, char *answer, size_t size)
{
  int code = check_request(rpc, call);

  begin_answer(&call->result, id, answer, size);
  usmp_json_open_object(&call->result, "result");
  if (code == 0) code = run_method(rpc, call);
  usmp_json_close_object(&call->result);
  usmp_json_close_object(&call->result);
  if (code == 0 && usmp_json_end(&call->result) == 0) code = USMP_RPC_INTERNAL_ERROR;
  if (code == 0) return usmp_json_end(&call->result);
  return error_answer(id, code, call->reason[0] ? call->reason : usual_reason(code), answer, size);
}

static bool is_answer(const usmp_json_t *json)
{
  if (usmp_json_member(json, 0, "method") >= 0) return false;
  return usmp_json_member(json, 0, "result") >= 0 || usmp_json_member(json, 0, "error") >= 0;
}

size_t usmp_rpc_receive(usmp_rpc_t *rpc, const uint8_t *message, size_t len, uint32_t now, char *answer, size_t size)
{
  usmp_rpc_call_t call = {.context = rpc->context, .now = now, .json = &rpc->json, .params = -1};
  id_t id = no_id;

  rpc->clock += now - rpc->now;
  rpc->now = now;
  usmp_json_verdict_t verdict = usmp_json_read(&rpc->json, (const char *)message, len);
  if (verdict == USMP_JSON_BAD) return error_answer(&id, USMP_RPC_PARSE_ERROR, "this is not JSON", answer, size);
  if (verdict == USMP_JSON_TOO_COMPLEX) {
    return error_answer(&id, USMP_RPC_INVALID_REQUEST, "too many parts or too deep for this device", answer, size);
  }
  if (!usmp_json_is_kind(&rpc->json, 0, USMP_JSON_OBJECT)) {
    return error_answer(&id, USMP_RPC_INVALID_REQUEST, "one request at a time, as an object", answer, size);
  }
  if (is_answer(&rpc->json)) return 0;
  int id_part = usmp_json_member(&rpc->json, 0, "id");
  if (!read_id(&rpc->json, id_part, &id)) {
    return error_answer(&id, USMP_RPC_INVALID_REQUEST, "id must be a short string or a number", answer, size);
  }
  size_t written = carry_out(rpc, &call, &id, answer, size);
  bool notification = id_part < 0 && has_method(&rpc->json);
  return notification ? 0 : written; /* notifications are never answered, however wrong */
}

/* ---- parameters ---- */

/* "NAME must be WHAT", cut to the room there is. */
static bool wrong(usmp_rpc_call_t *call, const char *name, const char *must_be)
{
  size_t room = sizeof call->reason - 1;

  call->reason[0] = 0;
  strncat(call->reason, name, room / 2);
  strncat(call->reason, must_be, room - strlen(call->reason));
  return false;
}

bool usmp_rpc_number(usmp_rpc_call_t *call, const char *name, double *value)
{
  int part = usmp_json_member(call->json, call->params, name);
  return usmp_json_number(call->json, part, value) || wrong(call, name, " must be a finite number");
}

bool usmp_rpc_string(usmp_rpc_call_t *call, const char *name, char *out, size_t size)
{
  int part = usmp_json_member(call->json, call->params, name);
  return usmp_json_string(call->json, part, out, size) >= 0 || wrong(call, name, " must be a string, and not so long");
}

/* ---- notifications ---- */

void usmp_rpc_notification(usmp_json_out_t *out, char *text, size_t size, const char *method)
{
  usmp_json_begin(out, text, size);
  usmp_json_open_object(out, NULL);
  usmp_json_put_string(out, "jsonrpc", "2.0");
  usmp_json_put_string(out, "method", method);
  usmp_json_open_object(out, "params");
}

size_t usmp_rpc_notification_end(usmp_json_out_t *out)
{
  usmp_json_close_object(out);
  usmp_json_close_object(out);
  return usmp_json_end(out);
}
