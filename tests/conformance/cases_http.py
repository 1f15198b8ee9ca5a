"""app/server.md §2, §3 and protocol/1-transport.md §1.1: the HTTP side of the port."""
import asyncio
import re
import ssl
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlsplit

from harness import Better, Failure, better, case, check, same, short, table
from parsec_client import Connection, open_challenge
from wire import now, open_tcp


class Answer:
    """One HTTP answer: its status line, its headers as they came, its body."""

    def __init__(self, status_line, headers, body):
        self.status_line, self.headers, self.body = status_line, headers, body

    @property
    def code(self):
        return int(self.status_line.split()[1])

    def __getitem__(self, name):
        return next((value for key, value in self.headers if key == name), None)

    def __repr__(self):
        return f"{self.status_line!r} {dict(self.headers)} {short(self.body)}"


def request(target, *headers, method="GET", version="HTTP/1.1", body=b""):
    lines = [f"{method} {target} {version}", "Host: example.com", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Http:
    """A TCP connection that speaks HTTP."""

    @classmethod
    async def open(cls, t, **options):
        self = cls()
        self.reader, self.writer = await open_tcp(options.pop("address", t.address), **options)
        self.socket = self  # so that the context closes it: it has an abort()
        return t.keep(self)

    async def abort(self):
        self.writer.transport.abort()

    async def send(self, octets):
        self.writer.write(octets)
        await self.writer.drain()

    async def answer(self, to="GET"):
        return await asyncio.wait_for(self._answer(to), 10)

    async def _answer(self, to):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head[:-4].split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (l.partition(":") for l in lines)]
        answer = Answer(status_line, headers, b"")
        if to == "HEAD":
            return answer
        if answer["transfer-encoding"] == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                answer.body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        elif answer["content-length"] is not None:
            answer.body = await self.reader.readexactly(int(answer["content-length"]))
        else:
            answer.body = await self.reader.read()
        return answer

    async def rest(self, seconds=5):
        """What still comes until the server ends the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), seconds)
        except asyncio.TimeoutError:
            raise Failure("the server did not end the connection") from None
        except OSError:
            return b""


async def ask(t, octets, to="GET", **options):
    """The answer to one request, on a connection of its own."""
    http = await Http.open(t, **options)
    await http.send(octets)
    try:
        return await http.answer(to)
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as error:
        raise Failure(f"no whole answer: {error!r}") from None


async def get(t, target, *headers, **options):
    return await ask(t, request(target, *headers), **options)


# --- pages ---------------------------------------------------------------------------------------


@table({"/": "/", "with a query": "/?utm=x", "absolute form": "http://example.com/"})
async def front_page(t, target):
    """server 2: / is an HTML page with links to get a client and the documentation."""
    answer = await get(t, target)
    same(answer.status_line, "HTTP/1.1 200 OK", "status line")
    same(answer["content-type"], "text/html;charset=utf-8", "content-type")
    html = answer.body.decode("utf-8")
    check("parsec" in html.lower() and "<html" in html.lower(), f"page {html}")
    check(len(re.findall(r'href="https?://', html)) >= 2, f"no links to the client and the docs: {html}")


@case
async def assets_of_the_front_page(t):
    """server 2: /static/<name>: the page's own assets, with the right content types."""
    html = (await get(t, "/")).body.decode("utf-8")
    assets = re.findall(r'(?:href|src)="(/[^"]*)"', html)
    check(assets, f"the page names no asset: {html}")
    for name in assets:
        check(name.startswith("/static/"), f"asset {name}")
        answer = await get(t, name)
        same(answer.code, 200, f"status of {name}")
        check(answer.body and answer["content-type"], f"{name}: {answer}")


@table({
    "base.css": ("base.css", r"text/css(;.*)?"),
    "favicon.ico": ("favicon.ico", r"image/(vnd\.microsoft\.|x-)icon"),
})
async def static(t, row):
    """server 2: base.css and favicon.ico, with the right content types."""
    name, pattern = row
    answer = await get(t, f"/static/{name}")
    same(answer.status_line, "HTTP/1.1 200 OK", "status line")
    check(re.fullmatch(pattern, answer["content-type"] or ""), f"content-type {answer['content-type']!r}")
    same(int(answer["content-length"]), len(answer.body), "content-length")
    check(len(answer.body) > 100, f"a short body: {answer}")


