"""A review service to try the example with: `python review_service.py [PORT]`. It allows what does not say "secret"."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Review(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["question"]
        is_allowed = "secret" not in question.lower()
        said = {"allowed": is_allowed, "reason": "" if is_allowed else "We do not talk about secrets."}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Review).serve_forever()
