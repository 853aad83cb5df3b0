#ifndef STUB_LWIP_NETDB_H
#define STUB_LWIP_NETDB_H

#ifdef __linux__
#include <netdb.h>
#else
#include "sockets.h"

struct addrinfo {
  int ai_flags;
  int ai_family;
  int ai_socktype;
  int ai_protocol;
  socklen_t ai_addrlen;
  struct sockaddr *ai_addr;
  char *ai_canonname;
  struct addrinfo *ai_next;
};
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found);
void freeaddrinfo(struct addrinfo *list);
#endif

#endif