@table({
    "unknown name": "/static/nope.css",
    "unknown folder": "/static/nope/base.css",
    "no name": Better("drops the connection", "/static/"),
    "folder alone": "/static",
    "parent": "/static/../base.css",
    "far parent": "/static/../../../../../../../../etc/passwd",
    "encoded parent": "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "encoded slashes": "/static/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "absolute": "/static//etc/passwd",
    "backslashes": "/static/..\\..\\..\\etc\\passwd",
    "program": "/static/__init__.py",
    "NUL": "/static/base.css%00.png",
    "trailing slash": "/static/base.css/",
})
async def static_not_found(t, target):
    """server 2: /static: no path tricks; 404 otherwise."""
    answer = await get(t, target)
    same(answer.status_line, "HTTP/1.1 404 Not Found", "status line")
    check(b"root:" not in answer.body, "the file of another folder")


@table({
    "/nope": "/nope", "/index.html": "/index.html", "/favicon.ico": "/favicon.ico",
    "/ws without upgrade": "/ws", "with a query": "/nope?a=1", "deep": "/a/b/c/d",
    "/anonymous": "/anonymous/CoolOrg", "markup": "/%3Cscript%3Ealert(1)%3C/script%3E",
})
async def not_found(t, target):
    """server 2: anything else: an HTML 404."""
    answer = await get(t, target)
    same(answer.status_line, "HTTP/1.1 404 Not Found", "status line")
    same(answer["content-type"], "text/html;charset=utf-8", "content-type")
    check(b"<html" in answer.body.lower() and b"<script>alert" not in answer.body, f"page {answer}")


# --- methods -------------------------------------------------------------------------------------


@table({
    f"{method} {target}": (method, target)
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get")
    for target in ("/", "/redirect/CoolOrg", "/static/base.css")
})
async def method_not_allowed(t, row):
    """server 2: another method on a known path: 405."""
    method, target = row
    answer = await ask(t, request(target, method=method))
    same(answer.status_line, "HTTP/1.1 405 Method Not Allowed", "status line")


@better("answers 405")
@table({
    f"{method} {target}": (method, target)
    for method in ("POST", "PUT", "DELETE") for target in ("/nope", "/anonymous/CoolOrg", "/ws")
})
async def other_method_on_an_unknown_path(t, row):
    """server 2: another method on an unknown path: 404 (later clients look for that)."""
    method, target = row
    answer = await ask(t, request(target, method=method))
    same(answer.status_line, "HTTP/1.1 404 Not Found", "status line")


@better("answers 405, and resets the connection")
@table({"small": 3, "larger than a packet": 5_000, "large": 100_000})
async def post_with_a_body(t, size):
    """server 2: a client that still sends its body can read the 404 all the same."""
    octets = request(
        "/anonymous/CoolOrg", "Content-Type: application/msgpack", method="POST", body=bytes(size)
    )
    answer = await ask(t, octets)
    same(answer.status_line, "HTTP/1.1 404 Not Found", "status line")


@better("answers 405")
@table({
    target: target for target in ("/", "/static/base.css", "/redirect/CoolOrg?a=1", "/nope")
})
async def head(t, target):
    """server 2: HEAD is welcome: the head of the same GET, without the body."""
    wanted = await get(t, target)
    http = await Http.open(t)
    await http.send(request(target, "Connection: close", method="HEAD"))
    answer = await http.answer(to="HEAD")
    same(answer.status_line, wanted.status_line, "status line")
    for name in ("content-type", "location"):
        same(answer[name], wanted[name], name)
    same(await http.rest(), b"", "body")


# --- heads ---------------------------------------------------------------------------------------


