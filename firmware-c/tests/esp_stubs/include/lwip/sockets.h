/* lwIP's socket calls are those of POSIX. On the host they are the real ones, so that the port can be run. */
#ifndef STUB_LWIP_SOCKETS_H
#define STUB_LWIP_SOCKETS_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __linux__
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
#else
#include <sys/time.h>

#define AF_UNSPEC 0
#define AF_INET 2
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOL_SOCKET 0xfff
#define SO_REUSEADDR 4
#define SO_ERROR 0x1007
#define SO_BROADCAST 0x20
#define IPPROTO_IP 0
#define IPPROTO_TCP 6
#define IP_ADD_MEMBERSHIP 3
#define IP_MULTICAST_TTL 5
#define IP_MULTICAST_IF 6
#define IP_MULTICAST_LOOP 7
#define TCP_NODELAY 1
#define MSG_DONTWAIT 8
#define INADDR_ANY 0u
#ifndef O_NONBLOCK
#define O_NONBLOCK 0x4000
#endif
#ifndef F_GETFL
#define F_GETFL 3
#define F_SETFL 4
#endif

typedef uint32_t socklen_t;
struct in_addr {
  uint32_t s_addr;
};
struct sockaddr {
  uint8_t sa_len;
  uint8_t sa_family;
  char sa_data[14];
};
struct sockaddr_in {
  uint8_t sin_len;
  uint8_t sin_family;
  uint16_t sin_port;
  struct in_addr sin_addr;
  char sin_zero[8];
};

struct ip_mreq {
  struct in_addr imr_multiaddr;
  struct in_addr imr_interface;
};

uint16_t htons(uint16_t n);
uint16_t ntohs(uint16_t n);
uint32_t htonl(uint32_t n);
int socket(int family, int type, int protocol);
int bind(int fd, const struct sockaddr *address, socklen_t len);
int connect(int fd, const struct sockaddr *address, socklen_t len);
int listen(int fd, int backlog);
int accept(int fd, struct sockaddr *address, socklen_t *len);
int setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t send(int fd, const void *data, size_t len, int flags);
ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len);
ssize_t recv(int fd, void *data, size_t len, int flags);
ssize_t recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *from, socklen_t *from_len);
int close(int fd);
int fcntl(int fd, int command, ...);
#endif

#endif
