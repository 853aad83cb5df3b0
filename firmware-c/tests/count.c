/* One operation, alone in measured(), for tools/instructions.sh to count. usage: count OPERATION */
#include <string.h>

#include "backend.h"
#include "measured.h"
#include "usmp/connection.h"

typedef struct side {
  usmp_conn_t conn;
  usmp_config_t config;
  uint8_t frame[USMP_FRAME_BUFFER_SIZE];
  uint8_t message[USMP_MESSAGE_BUFFER_SIZE];
  uint8_t tx[USMP_TX_BUFFER_SIZE(4)];
  uint8_t inbox[USMP_TX_BUFFER_SIZE(4)];
  size_t inbox_len;
} side_t;

static side_t client;
static side_t server;
static uint8_t text[USMP_MAX_DATA_LEN];

static int open_side(side_t *side, uint8_t suite)
{
  usmp_buffers_t buffers = {side->frame, side->message, side->tx, sizeof side->frame, sizeof side->message, sizeof side->tx};
  side->config = measured_config(TEST_CRYPTO, suite);
  return side == &client ? usmp_conn_init_client(&side->conn, &side->config, &buffers, 0)
                         : usmp_conn_init_server(&side->conn, &side->config, &buffers, 0);
}

static void carry(side_t *from, side_t *to)
{
  const uint8_t *bytes;
  to->inbox_len = usmp_conn_poll_transmit(&from->conn, &bytes);
  if (to->inbox_len == 0) return;
  memcpy(to->inbox, bytes, to->inbox_len);
  usmp_conn_transmitted(&from->conn, to->inbox_len, 0);
}

static int take(side_t *side)
{
  usmp_event_t event;
  int used = usmp_conn_receive(&side->conn, side->inbox, side->inbox_len, 0);
  while (usmp_conn_poll_event(&side->conn, &event)) continue;
  return used;
}

enum { NOTHING, CLIENT, SERVER, SEAL, OPEN };
static int operation;
static size_t len;
static uint8_t suite = USMP_CIPHER_DEFAULT;

/* What is counted. */
__attribute__((noinline)) static int measured(int which)
{
  switch (which) {
    case CLIENT: return client.inbox_len ? take(&client) : open_side(&client, suite);
    case SERVER: return take(&server);
    case SEAL: return usmp_conn_send(&client.conn, text, len, 0);
    case OPEN: return take(&server);
    default: return 0;
  }
}

static int step(int which, side_t *side)
{
  if (operation == which) return measured(which);
  return side->inbox_len ? take(side) : open_side(side, suite);
}

int main(int argc, char **argv)
{
  if (argc < 2 || !TEST_CRYPTO_INIT()) return 2;
  const char *name = argv[1];
  if (strcmp(name, "client") == 0) operation = CLIENT;
  if (strcmp(name, "server") == 0) operation = SERVER;
  if (strncmp(name, "seal", 4) == 0) operation = SEAL;
  if (strncmp(name, "open", 4) == 0) operation = OPEN;
  if (operation == NOTHING) return 2;
  len = strstr(name, "452") ? 452 : 64;
  if (strstr(name, "chacha")) suite = USMP_CIPHER_CHACHA20_POLY1305;

  if (open_side(&server, suite) < 0 || step(CLIENT, &client) < 0) return 1;
  for (int i = 0; i < 2; i++) { /* HELLO and CHALLENGE, HELLO_ACK and SESSION_OK */
    carry(&client, &server);
    if (step(SERVER, &server) < 0) return 1;
    carry(&server, &client);
    if (step(CLIENT, &client) < 0) return 1;
  }
  int err = operation == SEAL ? measured(SEAL) : usmp_conn_send(&client.conn, text, len, 0);
  if (err < 0) return 1;
  carry(&client, &server);
  return (operation == OPEN ? measured(OPEN) : take(&server)) < 0;
}
