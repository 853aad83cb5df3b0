/* What a robot says and obeys in a session: JSON-RPC, one message each, as the contract of RoboLink has it
   (packages/demos/src/robolink/contract.ts). It knows nothing of sockets and lines: messages in, messages out. */
#ifndef ROBOT_SESSION_H
#define ROBOT_SESSION_H

#include "robot.h"
#include "usmp_rpc.h"

/* Bytes, the zero at the end included: a name of 64 characters, a chat line of 300. */
#define ROBOT_NAME_SIZE 193
#define ROBOT_CHAT_SIZE 901
#define ROBOT_REPLY_SIZE 301
#define ROBOT_CODE_SIZE 33
#define ROBOT_TELEMETRY_MS 100u
/* The error of a `drive` that comes behind a newer command: it was not carried out. */
#define ROBOT_OVERTAKEN (-32002)
/* Enough for each message of a robot. */
#define ROBOT_MESSAGE_SIZE 1808

typedef struct robot_session {
  robot_t robot;
  usmp_rpc_t rpc;
  const char *name;
  const char *kind; /* "c", "rv32" */
  bool connected;
  uint32_t started;              /* when the robot was switched on */
  uint32_t next_telemetry;       /* when */
  int64_t count;                 /* telemetry messages so far */
  double seq;                    /* the highest number of a command that was carried out in this session; 0: of none */
  char reply[ROBOT_REPLY_SIZE];  /* a chat line that waits to be sent; empty: none */
  char goodbye[ROBOT_CODE_SIZE]; /* why the hub said that coming back would not help ("REPLACED"); empty: it did not */
} robot_session_t;

/* `name` and `kind` must stay valid. */
void robot_session_init(robot_session_t *session, const char *name, const char *kind, uint32_t now);
void robot_session_connected(robot_session_t *session, uint32_t now);
/* The robot stops. */
void robot_session_lost(robot_session_t *session, uint32_t now);
/* Takes a message of the session. The length of the answer to send, or 0. */
size_t robot_session_receive(robot_session_t *session, const uint8_t *message, size_t len, uint32_t now,
                             char answer[ROBOT_MESSAGE_SIZE]);
/* The next message that the robot sends by itself (a chat line, telemetry), or 0 when none is due. */
size_t robot_session_poll(robot_session_t *session, uint32_t now, char message[ROBOT_MESSAGE_SIZE]);
/* Milliseconds until robot_session_poll has something to do; at most a tick while the robot moves. */
uint32_t robot_session_wait(const robot_session_t *session, uint32_t now);

#endif
