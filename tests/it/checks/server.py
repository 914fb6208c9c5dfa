"""A server whose paths do what their names say."""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open("pids", "a") as pids:
    print(os.getpid(), file=pids)

MODE = os.environ.get("MODE", "")
if MODE == "silent":
    print("waiting for a database", flush=True)
    time.sleep(1000)
if MODE == "broken":
    sys.exit("no database")
if MODE == "away":
    if os.fork():
        sys.exit(0)
    with open("pids", "a") as pids:
        print(os.getpid(), file=pids)
    time.sleep(1000)
if MODE == "children":
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    with open("pids", "a") as pids:
        print(child.pid, file=pids)

NOTES = []


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value, headers=()):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, content in headers:
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/health":
            self.answer(200, "up")
        elif path == "/notes":
            self.answer(200, {"notes": NOTES, "count": len(NOTES)})
        elif path == "/login":
            self.answer(200, "hello", [("Set-Cookie", "who=ann; Path=/")])
        elif path == "/me":
            self.answer(200, self.headers.get("Cookie", "nobody"))
        elif path == "/moved":
            self.answer(302, "", [("Location", "/notes")])
        elif path == "/away":
            self.answer(302, "", [("Location", os.environ["ELSEWHERE"])])
        elif path == "/round":
            self.answer(302, "", [("Location", "/round")])
        elif path == "/text":
            self.answer(200, b"<h1>Notes</h1>")
        elif path == "/error":
            self.answer(500, {"error": "no such table"})
        elif path == "/secret":
            print("key is ghp_" + "a" * 36, file=sys.stderr, flush=True)
            self.answer(200, {"token": "ghp_" + "b" * 36})
        elif path == "/flood":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
        elif path == "/noise":
            for _ in range(40):
                sys.stderr.write("n" * 100_000)
            sys.stderr.flush()
            self.answer(200, "loud")
        elif path == "/slow":
            time.sleep(1000)
        elif path == "/crash":
            sys.stderr.write("out of luck\n")
            sys.stderr.flush()
            os._exit(7)
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers["Content-Type"].startswith("application/json"):
            note = json.loads(body)
            note["id"] = len(NOTES) + 1
            NOTES.append(note)
            self.answer(201, note)
        else:
            self.answer(200, {"text": body.decode(), "mark": self.headers.get("X-Mark")})

    def log_message(self, form, *args):
        print("request", form % args, flush=True)


HOST = os.environ.get("HOST", "127.0.0.1")
if HOST == "::1":
    import socket

    ThreadingHTTPServer.address_family = socket.AF_INET6
server = ThreadingHTTPServer((HOST, int(os.environ["PORT"])), Handler)
server.daemon_threads = True
print("listening", flush=True)
server.serve_forever()
