#include <string.h>

#include "internal.h"
#include "usmp/callbacks.h"

usmp_err_t usmp_listen(usmp_listener_t *listener, usmp_find_psk_fn find_psk, void *context)
{
  if (!listener || !listener->accept || !find_psk) return USMP_ERR_INVALID_ARGUMENT;
  listener->find_psk = find_psk;
  listener->context = context;
  memset(listener->failures, 0, sizeof listener->failures);
  listener->first_len = 0;
  listener->issuer.crypto = usmp_port_crypto();
  if (!listener->issuer.crypto) return USMP_ERR_CRYPTO_FAILED;
  int drawn = usmp_port_random(listener->issuer.secret, sizeof listener->issuer.secret);
  return (usmp_err_t)usmp_callback_result(drawn, USMP_ERR_RANDOM_FAILED);
}

usmp_lockout_t usmp_listener_lockout(usmp_listener_t *listener)
{
  return (usmp_lockout_t){listener->failures, USMP_LOCKOUT_ENTRIES};
}

usmp_peer_id_t usmp_listener_peer(const usmp_listener_t *listener, const uint8_t device_id[USMP_DEVICE_ID_LEN])
{
  usmp_peer_id_t peer;
  memcpy(peer.address, listener->peer_address, sizeof peer.address);
  memcpy(peer.device_id, device_id, sizeof peer.device_id);
  return peer;
}

int usmp_listener_find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_listener_t *listener = context;
  usmp_lockout_t lockout = usmp_listener_lockout(listener);
  usmp_peer_id_t peer = usmp_listener_peer(listener, device_id);

  if (usmp_lockout_holds(&lockout, &peer, usmp_port_millis())) return USMP_ERR_LOCKED_OUT;
  return listener->find_psk(listener->context, device_id, found);
}

void usmp_listener_count(usmp_lockout_t lockout, const usmp_peer_id_t *peer, int err)
{
  if (err == USMP_OK) usmp_lockout_succeeded(&lockout, peer);
  if (err == USMP_ERR_AUTH_FAILED || err == USMP_ERR_UNKNOWN_DEVICE || err == USMP_ERR_LOW_ORDER_POINT) {
    usmp_lockout_failed(&lockout, peer, usmp_port_millis());
  }
}
