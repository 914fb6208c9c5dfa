//! An API with a service, from its intent to the audit.

use crate::support::Sandbox;

const INTENT: &str = r#"# Notes over HTTP

A server that keeps notes while it runs.

Kind: `api`, below `/`.

Endpoint `GET /notes` answers `[Note]`, for `anyone`: lists the notes.
Endpoint `POST /notes` answers `Note`, for `anyone`: adds a note.

Service `web`: `python3` `server.py` is ready when `/health` answers, within 60 s.

## Slice `server`: Notes are kept

**R1** Notes are listed.

Request: `GET /notes` to `web` answers 200 and has `$` as `[]`.

**R2** A note can be added and is listed then.

Request `add`: `POST /notes` to `web` with `{"text": "milk"}` answers 201 and has `$.id` as `1`.
Request `list`: `GET /notes` to `web` answers 200 and has `$[*].text` as `["milk"]`.
Invariant: `http.list.json[0] == http.add.json && !http.list.text.contains('eggs')`: what was added is what is listed.

File `server.py`:

```python
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

notes = []

class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        known = {"/health": "up", "/notes": notes}
        self.answer(200 if self.path in known else 404, known.get(self.path))

    def do_POST(self):
        note = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        notes.append({"id": len(notes) + 1, **note})
        self.answer(201, notes[-1])

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
```
"#;

#[test]
fn a_service_is_built_landed_and_audited() {
    let s = Sandbox::new();
    s.write("intent.md", INTENT);
    s.otto(&["run", "--yes", "../intent.md"]).exits(0);
    let evidence = s.otto(&["evidence", "list"]).exits(0);
    for round in ["base", "candidate", "queue-1", "audit-1"] {
        assert_eq!(evidence.stdout.lines().filter(|line| line.contains(round)).count(), 4, "{}", evidence.stdout);
    }
    assert!(evidence.stdout.contains("found nothing to check"), "red on the base: {}", evidence.stdout);
    // By hand too, on what the run made.
    s.otto(&["check", "--tree", "otto/notes-over-http"]).exits(0);
    s.otto(&["check"]).exits(5);
}

#[test]
fn without_a_network_for_checks_nobody_pretends_to_have_asked() {
    let s = Sandbox::new();
    s.write("intent.md", INTENT);
    s.git(&["config", "otto.sandbox.network", "agents"]);
    s.git(&["config", "otto.sandbox", "require"]);
    let run = s.otto(&["run", "--yes", "../intent.md"]);
    if run.code == 8 && run.stderr.contains("offers no confinement") {
        return;
    }
    run.exits(5);
    let why = s.otto(&["why", "server"]);
    assert!(why.stdout.contains("otto.sandbox.network is agents"), "{}", why.stdout);
}
