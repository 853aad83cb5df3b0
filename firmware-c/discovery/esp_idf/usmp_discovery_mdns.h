/* Discovery by mDNS on ESP-IDF, with Espressif's component `espressif/mdns` 1.2 or later (CONFIG_USMP_DISCOVERY_MDNS). That component has
   its own task and heap. Both functions are for one thread, and work besides the UDP query, which needs neither. */
#ifndef USMP_DISCOVERY_MDNS_H
#define USMP_DISCOVERY_MDNS_H

#include "usmp_discovery.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Announces the offer in all networks, until usmp_discovery_mdns_withdraw; called again it tells what has changed. Starts mDNS if the
   application has not, and gives the chip the name usmp-XXXX.local if it has none. Returns 0; USMP_ERR_INVALID_ARGUMENT for an offer that
   14.1 does not allow; USMP_ERR_UNREACHABLE when mDNS does not start or has no place for the service. */
int usmp_discovery_mdns_announce(const usmp_discovery_offer_t *offer);
/* Says goodbye. mDNS itself goes on: the application may use it too. */
void usmp_discovery_mdns_withdraw(void);

/* Asks for what the searcher wants, and notes what comes within wait_ms for each of up to three services. Blocks for so long. Returns how many
   it noted, or USMP_ERR_UNREACHABLE: mDNS does not start. */
int usmp_discovery_mdns_search(usmp_discovery_searcher_t *searcher, uint32_t wait_ms);

#ifdef __cplusplus
}
#endif
#endif
