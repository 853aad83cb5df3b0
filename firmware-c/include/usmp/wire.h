/* A version of the wire protocol, as a table of functions: what a connection does not decide itself. Version 2 is the one that
   this core speaks; its two tables are in src/wire_v2_client.c and src/wire_v2_server.c. There is one for each role, so that a
   device links the code of its own role only.

   A connection calls start once, then on_frame with each frame until one establishes the session (usmp_conn_establish), then
   the four functions of the record layer. The table never changes while a connection lives. */
#ifndef USMP_WIRE_H
#define USMP_WIRE_H

#include "usmp/frame.h"
#include "usmp/record_layer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct usmp_conn;

typedef struct usmp_wire_protocol {
  uint8_t version; /* of every frame, both ways */
  /* Sealed frames. How many bytes the payload is longer than the plaintext, where that begins in the frame, and its longest. */
  uint8_t overhead;
  uint8_t plaintext_offset;
  uint16_t max_plaintext;

  /* The handshake; its state is in conn->u. Each returns 0 or an error, which the connection judges.
     start     begins: a client queues its HELLO
     on_frame  takes a frame while the handshake lasts; in the end it calls usmp_conn_establish
     on_lost   datagrams: what this end sent was not acknowledged in time; null: it is repeated, and that is all */
  int (*start)(struct usmp_conn *conn);
  int (*on_frame)(struct usmp_conn *conn, const usmp_frame_t *frame);
  int (*on_lost)(struct usmp_conn *conn);

  /* As the functions of version 2 in usmp/record_layer.h. */
  int (*seal)(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, uint32_t type, uint8_t *frame, size_t len);
  int (*open)(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, const usmp_frame_t *frame, uint8_t *out, int *epoch);
  int (*start_rekey)(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, const uint8_t *salt, uint8_t *frame);
  int (*accept_rekey)(usmp_record_layer_t *layer, const usmp_crypto_t *crypto, const uint8_t *salt);
} usmp_wire_protocol_t;

extern const usmp_wire_protocol_t usmp_wire_v2_client;
extern const usmp_wire_protocol_t usmp_wire_v2_server;

#ifdef __cplusplus
}
#endif
#endif
