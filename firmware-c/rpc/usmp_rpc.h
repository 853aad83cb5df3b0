/* JSON-RPC 2.0 for devices: a request in, its answer out, and notifications; one message of a session each, no heap.

     static int set_lamp(usmp_rpc_call_t *call)
     {
       double level;
       if (!usmp_rpc_number(call, "level", &level)) return USMP_RPC_INVALID_PARAMS;
       usmp_json_put_number(&call->result, "level", lamp_set(level));
       return 0;
     }
     static const usmp_rpc_method_t methods[] = {{"lamp", set_lamp}};

     usmp_rpc_init(&rpc, methods, 1, NULL);          once
     usmp_rpc_begin(&rpc, now);                      when a session is established
     size_t n = usmp_rpc_receive(&rpc, message, len, now, answer, sizeof answer);
     if (n > 0) usmp_send(&ctx, (const uint8_t *)answer, (uint16_t)n);

   Methods are carried out at once, one after the other; the device itself asks nothing. Batches and messages in chunks
   are not spoken. */
#ifndef USMP_RPC_H
#define USMP_RPC_H

#include "usmp_json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum usmp_rpc_error {
  USMP_RPC_PARSE_ERROR = -32700,
  USMP_RPC_INVALID_REQUEST = -32600,
  USMP_RPC_METHOD_NOT_FOUND = -32601,
  USMP_RPC_INVALID_PARAMS = -32602,
  USMP_RPC_INTERNAL_ERROR = -32603,
  USMP_RPC_BUSY = -32000,
  USMP_RPC_TOO_OLD = -32001
} usmp_rpc_error_t;

#define USMP_RPC_REASON_SIZE 96
/* Bytes of an id, its quotes included. */
#define USMP_RPC_ID_MAX 66
/* Enough for any error answer. */
#define USMP_RPC_ERROR_SIZE (USMP_RPC_ID_MAX + 6 * USMP_RPC_REASON_SIZE + 64)

typedef struct usmp_rpc_call {
  void *context;          /* as given to usmp_rpc_init, or to usmp_rpc_extend with the table of this method */
  uint32_t now;           /* as given to usmp_rpc_receive */
  usmp_json_out_t result; /* within the result object: put its members here */
  const usmp_json_t *json;
  int params;                        /* the part of `json` with the parameters; -1: there are none */
  char reason[USMP_RPC_REASON_SIZE]; /* what an error answer says */
} usmp_rpc_call_t;

typedef struct usmp_rpc_method {
  const char *name;
  /* 0, or the code of the error answer (usmp_rpc_error_t or one of the application's own, less than zero). */
  int (*run)(usmp_rpc_call_t *call);
} usmp_rpc_method_t;

typedef struct usmp_rpc {
  const usmp_rpc_method_t *methods;
  size_t count;
  void *context;
  const usmp_rpc_method_t *more_methods; /* usmp_rpc_extend */
  size_t more_count;
  void *more_context;
  uint64_t clock;  /* ms since the session was established */
  uint32_t now;    /* as the caller said last */
  bool has_offset; /* a message with an age has come on this session */
  double offset;   /* the smallest (arrival - at), in ms, raised slowly to follow a drifting clock */
  uint64_t offset_at;
  usmp_json_t json;
} usmp_rpc_t;

/* `methods` must stay valid. */
void usmp_rpc_init(usmp_rpc_t *rpc, const usmp_rpc_method_t *methods, size_t count, void *context);

/* A second table with a context of its own, for methods that a library brings (ota/usmp_ota.h). It must stay valid too. The
   first table goes first where both have a name; one table at a time: a later call replaces it. */
void usmp_rpc_extend(usmp_rpc_t *rpc, const usmp_rpc_method_t *methods, size_t count, void *context);

/* A session was established at `now` (milliseconds of any clock that never steps; may wrap). What was learnt of the
   clock of the last session's peer is forgotten. */
void usmp_rpc_begin(usmp_rpc_t *rpc, uint32_t now);

/* Carries out the request in `message` and writes its answer, which may not overlap it. Returns the length of the
   answer; 0 when there is nothing to send: notifications, and answers to requests that this device never made. A
   request that is too old by its `age` is answered with USMP_RPC_TOO_OLD and not carried out. `size` should be at least
   USMP_RPC_ERROR_SIZE: an answer that does not fit becomes an error answer, and one that does not fit either, nothing. */
size_t usmp_rpc_receive(usmp_rpc_t *rpc, const uint8_t *message, size_t len, uint32_t now, char *answer, size_t size);

/* Parameters, for methods. False: the call's reason says what is wrong; return USMP_RPC_INVALID_PARAMS then. */
bool usmp_rpc_number(usmp_rpc_call_t *call, const char *name, double *value); /* always finite */
/* `size` with the zero at the end. */
bool usmp_rpc_string(usmp_rpc_call_t *call, const char *name, char *out, size_t size);

/* For methods: `return usmp_rpc_refuse(call, code, reason)` sets what the error answer says. */
int usmp_rpc_refuse(usmp_rpc_call_t *call, int code, const char *reason);

/* A notification: put the members of its parameters between these two. The second returns the length, 0 when it did
   not fit or a number was not finite. */
void usmp_rpc_notification(usmp_json_out_t *out, char *text, size_t size, const char *method);
size_t usmp_rpc_notification_end(usmp_json_out_t *out);

#ifdef __cplusplus
}
#endif
#endif
