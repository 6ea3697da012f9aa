"""The portal's frontend as its pod runs it, before a program that answers whatever the test wants."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from maas_lab import settings, wait
from maas_lab.local import processes
from maas_lab.local.images import Container
from maas_lab.local.network.ports import Ports
from maas_lab.local.programs import catalogue, frontend

ROOT = Path(__file__).parents[1]


class Behind(ThreadingHTTPServer):
    """A backend that says what it was asked, and answers what a test has put there."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.answer, self.pause = [], (200, {}, b"{}"), 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, self.headers, body))
        status, headers, content = self.server.answer
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(content), 65536):
            self.wfile.write(content[start : start + 65536])
            wait_a_little(self.server.pause)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = do_OPTIONS = _answer

    def log_message(self, *told):
        pass


def wait_a_little(seconds):
    if seconds:
        time.sleep(seconds)


@pytest.fixture(scope="module")
def start(runtime, tmp_path_factory):
    """Start a frontend with variables of the test's; return its address and its log."""
    running = []

    def run(**env):
        home = tmp_path_factory.mktemp("frontend")
        image = catalogue(runtime, settings.load()).find(frontend.REFERENCE)
        port = Ports(home / "ports.json").of("pod", "frontend", "8080")
        program = image.program(Container(env, {8080: port}, {}, home))
        running.append(processes.spawn(program.argv, program.env, program.cwd, home / "log"))
        url, process = f"http://127.0.0.1:{port}", running[-1]

        def answers():
            return process.poll() is not None or httpx.get(url, trust_env=False).is_success

        wait.until(answers, what="the frontend", timeout=30, transient=(httpx.HTTPError,))
        return url, home / "log", process

    yield run
    for process in running:
        processes.end(process, grace_s=10)


@pytest.fixture(scope="module")
def both(start):
    server = Behind()
    url, log, _ = start(BACKEND_URL=server.url)
    yield server, url, log
    server.close()
    told = log.read_text()
    faults = told.count("Error handling request"), told.count("Unhandled")
    assert faults == (told.count("BadHttpMessage\n") + told.count("ClientPayloadError\n"), 0)
    for sent in ("smuggled", "abc.d-e_f", "of-a-workbench", "username"):
        assert sent not in told


@pytest.fixture
def behind(both):
    both[0].asked.clear()
    both[0].answer, both[0].pause = (200, {}, b"{}"), 0.0
    return both[0]


@pytest.fixture
def front(both, behind):
    with httpx.Client(base_url=both[1], trust_env=False, timeout=20) as http:
        yield http


def raw(front, path, method="GET", headers=None, body=None):
    """Ask with a path and headers that httpx would mend."""
    connection = http.client.HTTPConnection(front.base_url.host, front.base_url.port, timeout=20)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert (told["error"]["code"], told["error"]["statusCode"]) == (code, status)
    assert told["requestId"] == told["error"]["requestId"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return told["error"]["message"]


# Pages


@pytest.mark.parametrize("path", ["/", "/auth/callback", "/static/callback.js"])
def test_pages_may_load_nothing_from_elsewhere(front, path):
    answer = front.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert (answer.headers["referrer-policy"], answer.headers["x-content-type-options"]) == ("no-referrer", "nosniff")
    assert (answer.headers["cache-control"], "server" in answer.headers) == ("no-cache", False)
    again = front.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_scripts_and_pictures_have_their_types(front):
    assert front.get("/").headers["content-type"].startswith("text/html")
    assert front.get("/static/callback.js").headers["content-type"] in ("text/javascript", "application/javascript")


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/..%5capp.py"),
        *("/static//etc/passwd", "/static/%2fetc/passwd", "/static/", "/static", "/nothing", "/app.py", "/index.html"),
        *("/static/../../__init__.py", "/static/%00", "/static/./%2e%2e/index.html", "/oauth/token"),
    ],
)
def test_nothing_else_is_served(front, behind, path):
    answer, content = raw(front, path)
    assert answer.status in (403, 404), content
    assert content == b"" or json.loads(content)["error"]["statusCode"] == answer.status
    assert behind.asked == []


# What is passed on


def test_requests_go_on_as_they_came(front, behind):
    behind.answer = (201, {"content-type": "application/json", "x-request-id": "abc"}, b'{"a": 1}')
    answer = front.request("PATCH", "/api/v1/x%20y/%C3%A4?q=a%26b&q=2", json={"b": 2})
    assert (answer.status_code, answer.json(), answer.headers["x-request-id"]) == (201, {"a": 1}, "abc")
    ((method, path, headers, body),) = behind.asked
    assert (method, path, json.loads(body)) == ("PATCH", "/api/v1/x%20y/%C3%A4?q=a%26b&q=2", {"b": 2})
    assert headers["host"] == front.base_url.netloc.decode()
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "http")


