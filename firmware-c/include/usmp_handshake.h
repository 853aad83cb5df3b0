/* Names of the published component for the handshake as a step of its own. The session must be given the transport
   once only: usmp_handshake is usmp_connect, with the arguments the other way round. */
#ifndef USMP_HANDSHAKE_COMPAT_H
#define USMP_HANDSHAKE_COMPAT_H

#include "usmp.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_NONCE_LEN USMP_CHALLENGE_NONCE_SIZE
#define USMP_HMAC_LEN USMP_MAC_SIZE

static inline usmp_err_t usmp_handshake(usmp_transport_t *transport, usmp_t *session)
{
  return usmp_connect(session, transport);
}

static inline usmp_err_t usmp_handshake_start(usmp_transport_t *transport, usmp_t *session)
{
  return usmp_connect_async(session, transport);
}

static inline usmp_err_t usmp_handshake_step(usmp_transport_t *transport, usmp_t *session)
{
  (void)transport;
  return usmp_step(session);
}

static inline void usmp_handshake_abort(usmp_transport_t *transport, usmp_t *session)
{
  (void)transport;
  usmp_close(session);
}

#ifdef __cplusplus
}
#endif
#endif
