/* What the two ends of a trial do with a session: one sends messages and compares what comes back, the other sends them
   back. Needs no operating system: tests/rv32/peer.c does the same on a chip. */
#ifndef USMP_EXCHANGE_H
#define USMP_EXCHANGE_H

#include "usmp.h"

typedef struct exchange_plan {
  unsigned long count;   /* messages to send and get back */
  const uint16_t *sizes; /* of the messages, in turn */
  size_t size_count;
  unsigned long rekey_every; /* messages; 0: no rekey */
  bool ping;                 /* behind the first message */
} exchange_plan_t;

/* 0, or why it ended: USMP_ERR_TRUNCATED when another message came back, USMP_ERR_IDLE_TIMEOUT when none did for 10 s. */
int exchange_messages(usmp_t *ctx, const exchange_plan_t *plan);

/* Sends back each message until the session ends; why it did. USMP_ERR_REPLACED: call it again, for the new session. */
int exchange_echo(usmp_t *ctx);

#endif
