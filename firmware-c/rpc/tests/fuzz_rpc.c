/* Whatever comes as a message: an answer that is JSON again, within its room; no parameter that is not finite. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "usmp_rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int echo(usmp_rpc_call_t *call)
{
  double number;
  char text[64];

  if (usmp_rpc_number(call, "v", &number)) {
    assert(isfinite(number));
    usmp_json_put_number(&call->result, "v", number);
  }
  if (usmp_rpc_string(call, "text", text, sizeof text)) {
    assert(strlen(text) < sizeof text);
    usmp_json_put_string(&call->result, "text", text);
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const usmp_rpc_method_t methods[] = {{"echo", echo}};
  static usmp_rpc_t rpc;
  static usmp_json_t json;
  char answer[1024];

  if (size == 0) return 0;
  size_t room = sizeof answer - 4u * data[0];
  usmp_rpc_init(&rpc, methods, 1, NULL);
  usmp_rpc_begin(&rpc, data[0]);
  for (uint32_t time = 0; time < 3; time++) {
    size_t len = usmp_rpc_receive(&rpc, data + 1, size - 1, time * 100, answer, room);
    assert(len <= room);
    if (len == 0) continue;
    assert(usmp_json_read(&json, answer, len) == USMP_JSON_GOOD);
    assert(usmp_json_equals(&json, usmp_json_member(&json, 0, "jsonrpc"), "2.0"));
    int result = usmp_json_member(&json, 0, "result");
    int error = usmp_json_member(&json, 0, "error");
    assert((result < 0) != (error < 0) && usmp_json_member(&json, 0, "id") >= 0);
  }
  return 0;
}