def test_the_session_becomes_the_authorization(front, behind):
    front.get("/api/v1/a", headers={"x-portal-session": "abc.d-e_f", "authorization": "token of-a-workbench"})
    front.get("/api/v1/b", headers={"authorization": "Bearer xyz"})
    first, second = (headers for _, _, headers, _ in behind.asked)
    assert first.get_all("authorization") == ["Bearer abc.d-e_f"]
    assert "x-portal-session" not in first
    assert second.get_all("authorization") == ["Bearer xyz"]


@pytest.mark.parametrize("session", ["a b", "a,b", "é".encode(), "a\tb", "a=b", ";"])
def test_a_session_that_is_no_token_opens_nothing(front, behind, session):
    message = refused(front.get("/api/v1/a", headers={"x-portal-session": session}), 401, "UNAUTHORIZED")
    assert "log in again" in message
    assert behind.asked == []


def test_only_the_portals_own_cookie_goes_on(front, behind):
    jupyter = "_xsrf=1; username-127-0-0-1-8888=secret; litemaas_login=abc; cluster_login=d; xlitemaas_login=no"
    front.get("/api/auth/callback", headers={"cookie": jupyter})
    front.get("/api/auth/callback", headers={"cookie": "username=secret"})
    first, second = (headers for _, _, headers, _ in behind.asked)
    assert first["cookie"] == "litemaas_login=abc"
    assert "cookie" not in second


