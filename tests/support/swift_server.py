#!/usr/bin/python3
"""OpenStack Swift on the loopback interface, for tests: a proxy that speaks Swift (v1 auth) and S3, and
one account, container and object server behind it, all in this process.

    swift_server.py DIRECTORY [PORT]

Needs python3-swift and nothing else: no memcached, no daemons, no root, no extended attributes; objects are
kept in memory, the databases of accounts and containers in DIRECTORY. Prints "ready PORT" and serves until
its standard input ends. Exit code 77: Swift is not installed.

User `tenant:user`, password `password`; key of S3 the same. Containers (buckets) `blocks-0` to `blocks-4`.
A request to `/forget-tokens` makes every token invalid.
"""
import array
import os
import sys
import time

try:
    import eventlet
    from eventlet import wsgi
    from swift.common import utils
except ImportError as error:
    print(f"Swift is not installed: {error}")
    sys.exit(77)

utils.HASH_PATH_PREFIX = b"prefix"
utils.HASH_PATH_SUFFIX = b"suffix"
utils.validate_hash_conf = lambda: None
eventlet.hubs.use_hub(utils.get_hub())
utils.eventlet_monkey_patch()

from swift.account.server import AccountController
from swift.common import storage_policy
from swift.common.middleware import catch_errors, tempauth
from swift.common.middleware.s3api import s3api
from swift.common.ring import RingData
from swift.common.swob import Request
from swift.container.server import ContainerController
from swift.obj.mem_server import ObjectController
from swift.proxy.server import Application

CONTAINERS = 5


class Cache:
    """What memcached would keep."""

    def __init__(self):
        self.values = {}

    def get(self, key, **_):
        value, end = self.values.get(key, (None, 0))
        return value if end == 0 or end > time.time() else None

    def set(self, key, value, time=0, **_):
        self.values[key] = (value, expiry(time))

    def incr(self, key, delta=1, time=0, **_):
        value = max(0, (self.get(key) or 0) + delta)
        self.values[key] = (value, expiry(time))
        return value

    def decr(self, key, delta=1, time=0, **_):
        return self.incr(key, -delta, time)

    def delete(self, key, **_):
        self.values.pop(key, None)


def expiry(seconds):
    return time.time() + seconds if seconds else 0


def front(application, cache):
    def serve(environment, start_response):
        if environment["PATH_INFO"] == "/forget-tokens":
            cache.values = {key: value for key, value in cache.values.items() if "/token/" not in key
                            and "/user/" not in key}
            start_response("204 No Content", [])
            return []
        environment["swift.cache"] = cache
        return application(environment, start_response)

    return serve


def listen(port=0):
    return eventlet.listen(("127.0.0.1", port))


def main():
    directory = sys.argv[1]
    device = os.path.join(directory, "device")
    os.makedirs(os.path.join(device, "tmp"), exist_ok=True)
    common = {"swift_dir": directory, "devices": directory, "mount_check": "false", "log_level": "ERROR",
              "allowed_headers": "content-encoding, x-object-manifest, content-disposition"}
    null_logger = utils.get_logger({"log_level": "CRITICAL"}, "tests")

    def start(socket, application):
        quiet = open(os.devnull, "w")
        # Idle connections stay open, so that tests see whether they are used again.
        eventlet.spawn(wsgi.server, socket, application, quiet, max_size=1000, debug=False)

    for kind, controller in (("account", AccountController), ("container", ContainerController),
                             ("object", ObjectController)):
        socket = listen()
        node = {"id": 0, "zone": 0, "region": 1, "device": "device", "ip": "127.0.0.1",
                "port": socket.getsockname()[1], "replication_ip": "127.0.0.1",
                "replication_port": socket.getsockname()[1], "weight": 1.0, "meta": ""}
        RingData([array.array("H", [0])], [node], 32).save(os.path.join(directory, kind + ".ring.gz"))
        start(socket, controller(common, logger=null_logger) if kind != "object" else controller(common))

    storage_policy.reload_storage_policies()
    cache = Cache()
    proxy = Application({**common, "account_autocreate": "true", "allow_account_management": "true"},
                        logger=null_logger)
    authenticated = tempauth.filter_factory(
        common, user_tenant_user="password .admin", reseller_prefix="AUTH")(proxy)
    s3 = s3api.filter_factory(
        common, location="test-region", s3_acl="false", check_bucket_owner="false", storage_domain="",
        auth_pipeline_check="false", dns_compliant_bucket_names="true", allow_no_owner="true")(authenticated)
    served = front(catch_errors.filter_factory(common)(s3), cache)

    def put(path):
        environment = {"REQUEST_METHOD": "PUT", "swift.cache": cache, "swift.authorize": lambda _: None,
                       "swift.authorize_override": True}
        answer = Request.blank(path, environ=environment).get_response(proxy)
        if answer.status_int // 100 != 2:
            sys.exit(f"PUT {path}: {answer.status} {answer.body!r}")

    put("/v1/AUTH_tenant")
    for number in range(CONTAINERS):
        put(f"/v1/AUTH_tenant/blocks-{number}")
    socket = listen(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    start(socket, served)
    print(f"ready {socket.getsockname()[1]}", flush=True)
    eventlet.hubs.trampoline(sys.stdin, read=True)
    os._exit(0)


main()
