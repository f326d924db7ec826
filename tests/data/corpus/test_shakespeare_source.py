import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gptcli.data.corpus import shakespeare_source
from gptcli.data.corpus.shakespeare_source import URL_VARIABLE, read_shakespeare
from gptcli.errors import ResourceError
from gptcli.runtime.cache_folder import cache_folder

PLAY = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"


class Mirror:
    """A loopback server whose answer a test can change."""

    def __init__(self) -> None:
        self.status, self.body, self.requests = 200, PLAY, 0
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.requests += 1
                self.send_response(mirror.status)
                self.end_headers()
                self.wfile.write(mirror.body)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/input.txt"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv(URL_VARIABLE, mirror.url)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shakespeare_source, "N_BYTES", len(PLAY))
    monkeypatch.setattr(shakespeare_source, "SHA256", hashlib.sha256(PLAY).hexdigest())
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()
    thread.join()


def test_text_is_downloaded_once(mirror):
    assert read_shakespeare() == read_shakespeare() == PLAY
    assert mirror.requests == 1


def test_damaged_cache_is_downloaded_again(mirror):
    read_shakespeare()
    (cache_folder() / "tinyshakespeare.txt").write_bytes(b"damaged")
    assert read_shakespeare() == PLAY
    assert mirror.requests == 2


def test_wrong_content_is_refused_and_not_cached(mirror):
    mirror.body = PLAY.upper()
    with pytest.raises(ResourceError, match=r"is not Tiny Shakespeare .*gptcli prepare FILE"):
        read_shakespeare()
    assert not list(cache_folder().glob("*"))


def test_endless_answer_is_cut_off(mirror):
    mirror.body = PLAY * 1000
    with pytest.raises(ResourceError, match="is not Tiny Shakespeare"):
        read_shakespeare()


def test_missing_page_names_the_way_out(mirror):
    mirror.status = 404
    with pytest.raises(ResourceError, match=r"cannot download http.*gptcli prepare FILE"):
        read_shakespeare()


def test_offline_names_the_way_out(mirror, monkeypatch):
    mirror.server.server_close()
    with pytest.raises(ResourceError, match=r"cannot download http.*gptcli prepare FILE"):
        read_shakespeare()


def test_slow_server_ends_in_a_timeout(mirror, monkeypatch):
    monkeypatch.setattr(shakespeare_source, "_TOTAL_SECONDS", -1.0)
    with pytest.raises(ResourceError, match="slower than"):
        read_shakespeare()


def test_only_web_addresses_are_opened(mirror, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, "file:///etc/passwd")
    with pytest.raises(ResourceError, match="http or https"):
        read_shakespeare()


def test_unwritable_cache_only_costs_the_download(mirror, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read_shakespeare() == PLAY


def test_pinned_checksum_is_that_of_the_lectures_text(shared):
    content = (shared / "data" / "tinyshakespeare.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == shakespeare_source.SHA256
    assert len(content) == shakespeare_source.N_BYTES