def test_what_is_between_neighbours_goes_no_further(front, behind):
    behind.answer = (200, {"connection": "x-secret", "x-secret": "1", "keep-alive": "timeout=9", "x-kept": "2"}, b"{}")
    sent = {"connection": "close, x-hop", "x-hop": "1", "te": "trailers", "proxy-authorization": "Basic eA=="}
    more = {"upgrade": "websocket", "forwarded": "for=9.9.9.9", "x-forwarded-for": "10.0.0.1"}
    answer, _ = raw(front, "/api/v1/a", headers={**sent, **more})
    ((_, _, headers, _),) = behind.asked
    assert not {"x-hop", "te", "proxy-authorization", "upgrade", "forwarded"} & {one.lower() for one in headers}
    assert headers["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    told = {name.lower(): value for name, value in answer.getheaders()}
    assert ("x-secret" in told, "keep-alive" in told, told["x-kept"]) == (False, False, "2")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "3", "transfer-encoding": "chunked"},
        {"transfer-encoding": "chunked, identity"},
        {"content-length": "+3"},
        {"content-length": "3, 4"},
        {"x-a ": "1"},
        {"x-a": "1\x00smuggled"},
    ],
)
def test_a_request_that_can_be_read_two_ways_is_not_passed_on(front, behind, headers):
    answer, _ = raw(front, "/api/v1/a", "POST", headers, b"0\r\n\r\nGET /api/v1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answer.status == 400
    assert behind.asked == []


@pytest.mark.parametrize("path", ["/api/../static/app.js", "/api/%2e%2e/x", "/api/v1/./x", "/api/.%2E/x", "/api/a\\b"])
def test_a_path_that_can_be_read_two_ways_is_not_passed_on(front, behind, path):
    answer, content = raw(front, path)
    assert (answer.status, json.loads(content)["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert behind.asked == []


def test_chunks_are_put_together(front, behind):
    front.post("/api/v1/a", content=iter([b"one ", b"two"]))
    ((_, _, headers, body),) = behind.asked
    assert (body, headers["content-length"], headers["transfer-encoding"]) == (b"one two", "7", None)


def test_a_body_has_an_end(front, behind):
    large = 1024 * 1024 + 1
    refused(front.post("/api/v1/a", content=b"x" * large), 413, "PAYLOAD_TOO_LARGE")
    refused(front.post("/api/v1/a", content=(b"x" * 65536 for _ in range(17))), 413, "PAYLOAD_TOO_LARGE")
    assert behind.asked == []
    assert front.post("/api/v1/a", content=b"x" * (large - 1)).status_code == 200


def test_answers_come_as_they_are_made(front, behind):
    behind.answer, behind.pause = (200, {"content-type": "text/csv"}, b"x" * 65536 * 4), 0.3
    began = time.monotonic()
    with front.stream("GET", "/api/v1/export") as answer:
        parts = answer.iter_raw()
        first = next(parts)
        waited = time.monotonic() - began
        total = len(first) + sum(map(len, parts))
    assert (total, answer.headers["content-length"]) == (65536 * 4, str(65536 * 4))
    assert waited < 0.6 < time.monotonic() - began


def test_an_answer_that_breaks_off_does_not_look_whole(front, behind):
    behind.answer = (200, {"content-length": "9", "connection": "close"}, b"four")
    with pytest.raises(httpx.RemoteProtocolError):
        front.get("/api/v1/a")


def test_packed_answers_stay_packed(front, behind):
    behind.answer = (200, {"content-encoding": "gzip"}, gzip.compress(b"abc" * 1000))
    answer = front.get("/api/v1/a")
    assert (answer.headers["content-encoding"], answer.content) == ("gzip", b"abc" * 1000)


# Where answers lead


@pytest.mark.parametrize(
    ("path", "location", "expected"),
    [
        ("/api/auth/callback?code=1", "/auth/callback#token=a", "../../auth/callback#token=a"),
        ("/api/v1", "/", "../"),
        ("/api/", "/api/v1?a=/../b", "../api/v1?a=/../b"),
        ("/api//x", "/y", "../../y"),
    ],
)
def test_a_location_holds_under_any_path(front, behind, path, location, expected):
    behind.answer = (302, {"location": location}, b"")
    answer = front.get(path)
    assert (answer.status_code, answer.headers["location"]) == (302, expected)
    own = str(front.base_url).rstrip("/")
    for scheme in ("http", "https", "HTTP"):
        behind.answer = (302, {"location": own.replace("http", scheme, 1) + location}, b"")
        assert front.get(path).headers["location"] == expected


@pytest.mark.parametrize(
    "location",
    [
        *("//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)"),
        *("http://127.0.0.1:1/", "evil", "", " //evil.example", "/%0d%0a /x y", "{own}@evil.example/", "{own}"),
        *("{own}//evil.example", "{own}.evil.example/", "data:text/html,x", "/\t/evil.example"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_nobody_is_sent_elsewhere(front, behind, location, accept):
    own = str(front.base_url).rstrip("/")
    behind.answer = (302, {"location": location.format(own=own)}, b"")
    answer = front.get("/api/auth/callback", headers={"accept": accept})
    if location == "":  # an empty one leads nowhere
        assert "evil" not in answer.text
        return
    refused(answer, 502, "BAD_GATEWAY")
    assert "evil" not in answer.text
    assert "location" not in answer.headers


def test_browsers_are_led_on_by_a_page(front, behind):
    behind.answer = (302, {"location": '/auth/callback?a="><script>#token=a&expires_in=1'}, b"")
    answer = front.get("/api/auth/callback", headers={"accept": "text/html,application/xhtml+xml"})
    assert (answer.status_code, "location" in answer.headers) == (200, False)
    assert 'content="0; url=../../auth/callback?a=&quot;&gt;&lt;script&gt;#token=a&amp;expires_in=1"' in answer.text
    assert "<script" not in answer.text
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


# The cluster's login


@pytest.fixture(scope="module")
def login(runtime, start, tmp_path_factory):
    """A frontend that sends people on to a login, which answers as a test wants."""
    folder = tmp_path_factory.mktemp("login")
    make = f"import pathlib\nfrom maas_lab.local.kube.certificates import ensure\nensure(pathlib.Path({str(folder)!r}))"
    env = settings.child_environment() | {"PYTHONPATH": str(ROOT)}
    subprocess.run([runtime.python, "-P", "-c", make], env=env, check=True)
    authority, certificate, key = (folder / name for name in ("ca.crt", "server.crt", "server.key"))
    server = Behind()
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(certificate, key)
    server.socket = trust.wrap_socket(server.socket, server_side=True)
    issuer = server.url.replace("http", "https")
    url, *_ = start(BACKEND_URL="http://127.0.0.1:9", OAUTH_ISSUER=issuer, NODE_EXTRA_CA_CERTS=str(authority))
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
        yield server, http
    server.close()


ASKED = {"redirect_uri": "http://127.0.0.1:8080/api/auth/callback", "state": "s"}


def test_a_login_comes_back_here_whatever_host_the_callback_has(login):
    server, http = login
    for own in ("http://127.0.0.1:8080", str(http.base_url).rstrip("/")):
        server.answer = (302, {"location": f"{own}/api/auth/callback?code=c&state=s"}, b"")
        answer = http.get("/oauth/authorize", params=ASKED)
        assert answer.headers["location"] == "../api/auth/callback?code=c&state=s"


def test_the_login_is_asked_as_by_somebody_unknown(login):
    server, http = login
    server.asked.clear()
    server.answer = (200, {"set-cookie": "cluster_login=x; HttpOnly"}, b"form")
    sent = {"authorization": "Bearer of-a-workbench", "x-csrf-token": "1", "x-portal-session": "abc"}
    more = {"cookie": "litemaas_login=a; cluster_login=b; _xsrf=c", "accept": "text/html"}
    answer = http.post("/oauth/authorize", params=ASKED, headers={**sent, **more}, data={"name": "alice"})
    assert (answer.text, answer.headers["set-cookie"]) == ("form", "cluster_login=x; HttpOnly")
    ((_, path, headers, body),) = server.asked
    assert not {"authorization", "x-csrf-token", "x-portal-session"} & {one.lower() for one in headers}
    assert (headers["cookie"], headers["accept"], body) == ("cluster_login=b", "text/html", b"name=alice")
    assert path.startswith("/oauth/authorize?redirect_uri=http")


@pytest.mark.parametrize(
    "redirect",
    [
        *([], ["http://127.0.0.1:8080/"], ["http://127.0.0.1:8080/other/api/auth/callback"]),
        *(["http://127.0.0.1:8080/api/auth/callback?x=/api/auth/callback"], ["/api/auth/callback/../x"]),
        *([ASKED["redirect_uri"], "http://127.0.0.1:6666/"], ["http://127.0.0.1:6666/", ASKED["redirect_uri"]]),
        ["http://127.0.0.1:8080/#/api/auth/callback"],
    ],
)
def test_a_login_leads_nowhere_but_here(login, redirect):
    server, http = login
    server.asked.clear()
    refused(http.get("/oauth/authorize", params={"redirect_uri": redirect}), 400, "VALIDATION_ERROR")
    assert server.asked == []


def test_a_code_goes_to_nobody_else(login):
    server, http = login
    for other in ("http://127.0.0.1:6666/api/auth/callback", "https://evil.example/api/auth/callback"):
        server.answer = (302, {"location": f"{other}?code=secret"}, b"")
        answer = http.get("/oauth/authorize", params=ASKED)
        refused(answer, 502, "BAD_GATEWAY")
        assert "secret" not in str(answer.headers) + answer.text


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/authorize/", "/apis/user.openshift.io/v1/users/~", "/oauth"])
def test_nothing_else_of_the_cluster_is_reached(login, path):
    server, http = login
    server.asked.clear()
    for method in ("GET", "POST", "PUT"):
        refused(http.request(method, path, params=ASKED), 404, "NOT_FOUND")
    refused(http.put("/oauth/authorize", params=ASKED), 405, "METHOD_NOT_ALLOWED")
    assert server.asked == []


def test_a_login_is_not_asked_at_a_server_that_nobody_vouches_for(start, login):
    issuer = login[0].url.replace("http", "https")
    url, *_ = start(BACKEND_URL="http://127.0.0.1:9", OAUTH_ISSUER=issuer)
    refused(httpx.get(f"{url}/oauth/authorize", params=ASKED, trust_env=False), 502, "BAD_GATEWAY")


# What is wrong


def test_a_backend_that_is_away(start, front):
    url, log, _ = start(BACKEND_URL="http://127.0.0.1:9")
    message = refused(httpx.get(f"{url}/api/v1/models?secret=1", trust_env=False), 502, "BAD_GATEWAY")
    assert "try again" in message
    assert httpx.get(url, trust_env=False).status_code == 200
    refused(httpx.get(f"{url}/oauth/authorize", trust_env=False), 404, "NOT_FOUND")
    assert "secret" not in log.read_text()


def test_what_is_not_meant_is_refused_in_the_same_form(front, behind):
    refused(front.post("/"), 405, "METHOD_NOT_ALLOWED")
    refused(front.get("/nothing"), 404, "NOT_FOUND")
    assert front.head("/").status_code == 200


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "BACKEND_URL is ''"),
        ({"BACKEND_URL": "http://x/path"}, "without a path"),
        ({"BACKEND_URL": "ftp://x"}, "BACKEND_URL"),
        ({"BACKEND_URL": "http://x", "OAUTH_ISSUER": "http://x"}, "OAUTH_ISSUER"),
    ],
)
def test_a_wrong_variable_is_named(start, env, told):
    _, log, process = start(**env)
    assert process.wait() == 2
    assert told in log.read_text()
    assert "set it in the frontend's `env`" in log.read_text()
