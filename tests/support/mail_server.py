#!/usr/bin/env python3
"""An SMTP server (aiosmtpd) that tells each mail as Python's own parser understands it.

What it does wrong can be chosen: --refuse 451:2 answers the first two RCPT with that code, --break 2
ends the first two connections when a message is complete, without an answer, --silent says nothing
at all. --answer RCPT=450-a%0A450 b (percent-encoded, may be repeated) makes a server by script: it
answers that command always so; GREETING and MESSAGE are those without a verb."""
import argparse
import asyncio
import email
import email.policy
import ssl
import sys
import urllib.parse

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

import peer


class Handler:
    def __init__(self, options):
        code, _, times = options.refuse.partition(":")
        self.code, self.refusals = code, int(times or 0)
        self.breaks = options.break_

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if self.refusals > 0:
            self.refusals -= 1
            peer.tell(event="refused", code=self.code)
            return f"{self.code} not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        raw = envelope.original_content
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        defects = list(mail.defects)
        for value in mail.values():
            defects += value.defects
        bodies = {part.get_content_type(): part for part in mail.iter_parts()}
        for part in bodies.values():
            defects += part.defects
        reply_to = mail["Reply-To"].addresses if mail["Reply-To"] else []
        peer.tell(
            event="mail", sender=envelope.mail_from, recipients=" | ".join(envelope.rcpt_tos),
            headers=",".join(mail.keys()), **{
                "from": mail["From"], "to": mail["To"], "subject": mail["Subject"],
                "to_addresses": " | ".join(a.addr_spec for a in mail["To"].addresses),
                "reply_to_name": " | ".join(a.display_name for a in reply_to),
                "reply_to_address": " | ".join(a.addr_spec for a in reply_to),
            },
            date=mail["Date"].datetime.isoformat(), id=mail["Message-ID"],
            type=mail.get_content_type(), parts=",".join(bodies),
            text=bodies["text/plain"].get_content(), html=bodies["text/html"].get_content(),
            defects=defects, longest_line=max(len(line) for line in raw.split(b"\r\n")),
            bare_line_ends=raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"),
            ascii=raw.isascii(), user=getattr(session.auth_data, "login", b"").decode(),
            tls=session.ssl is not None, connection=session.peer[1],
            utf8=envelope.smtp_utf8, hello=session.host_name,
        )
        if self.breaks > 0:
            self.breaks -= 1
            server.transport.abort()
        return "250 OK"


class Scripted(asyncio.Protocol):
    """Takes lines and says what it was told to, whatever RFC 5321 thinks of that."""

    usual = {
        "GREETING": "220 mail.test", "EHLO": "250-mail.test\n250-STARTTLS\n250 AUTH PLAIN",
        "DATA": "354 go on", "AUTH": "235 welcome", "QUIT": "221 bye",
    }

    def __init__(self, answers):
        self.answers = {**self.usual, **answers}
        self.rest = b""
        self.in_message = False
        self.in_login = False

    def connection_made(self, transport):
        self.transport = transport
        self.answer("GREETING")

    def answer(self, verb):
        said = self.answers.get(verb, "250 OK")
        for line in said.split("\n"):
            self.transport.write(line.encode("latin-1") + b"\r\n")
        return said

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\r\n")
        for line in lines:
            if self.in_message:
                if line == b".":
                    self.in_message = False
                    self.answer("MESSAGE")
                continue
            verb = "AUTH" if self.in_login else line.split(b" ")[0].decode().upper()
            if verb == "AUTH" and not self.in_login:  # the credentials follow (RFC 4954 §4)
                self.in_login = True
                self.transport.write(b"334 \r\n")
                continue
            self.in_login = False
            self.in_message = self.answer(verb).startswith("354")
            if verb == "QUIT":
                self.transport.close()


class Silent(asyncio.Protocol):
    def connection_made(self, transport):
        peer.tell(event="connection")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--security", choices=["plain", "starttls", "tls"], default="plain")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--refuse", default="")
    parser.add_argument("--break", dest="break_", type=int, default=0)
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--answer", action="append", default=[])
    options = parser.parse_args()

    tls = None
    if options.security != "plain":
        path = peer.certificate()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(path)
        print(f"certificate {path}", flush=True)

    def authenticate(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            options.user.encode(), options.password.encode())
        return AuthResult(success=good, handled=False, auth_data=data)

    handler = Handler(options)
    answers = dict(urllib.parse.unquote(text, "latin-1").split("=", 1) for text in options.answer)

    def make():
        if options.silent:
            return Silent()
        if answers:
            return Scripted(answers)
        return SMTP(
            handler, hostname="mail.test", enable_SMTPUTF8=True, timeout=60,
            tls_context=tls if options.security == "starttls" else None,
            require_starttls=options.security == "starttls",
            authenticator=authenticate if options.user else None,
            auth_required=bool(options.user), auth_require_tls=False,
        )

    peer.serve(make, tls if options.security == "tls" else None)


if __name__ == "__main__":
    sys.exit(main())
