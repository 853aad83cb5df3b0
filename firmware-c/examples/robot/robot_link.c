#include "robot_link.h"

#include <math.h>
#include <string.h>

/* Up to here a double counts without gaps. */
#define LAST_SEQ 9007199254740991.0

/* ---- methods ---- */

static robot_link_t *link_of(const usmp_rpc_call_t *call)
{
  return call->context;
}

static int describe(usmp_rpc_call_t *call)
{
  const robot_link_t *link = link_of(call);

  usmp_json_put_string(&call->result, "name", link->name);
  usmp_json_put_string(&call->result, "kind", link->kind);
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
  if (seq <= link_of(call)->seq) {
    return usmp_rpc_refuse(call, ROBOT_OVERTAKEN, "a newer command was carried out before it");
  }
  link_of(call)->seq = seq;
  robot_drive(&link_of(call)->robot, &v, &w, call->now);
  usmp_json_put_number(&call->result, "v", v);
  usmp_json_put_number(&call->result, "w", w);
  return 0;
}

/* Stops first and asks then: no fault of the message is a reason to drive on. */
static int stop(usmp_rpc_call_t *call)
{
  double seq;

  robot_stop(&link_of(call)->robot, call->now);
  if (!read_seq(call, &seq)) return USMP_RPC_INVALID_PARAMS;
  if (seq > link_of(call)->seq) link_of(call)->seq = seq;
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
  robot_link_t *link = link_of(call);
  char from[ROBOT_NAME_SIZE];
  char text[ROBOT_CHAT_SIZE];

  if (!usmp_rpc_string(call, "from", from, sizeof from)) return USMP_RPC_INVALID_PARAMS;
  if (!usmp_rpc_string(call, "text", text, sizeof text)) return USMP_RPC_INVALID_PARAMS;
  if (link->reply[0]) return usmp_rpc_refuse(call, USMP_RPC_BUSY, "busy: the last line is still being answered");
  append(link->reply, sizeof link->reply, "Hello, ");
  append(link->reply, sizeof link->reply, from);
  append(link->reply, sizeof link->reply, ". I am ");
  append(link->reply, sizeof link->reply, robot_state_name(&link->robot));
  append(link->reply, sizeof link->reply, ". You said: ");
  append(link->reply, sizeof link->reply, text);
  return 0;
}

/* The hub's last word to a session that it ends for good. */
static int goodbye(usmp_rpc_call_t *call)
{
  char *code = link_of(call)->goodbye;
  return usmp_rpc_string(call, "code", code, ROBOT_CODE_SIZE) && code[0] ? 0 : USMP_RPC_INVALID_PARAMS;
}

static const usmp_rpc_method_t methods[] = {
  {"describe", describe}, {"drive", drive}, {"stop", stop}, {"chat", chat}, {"goodbye", goodbye},
};

/* ---- what it tells ---- */

static size_t write_telemetry(robot_link_t *link, uint32_t now, char *message)
{
  const robot_t *robot = &link->robot;
  usmp_json_out_t out;

  usmp_rpc_notification(&out, message, ROBOT_MESSAGE_SIZE, "telemetry");
  usmp_json_put_integer(&out, "n", link->count++);
  usmp_json_put_integer(&out, "t", now - link->started);
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

static size_t write_reply(robot_link_t *link, char *message)
{
  usmp_json_out_t out;

  usmp_rpc_notification(&out, message, ROBOT_MESSAGE_SIZE, "chat");
  usmp_json_put_string(&out, "text", link->reply);
  link->reply[0] = 0;
  return usmp_rpc_notification_end(&out);
}

/* ---- the link ---- */

void robot_link_init(robot_link_t *link, const char *name, const char *kind, uint32_t now)
{
  memset(link, 0, sizeof *link);
  link->name = name;
  link->kind = kind;
  link->started = now;
  robot_init(&link->robot, now);
  usmp_rpc_init(&link->rpc, methods, sizeof methods / sizeof methods[0], link);
}

void robot_link_connected(robot_link_t *link, uint32_t now)
{
  robot_abandon(&link->robot, now); /* nobody of this session has told it to drive */
  usmp_rpc_begin(&link->rpc, now);
  link->connected = true;
  link->seq = 0;
  link->next_telemetry = now;
  link->reply[0] = 0;
}

void robot_link_lost(robot_link_t *link, uint32_t now)
{
  link->connected = false;
  robot_abandon(&link->robot, now);
}

size_t robot_link_receive(robot_link_t *link, const uint8_t *message, size_t len, uint32_t now,
                          char answer[ROBOT_MESSAGE_SIZE])
{
  robot_step(&link->robot, now);
  return usmp_rpc_receive(&link->rpc, message, len, now, answer, ROBOT_MESSAGE_SIZE);
}

static uint32_t until_telemetry(const robot_link_t *link, uint32_t now)
{
  int32_t left = (int32_t)(link->next_telemetry - now);
  return left > 0 ? (uint32_t)left : 0;
}

size_t robot_link_poll(robot_link_t *link, uint32_t now, char message[ROBOT_MESSAGE_SIZE])
{
  robot_step(&link->robot, now);
  if (!link->connected) return 0;
  if (link->reply[0]) return write_reply(link, message);
  if (until_telemetry(link, now) > 0) return 0;
  link->next_telemetry += ROBOT_TELEMETRY_MS;
  /* What was missed is not made up for. */
  if (until_telemetry(link, now) == 0) link->next_telemetry = now + ROBOT_TELEMETRY_MS;
  return write_telemetry(link, now, message);
}

uint32_t robot_link_wait(const robot_link_t *link, uint32_t now)
{
  uint32_t wait = link->connected ? until_telemetry(link, now) : ROBOT_TELEMETRY_MS;

  if (link->connected && link->reply[0]) return 0;
  return link->robot.state == ROBOT_DRIVING && wait > ROBOT_TICK_MS ? ROBOT_TICK_MS : wait;
}
