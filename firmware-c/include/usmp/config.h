/* What does not change while a connection lives. What the functions in it may return: usmp/callbacks.h. */
#ifndef USMP_CONFIG_H
#define USMP_CONFIG_H

#include "usmp/psk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fills `out`. 0 when all bytes are random; anything else ends the connection (usmp/callbacks.h). */
typedef int (*usmp_random_fn)(void *context, uint8_t *out, size_t len);

/* What a server knows about a device. */
typedef struct usmp_credential {
  const uint8_t *psk; /* must stay valid until the handshake function has returned */
  size_t psk_len;
  uint8_t suite;
} usmp_credential_t;

typedef enum usmp_kind {
  USMP_KIND_STREAM,   /* TCP: frames back to back */
  USMP_KIND_DATAGRAM, /* UDP: one frame a datagram, acknowledged */
  USMP_KIND_SERIAL    /* a serial line: 00 || COBS(frame) || 00 */
} usmp_kind_t;

/* Constant while a connection uses it; a server's connections may share one. Zero times mean the defaults. */
typedef struct usmp_config {
  const usmp_crypto_t *crypto;
  const struct usmp_wire_protocol *wire; /* of the connection's role; null: version 2 (usmp/wire.h) */
  usmp_random_fn random;
  /* Server: the PSK of a device. Returns
       0                        `found` names its key, of 16 to 1024 bytes; the suite is preset;
       USMP_ERR_UNKNOWN_DEVICE  which the peer cannot tell from a wrong PSK;
       USMP_ERR_CRYPTO_FAILED, USMP_ERR_RANDOM_FAILED or USMP_ERR_TRANSPORT_FAILED
                                the look-up itself failed, as the store is away: recorded as such, no failure of the device
                                for the lockout, and the peer is told (an ERROR frame, INTERNAL). It asks again with a new
                                connection; on datagrams and serial lines also within the handshake's time, after a second
                                at least. Never return it for a device that the store does not have: the peer could tell
                                that from a wrong PSK;
       USMP_ERR_LOCKED_OUT      the HELLO is not answered.
     Anything else (an esp_err_t, an errno, true) refuses the device like USMP_ERR_UNKNOWN_DEVICE. */
  int (*find_psk)(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found);
  void *context;      /* handed to random and find_psk */
  const uint8_t *psk; /* client */
  size_t psk_len;
  uint32_t handshake_ms;                 /* server: whole handshake, default 10 s */
  uint32_t step_ms;                      /* client: each answer, default 5 s */
  uint32_t keepalive_ms;                 /* client: silence before a PING, default 20 s */
  uint32_t idle_ms;                      /* without an authenticated frame, default 60 s */
  uint8_t device_id[USMP_DEVICE_ID_LEN]; /* client */
  uint8_t suite;                         /* 0: USMP_CIPHER_DEFAULT */
  uint8_t kind;                          /* usmp_kind_t */
  bool allow_weak_psk;                   /* also a PSK that usmp_psk_check refuses; not one under 16 bytes */
  /* Datagrams: a message that is older than the newest one handed over is dropped, acknowledged and counted with
     USMP_ERR_SEQ_MISMATCH, instead of handed over late. For commands: one that was overtaken must not undo a newer one.
     Without it messages come as they arrive (specification 7.7). */
  bool drop_late;
  bool stream_fragments; /* hand each fragment over by itself: `message` need hold 452 bytes only */
} usmp_config_t;

#ifdef __cplusplus
}
#endif
#endif
