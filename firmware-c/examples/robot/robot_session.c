#include "robot_session.h"

#include <math.h>
#include <string.h>

/* Up to here a double counts without gaps. */
#define LAST_SEQ 9007199254740991.0

/* ---- methods ---- */

static robot_session_t *session_of(const usmp_rpc_call_t *call)
{
  return call->context;
}

static int describe(usmp_rpc_call_t *call)
{
  const robot_session_t *session = session_of(call);

  usmp_json_put_string(&call->result, "name", session->name);
  usmp_json_put_string(&call->result, "kind", session->kind);
  usmp_json_put_number(&call->result, "maxV", ROBOT_MAX_V);
  usmp_json_put_number(&call->result, "maxW", ROBOT_MAX_W);
  return 0;
}

/* The number of a command: the hub counts them up, so that a late one is known to be late. */
static bool read_seq(usmp_rpc_call_t *call, double *seq)
{
  if (!usmp_rpc_number(call, "seq", seq)) return false;
  if (*seq >= 1 && *seq <= LAST_SEQ && floor(*seq) == *seq) return true;
  usmp_rpc_refuse(call, USMP_RPC_INVALID_PARAMS, "seq must be a whole number over 0");
  return false;
}

static int drive(usmp_rpc_call_t *call)
{
  double v;
  double w;
  double seq;

  if (!usmp_rpc_number(call, "v", &v) || !usmp_rpc_number(call, "w", &w)) return USMP_RPC_INVALID_PARAMS;
  if (!read_seq(call, &seq)) return USMP_RPC_INVALID_PARAMS;
  if (seq <= session_of(call)->seq) {
    return usmp_rpc_refuse(call, ROBOT_OVERTAKEN, "a newer command was carried out before it");
  }
  session_of(call)->seq = seq;
  robot_drive(&session_of(call)->robot, &v, &w, call->now);
  usmp_json_put_number(&call->result, "v", v);
  usmp_json_put_number(&call->result, "w", w);
  return 0;
}

/* Stops first and asks then: no fault of the message is a reason to drive on. */
static int stop(usmp_rpc_call_t *call)
{
  double seq;

  robot_stop(&session_of(call)->robot, call->now);
  if (!read_seq(call, &seq)) return USMP_RPC_INVALID_PARAMS;
  if (seq > session_of(call)->seq) session_of(call)->seq = seq;
  return 0;
}

/* As much of `text` as there is room for in whole characters of UTF-8. */
static void append(char *to, size_t size, const char *text)
{
  size_t used = strlen(to);
  size_t len = strlen(text);

  if (len > size - 1 - used) {
    len = size - 1 - used;
    while (len > 0 && (text[len] & 0xC0) == 0x80) len--;
  }
  memcpy(to + used, text, len);
  to[used + len] = 0;
}

static int chat(usmp_rpc_call_t *call)
{
  robot_session_t *session = session_of(call);
  char from[ROBOT_NAME_SIZE];
  char text[ROBOT_CHAT_SIZE];

  if (!usmp_rpc_string(call, "from", from, sizeof from)) return USMP_RPC_INVALID_PARAMS;
  if (!usmp_rpc_string(call, "text", text, sizeof text)) return USMP_RPC_INVALID_PARAMS;
  if (session->reply[0]) return usmp_rpc_refuse(call, USMP_RPC_BUSY, "busy: the last line is still being answered");
  append(session->reply, sizeof session->reply, "Hello, ");
  append(session->reply, sizeof session->reply, from);
  append(session->reply, sizeof session->reply, ". I am ");
  append(session->reply, sizeof session->reply, robot_state_name(&session->robot));
  append(session->reply, sizeof session->reply, ". You said: ");
  append(session->reply, sizeof session->reply, text);
  return 0;
}

/* The hub's last word to a session that it ends for good. */
static int goodbye(usmp_rpc_call_t *call)
{
  char *code = session_of(call)->goodbye;
  return usmp_rpc_string(call, "code", code, ROBOT_CODE_SIZE) && code[0] ? 0 : USMP_RPC_INVALID_PARAMS;
}