@table({
    target: target
    for target in ("/", "/nope", "/redirect/CoolOrg", "/static/base.css", "/static/nope")
})
async def headers(t, target):
    """server 2: header names in lower case; date, server; a body of the length that is told."""
    answer = await get(t, target)
    for name, _ in answer.headers:
        same(name, name.lower(), "header name")
    check(re.fullmatch(r"HTTP/1\.1 \d{3} [A-Z].*", answer.status_line), answer.status_line)
    check(re.fullmatch(r"parsec(/.*)?", answer["server"] or ""), f"server: {answer['server']}")
    date = answer["date"] or ""
    check(re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date), f"date: {date}")
    check(abs(parsedate_to_datetime(date) - now()) < timedelta(minutes=10), f"date: {date}")
    if answer["transfer-encoding"] is None:
        same(int(answer["content-length"]), len(answer.body), "content-length")


@table({
    "header value outside ASCII": "X-Name: é\xff",
    "many headers": "\r\n".join(f"X-{number}: {number}" for number in range(60)),
    "no space after the colon": "X-Name:value",
    "empty value": "X-Name:",
    "other upgrade without Connection": "Upgrade: h2c",
})
async def odd_but_valid_head(t, line):
    """server 2: what HTTP/1.1 allows is served."""
    same((await get(t, "/", line)).code, 200, "status")


@case
async def head_in_small_pieces(t):
    """server 2: a request head may arrive in any number of pieces."""
    http = await Http.open(t)
    octets = request("/nope", "User-Agent: slow")
    for start in range(0, len(octets), 5):
        await http.send(octets[start:start + 5])
        await asyncio.sleep(0.001)
    same((await http.answer()).code, 404, "status")


@case
async def long_target(t):
    """server 2: a head of a few kilobytes is within the size bound."""
    answer = await get(t, "/redirect/CoolOrg?a=" + "x" * 4000)
    same(answer.code, 302, "status")
    check("a=" + "x" * 4000 in answer["location"], "the query was cut")


MALFORMED = {
    "no HTTP at all": b"hello world\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "bad version": b"GET / HTTP/x\r\nHost: x\r\n\r\n",
    "other protocol": b"GET / FTP/1.1\r\nHost: x\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "target outside ASCII": "GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "target of ff": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "method outside ASCII": "GÉT / HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "NUL in the method": b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no method": b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nHost: x\r\nnocolon\r\n\r\n",
    "space in a header name": b"GET / HTTP/1.1\r\nHost: x\r\nna me: x\r\n\r\n",
    "no header name": b"GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
    "NUL in a header value": b"GET / HTTP/1.1\r\nHost: x\r\nname: a\0b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "content-length of letters": b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
    "negative content-length": b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two content-lengths": (
        b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
    ),
}


@table(MALFORMED)
async def malformed_head(t, octets):
    """server 2, 1.1: a head that is not valid HTTP: the connection ends without a byte (or a 400)."""
    http = await Http.open(t)
    await http.send(octets)
    got = await http.rest()
    check(got == b"" or got.startswith(b"HTTP/1.1 400 "), f"got {short(got)}")


@case
async def endless_head(t):
    """server 2: a request head must be complete within a size bound."""
    http = await Http.open(t)
    await http.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
    try:
        for _ in range(64):
            await http.send(b"x" * 16384)
    except OSError:
        pass
    got = await http.rest()
    check(got == b"" or re.match(rb"HTTP/1\.1 4\d\d ", got), f"got {short(got)}")


@better("waits for ever")
@table({"nothing": b"", "a part": b"GET / HTTP/1.1\r\nHost: x\r\n", "a drip": None}, limit_s=30)
async def head_deadline(t, octets):
    """server 2, 1.1: a request head must be complete within a deadline (default 10 s)."""
    http = await Http.open(t)
    if octets is not None:
        await http.send(octets)
        await http.rest(16)
        return
    await http.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    rest = asyncio.create_task(http.rest(16))
    while not rest.done():
        try:
            await http.send(b"x")
        except OSError:
            pass
        await asyncio.wait([rest], timeout=0.5)
    await rest


# --- the life of a connection --------------------------------------------------------------------


