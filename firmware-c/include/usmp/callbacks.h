/* What the functions that an application or a port supplies may return, and what becomes of anything else. Nothing goes
   on unless the documented success came, whatever type or sign the rest has: an esp_err_t, an errno, a bool.

   function                         success                      everything else
   -------------------------------  ---------------------------  --------------------------------------------------
   usmp_config_t.random             0: all bytes are random      USMP_ERR_RANDOM_FAILED ends the connection
   usmp_config_t.find_psk           0: `found` names a key       the device is refused: usmp_find_psk_result below; it is told
                                                                 when the look-up itself failed
   usmp_crypto_t.hmac_sha256,       0: the output is written     USMP_ERR_CRYPTO_FAILED; no byte of the output is used
     x25519, seal
   usmp_crypto_t.open               0: authentic and decrypted   USMP_ERR_DECRYPT_FAILED: not authentic; all others:
                                                                 USMP_ERR_CRYPTO_FAILED; the output is wiped
   usmp_port_random                 0                            USMP_ERR_RANDOM_FAILED
   usmp_port_get_device_id          0                            USMP_ERR_INVALID_ARGUMENT
   usmp_port_mutex_create, _lock    0                            USMP_ERR_TOO_MANY_CONNECTIONS (published: USMP_ERR_MUTEX_FAILED)
   usmp_transport_t.send            0 or the length: all of it;  USMP_SEND_NO_ROOM: nothing was taken, it is called again;
                                    less: so many bytes          else USMP_ERR_TRANSPORT_FAILED ends the session. A datagram
                                                                 counts as sent whatever comes, and is repeated
   usmp_transport_t.recv            0: nothing yet; at most      less than 0: the transport has ended; more than
                                    max_len: so many bytes       max_len: USMP_ERR_TRANSPORT_FAILED
   usmp_transport_t.reconnect       0                            USMP_ERR_UNREACHABLE
   usmp_transport_t.available       more than 0: recv is called  recv is not called now
   usmp_listener_t.accept           1: a peer; 0: none yet       USMP_ERR_TRANSPORT_FAILED; the peer is closed
   usmp_rpc_method_t.run            0: the result is sent        an error answer with this code
   usmp_ota_port_t.begin, write,    0                            USMP_OTA_FLASH: the update is refused, or has failed
     read, activate, store
   usmp_ota_port_t.finish           0                            USMP_OTA_WRONG_IMAGE: it is never started
   usmp_ota_port_t.load             0; USMP_OTA_NO_RECORD        no update is taken: USMP_OTA_FLASH
   usmp_ota_port_t.state            0                            the same
   usmp_ota_port_t.confirm          0                            it is called again after a second; the image stays on trial
   usmp_ota_port_t.revert           0                            a restart only if the boot loader goes back by itself
   usmp_ota_port_t.may_update       0                            USMP_OTA_NOT_NOW
   usmp_ed25519_t.verify, is_point  0                            the signature, or the key, is not good
   usmp_hashes_t.begin, update,     0                            USMP_OTA_FLASH; no byte of the digest is used
     finish
   usmp_hashes_t.sha512             0                            the signature is not good */
#ifndef USMP_CALLBACKS_H
#define USMP_CALLBACKS_H

#include <stdbool.h>

#include "usmp/errors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The one judgement: exactly 0 is success, all else is `error`. */
static inline int usmp_callback_result(int result, int error)
{
  return result == 0 ? USMP_OK : error;
}

/* `code` when it is an error of usmp/errors.h, else `otherwise`: for numbers that the application names itself. Every such
   code fits a signed byte. */
static inline int usmp_known_error(int code, int otherwise)
{
  return code <= USMP_ERR_INVALID_ARGUMENT && code >= USMP_ERR_UNREACHABLE ? code : otherwise;
}

/* Of a crypto table's `open` that did not return 0. */
static inline int usmp_open_error(int result)
{
  return result == USMP_ERR_DECRYPT_FAILED ? result : USMP_ERR_CRYPTO_FAILED;
}

/* A platform error of find_psk: the look-up itself failed, and nobody knows whether the device is known. */
static inline bool usmp_is_failed_lookup(int result)
{
  return result <= USMP_ERR_RANDOM_FAILED && result >= USMP_ERR_TRANSPORT_FAILED;
}

/* Of find_psk: 0, USMP_ERR_LOCKED_OUT, or a platform error; all else is USMP_ERR_UNKNOWN_DEVICE. */
static inline int usmp_find_psk_result(int result)
{
  return usmp_is_failed_lookup(result) || result == USMP_ERR_LOCKED_OUT ? result
                                                                        : usmp_callback_result(result, USMP_ERR_UNKNOWN_DEVICE);
}

#ifdef __cplusplus
}
#endif
#endif
