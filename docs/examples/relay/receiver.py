"""Receives the webhooks of a relay: python receiver.py PORT, with the secret in RELAY_SECRET."""

import base64
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["RELAY_SECRET"].removeprefix("whsec_"))
# Of yours: a table with a unique key, written in one transaction with the rest.
seen: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        uid, at = self.headers.get("webhook-id", ""), self.headers.get("webhook-timestamp", "0")
        signed = hmac.digest(KEY, f"{uid}.{at}.".encode() + body, "sha256")
        given = self.headers.get("webhook-signature", "").split(" ")
        right = b"v1," + base64.b64encode(signed)
        good = any(hmac.compare_digest(right, each.encode()) for each in given)
        if good := good and abs(time.time() - int(at)) < 300:
            event = json.loads(body)
            if event["id"] not in seen:  # an event may come more than once
                print(event["subject"], event["type"], flush=True)
                seen.add(event["id"])
        self.send_response(204 if good else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
