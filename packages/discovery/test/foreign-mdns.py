"""The other end of mDNS: python-zeroconf, which shares no code with this project.

browse SECONDS               prints every service of ours, one JSON object a line
announce TYPE NAME ADDRESS PORT key=value...   announces one until stdin ends
"""

import json
import socket
import sys
import time

from zeroconf import IPVersion, ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

TYPES = ["_usmp._tcp.local.", "_usmp._udp.local.", "_usmp-device._udp.local."]


def say(**what):
    print(json.dumps(what), flush=True)


def on_change(zeroconf, service_type, name, state_change):
    info = zeroconf.get_service_info(service_type, name) if state_change is ServiceStateChange.Added else None
    say(
        state=state_change.name,
        type=service_type,
        name=name,
        addresses=info.parsed_addresses(IPVersion.V4Only) if info else [],
        port=info.port if info else 0,
        server=info.server if info else "",
        txt={key.decode(): (value or b"").decode() for key, value in info.properties.items()} if info else {},
    )


def browse(seconds):
    zeroconf = Zeroconf(interfaces=["10.77.0.2"])
    ServiceBrowser(zeroconf, TYPES, handlers=[on_change])
    time.sleep(float(seconds))
    zeroconf.close()


def announce(service_type, name, address, port, *entries):
    zeroconf = Zeroconf(interfaces=[address])
    properties = dict(entry.split("=", 1) for entry in entries)
    info = ServiceInfo(
        service_type,
        f"{name}.{service_type}",
        addresses=[socket.inet_aton(address)],
        port=int(port),
        properties=properties,
        server=f"{name}.local.",
    )
    zeroconf.register_service(info)
    say(registered=name)
    sys.stdin.read()
    zeroconf.unregister_service(info)
    zeroconf.close()


{"browse": browse, "announce": announce}[sys.argv[1]](*sys.argv[2:])