@better("ends the connection after every answer")
@table({
    "pages": ["/", "/nope", "/redirect/CoolOrg", "/static/base.css", "/static/nope", "/"],
})
async def keep_alive(t, targets):
    """server 2: keep-alive as HTTP/1.1 says."""
    http = await Http.open(t)
    for target in targets:
        await http.send(request(target))
        answer = await http.answer()
        same(answer["connection"] or "keep-alive", "keep-alive", "connection")


@better("ends the connection after the first answer")
@case
async def pipelined_http_requests(t):
    """server 2: requests sent together are answered in order."""
    http = await Http.open(t)
    await http.send(request("/") + request("/nope") + request("/redirect/a"))
    same([(await http.answer()).code for _ in range(3)], [200, 404, 302], "statuses")


@better("ends the connection after the first answer")
@case
async def websocket_after_keep_alive(t):
    """server 2, 1.1: a kept connection may still become a WebSocket."""
    http = await Http.open(t)
    await http.send(request("/"))
    await http.answer()
    await http.send(
        request(
            "/ws", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
    )
    head = await asyncio.wait_for(http.reader.readuntil(b"\r\n\r\n"), 5)
    check(head.startswith(b"HTTP/1.1 101 "), f"got {head!r}")


@table({
    "Connection: close": request("/", "Connection: close"),
    "Connection: CLOSE": request("/", "Connection: CLOSE"),
    "HTTP/1.0": request("/", version="HTTP/1.0"),
    "HTTP/1.0 without host": b"GET / HTTP/1.0\r\n\r\n",
})
async def connection_that_ends(t, octets):
    """server 2: the client asked for the end of the connection, or speaks HTTP/1.0."""
    http = await Http.open(t)
    await http.send(octets)
    answer = await http.answer()
    same(answer.code, 200, "status")
    same(answer["connection"], "close", "connection")
    same(await http.rest(), b"", "rest")


@case
async def many_http_clients(t):
    """server 2: many at once are all served, while WebSocket clients are."""
    alice = await t.alice()
    answers = await asyncio.gather(*(get(t, "/") for _ in range(25)))
    same([answer.code for answer in answers], [200] * 25, "statuses")
    same((await alice.call("ping", ping="x"))["status"], "ok", "status")


@case
async def client_that_leaves_in_the_middle(t):
    """server 2: a client that goes away in the middle of its head does no harm."""
    for octets in (b"", b"GET", b"GET / HTTP/1.1\r\nHo"):
        http = await Http.open(t)
        await http.send(octets)
        await http.abort()
    same((await get(t, "/")).code, 200, "status")


WEBSOCKET = [
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


@table({
    "no key": ("GET", WEBSOCKET[:3]),
    "no version": ("GET", [WEBSOCKET[0], WEBSOCKET[1], WEBSOCKET[3]]),
    "version 8": ("GET", [WEBSOCKET[0], WEBSOCKET[1], WEBSOCKET[3], "Sec-WebSocket-Version: 8"]),
    "no Connection": ("GET", [WEBSOCKET[0], *WEBSOCKET[2:]]),
    "no Upgrade": ("GET", WEBSOCKET[1:]),
    "other Upgrade": ("GET", ["Upgrade: h2c", *WEBSOCKET[1:]]),
    "POST": ("POST", WEBSOCKET),
})
async def no_websocket(t, row):
    """1.1: what is not a whole upgrade request does not become a WebSocket."""
    method, lines = row
    http = await Http.open(t)
    await http.send(request("/ws", *lines, method=method))
    got = b""
    try:
        got = await asyncio.wait_for(http.reader.read(100), 5)
    except OSError:
        pass
    check(got == b"" or re.match(rb"HTTP/1\.1 4\d\d ", got), f"got {short(got)}")


# --- redirect ------------------------------------------------------------------------------------


def no_ssl(t):
    """no_ssl of the backend address, as it appears at the end of a query."""
    return ["no_ssl=true"] if "no_ssl=true" in urlsplit(t.options.backend_addr).query.lower() else []


def parsec_url(t, path, *query):
    tail = "&".join([*query, *no_ssl(t)])
    return f"parsec://{urlsplit(t.options.backend_addr).netloc}{path}" + (f"?{tail}" if tail else "")


@table({
    "path and query": ("/foo/bar?a=1&b=2", "/foo/bar", ["a=1", "b=2"]),
    "no query": ("/CoolOrg", "/CoolOrg", []),
    "claim_user": (
        "/CoolOrg?action=claim_user&token=0123456789abcdef0123456789abcdef", "/CoolOrg",
        ["action=claim_user", "token=0123456789abcdef0123456789abcdef"],
    ),
    "no_ssl=true": ("/foo?no_ssl=true", "/foo", []),
    "no_ssl=false": ("/foo?no_ssl=false", "/foo", []),
    "no_ssl first": ("/foo?no_ssl=false&a=1", "/foo", ["a=1"]),
    "no_ssl in the middle": ("/foo?a=1&no_ssl=false&b=2", "/foo", ["a=1", "b=2"]),
    "no_ssl several times": ("/foo?no_ssl=true&no_ssl=false&a=1&no_ssl=x", "/foo", ["a=1"]),
    "nearly no_ssl": ("/foo?xno_ssl=1&no_sslx=2&a=no_ssl", "/foo", ["xno_ssl=1", "no_sslx=2", "a=no_ssl"]),
    "repeated parameter": ("/foo?a=1&a=2&a=1", "/foo", ["a=1", "a=2", "a=1"]),
    "percent encoding": (
        "/foo%20bar/%C3%A9?a=%C3%A9&b=%2F%3D%26", "/foo%20bar/%C3%A9", ["a=%C3%A9", "b=%2F%3D%26"]
    ),
    "encoded CR LF": ("/foo%0d%0aX-Evil:1?a=1", "/foo%0d%0aX-Evil:1", ["a=1"]),
    "empty path": ("/?a=1", "/", ["a=1"]),
    "trailing slash": ("/foo/", "/foo/", []),
    "many slashes": ("//foo//bar", "//foo//bar", []),
})
async def redirect(t, row):
    """server 2: /redirect/<path>?<query>: 302 to backend-addr, with its own no_ssl at the end."""
    target, path, query = row
    answer = await get(t, f"/redirect{target}")
    same(answer.status_line, "HTTP/1.1 302 Found", "status line")
    same(answer["location"], parsec_url(t, path, *query), "location")
    same([name for name, _ in answer.headers if "evil" in name], [], "injected headers")


@table({
    "space and plus": "a=x%20y&b=x+y",
    "any octet": "a=%00%ff%0d%0a",
    "no value": Better("drops parameters without value", "a=&b=1"),
    "markup": "a=%3Cb%3E%22%27",
})
async def redirect_keeps_the_query(t, query):
    """server 2: only no_ssl is dropped: the query keeps its meaning."""
    answer = await get(t, f"/redirect/foo?{query}&no_ssl=false")
    same(answer.code, 302, "status")
    wanted = parse_qsl("&".join([query, *no_ssl(t)]), keep_blank_values=True)
    got = parse_qsl(urlsplit(answer["location"]).query, keep_blank_values=True)
    same(got, wanted, "query")


@case
async def redirect_does_not_look_at_the_host(t):
    """server 2: the target is the configured address, not what the client says."""
    http = await Http.open(t)
    await http.send(b"GET /redirect/foo HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil\r\n\r\n")
    same((await http.answer())["location"], parsec_url(t, "/foo"), "location")


# --- TLS -----------------------------------------------------------------------------------------


def any_certificate():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@case(needs=["tls-server"])
async def http_over_tls(t):
    """1.1: the pages are served over TLS too."""
    answer = await get(t, "/", address=t.options.tls_server, tls=any_certificate())
    same(answer.code, 200, "status")


@case(needs=["tls-server"])
async def plain_http_on_the_tls_port(t):
    """1.1: plain bytes on a TLS port: the connection ends, the server lives on."""
    http = await Http.open(t, address=t.options.tls_server)
    await http.send(request("/"))
    got = await http.rest()
    check(b"HTTP/1.1 200" not in got, f"got {short(got)}")
    socket, _ = await open_challenge(t.options.tls_server, tls=any_certificate())
    t.keep(Connection(socket))