static const usmp_rpc_method_t methods[] = {
  {"describe", describe}, {"drive", drive}, {"stop", stop}, {"chat", chat}, {"goodbye", goodbye},
};

/* ---- what it tells ---- */

static size_t write_telemetry(robot_session_t *session, uint32_t now, char *message)
{
  const robot_t *robot = &session->robot;
  usmp_json_out_t out;

  usmp_rpc_notification(&out, message, ROBOT_MESSAGE_SIZE, "telemetry");
  usmp_json_put_integer(&out, "n", session->count++);
  usmp_json_put_integer(&out, "t", now - session->started);
  usmp_json_put_number(&out, "x", robot->x);
  usmp_json_put_number(&out, "y", robot->y);
  usmp_json_put_number(&out, "theta", robot->theta);
  usmp_json_put_number(&out, "v", robot->v);
  usmp_json_put_number(&out, "w", robot->w);
  usmp_json_put_number(&out, "left", robot_left(robot));
  usmp_json_put_number(&out, "right", robot_right(robot));
  usmp_json_put_number(&out, "battery", robot->battery);
  usmp_json_put_number(&out, "temperature", robot->temperature);
  usmp_json_put_string(&out, "state", robot_state_name(robot));
  return usmp_rpc_notification_end(&out);
}

static size_t write_reply(robot_session_t *session, char *message)
{
  usmp_json_out_t out;

  usmp_rpc_notification(&out, message, ROBOT_MESSAGE_SIZE, "chat");
  usmp_json_put_string(&out, "text", session->reply);
  session->reply[0] = 0;
  return usmp_rpc_notification_end(&out);
}

/* ---- the link ---- */

void robot_session_init(robot_session_t *session, const char *name, const char *kind, uint32_t now)
{
  memset(session, 0, sizeof *session);
  session->name = name;
  session->kind = kind;
  session->started = now;
  robot_init(&session->robot, now);
  usmp_rpc_init(&session->rpc, methods, sizeof methods / sizeof methods[0], session);
}

void robot_session_connected(robot_session_t *session, uint32_t now)
{
  robot_abandon(&session->robot, now); /* nobody of this session has told it to drive */
  usmp_rpc_begin(&session->rpc, now);
  session->connected = true;
  session->seq = 0;
  session->next_telemetry = now;
  session->reply[0] = 0;
}

void robot_session_lost(robot_session_t *session, uint32_t now)
{
  session->connected = false;
  robot_abandon(&session->robot, now);
}

size_t robot_session_receive(robot_session_t *session, const uint8_t *message, size_t len, uint32_t now,
                             char answer[ROBOT_MESSAGE_SIZE])
{
  robot_step(&session->robot, now);
  return usmp_rpc_receive(&session->rpc, message, len, now, answer, ROBOT_MESSAGE_SIZE);
}

static uint32_t until_telemetry(const robot_session_t *session, uint32_t now)
{
  int32_t left = (int32_t)(session->next_telemetry - now);
  return left > 0 ? (uint32_t)left : 0;
}

size_t robot_session_poll(robot_session_t *session, uint32_t now, char message[ROBOT_MESSAGE_SIZE])
{
  robot_step(&session->robot, now);
  if (!session->connected) return 0;
  if (session->reply[0]) return write_reply(session, message);
  if (until_telemetry(session, now) > 0) return 0;
  session->next_telemetry += ROBOT_TELEMETRY_MS;
  /* What was missed is not made up for. */
  if (until_telemetry(session, now) == 0) session->next_telemetry = now + ROBOT_TELEMETRY_MS;
  return write_telemetry(session, now, message);
}

uint32_t robot_session_wait(const robot_session_t *session, uint32_t now)
{
  uint32_t wait = session->connected ? until_telemetry(session, now) : ROBOT_TELEMETRY_MS;

  if (session->connected && session->reply[0]) return 0;
  return session->robot.state == ROBOT_DRIVING && wait > ROBOT_TICK_MS ? ROBOT_TICK_MS : wait;
}
