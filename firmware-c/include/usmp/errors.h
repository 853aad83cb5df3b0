/* Error codes. Zero or more is success, less than zero is one of these. The numbers never change. */
#ifndef USMP_ERRORS_H
#define USMP_ERRORS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum usmp_err {
  USMP_OK = 0,

  /* usage */
  USMP_ERR_INVALID_ARGUMENT = -1,
  USMP_ERR_MESSAGE_TOO_LARGE = -2, /* over 1808 bytes */
  USMP_ERR_QUEUE_FULL = -3,        /* not sent; try again when the transmit queue has drained */
  USMP_ERR_NOT_CONNECTED = -4,
  USMP_ERR_ABORTED = -5,
  USMP_ERR_WEAK_PSK = -6, /* too short, or clearly not random: usmp/psk.h */

  /* platform */
  USMP_ERR_RANDOM_FAILED = -7,
  USMP_ERR_CRYPTO_FAILED = -8,
  USMP_ERR_TRANSPORT_FAILED = -9,

  /* frame */
  USMP_ERR_BAD_MAGIC = -10,
  USMP_ERR_BAD_VERSION = -11,
  USMP_ERR_BAD_TYPE = -12,
  USMP_ERR_BAD_LENGTH = -13,
  USMP_ERR_BAD_CRC = -14,
  USMP_ERR_INCOMPLETE = -15,
  USMP_ERR_TRAILING_BYTES = -16,
  USMP_ERR_BAD_COBS = -17,

  /* handshake */
  USMP_ERR_UNEXPECTED_PACKET = -30,
  USMP_ERR_BAD_PAYLOAD = -31,
  USMP_ERR_LOW_ORDER_POINT = -32,
  USMP_ERR_AUTH_FAILED = -33,
  USMP_ERR_UNKNOWN_DEVICE = -34, /* server's own records only: on the wire the same as AUTH_FAILED */
  USMP_ERR_LOCKED_OUT = -35,     /* server's own records only */
  USMP_ERR_BAD_COOKIE = -36,
  USMP_ERR_HANDSHAKE_TIMEOUT = -37,
  USMP_ERR_HANDSHAKE_REFUSED = -38, /* client: the transport ended during the handshake */

  /* session */
  USMP_ERR_BAD_NONCE = -50,
  USMP_ERR_DECRYPT_FAILED = -51,
  USMP_ERR_SUITE_MISMATCH = -52, /* the very first sealed frame failed: most likely the other suite is configured */
  USMP_ERR_SEQ_MISMATCH = -53,
  USMP_ERR_REPLAYED = -54,
  USMP_ERR_SEQ_EXHAUSTED = -55,
  USMP_ERR_BAD_FRAGMENT = -56,
  USMP_ERR_FLOOD = -57,
  USMP_ERR_IDLE_TIMEOUT = -58,

  /* end */
  USMP_ERR_CLOSED = -70,    /* ended by BYE, of either side */
  USMP_ERR_TRUNCATED = -71, /* the transport ended without BYE */
  USMP_ERR_REPLACED = -72,  /* the same device opened a newer session */
  USMP_ERR_TOO_MANY_CONNECTIONS = -73,
  USMP_ERR_SHUTDOWN = -74,
  USMP_ERR_UNREACHABLE = -75
} usmp_err_t;

/* "BAD_CRC" for -14; "OK" for zero and more; "UNKNOWN" for a number that is not in the list. */
const char *usmp_err_name(int code);

#ifdef __cplusplus
}
#endif
#endif
