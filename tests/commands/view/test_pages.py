import base64
import hashlib
import json
import re

from gptcli.commands.view import pages


def _rendered(monkeypatch, tmp_path, template: str, **values: object) -> str:
    (tmp_path / "one.html").write_text('{% extends "page.html" %}' + template, encoding="utf-8")
    frame = pages.files("gptcli.commands.view")
    places = {"gptcli.commands.view": frame, "here": tmp_path}
    monkeypatch.setattr(pages, "files", places.__getitem__)
    pages._environment.cache_clear()
    try:
        return pages.render_page("here", "one.html", title="T", about=[], cut="", **values)
    finally:
        pages._environment.cache_clear()


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


def test_a_page_allows_its_own_style_and_script_alone(monkeypatch, tmp_path):
    page = _rendered(
        monkeypatch,
        tmp_path,
        "{% block style %}p > b { color: red }{% endblock %}"
        "{% block script %}'use strict'; 1 && 2;{% endblock %}",
    )
    style, script = (re.findall(rf"(?s)<{tag}>(.*?)</{tag}>", page) for tag in ("style", "script"))
    assert "p > b { color: red }" in style[0] and script == ["'use strict'; 1 && 2;"]
    policy = f"default-src 'none'; style-src {_hash(style[0])}; script-src {_hash(script[0])}"
    assert re.findall('Security-Policy" content="(.*?)"', page) == [policy]


def test_data_in_a_page_cannot_end_its_script(monkeypatch, tmp_path):
    hostile = "</script><img src=x onerror=alert(1)> & <!-- \u2028\u2029\ud800 é"
    block = '{% block body %}<script type="application/json">{{ it|json|safe }}</script>'
    page = _rendered(monkeypatch, tmp_path, block + "{% endblock %}", it=[hostile])
    (data,) = re.findall(r"(?s)<script type=\"application/json\">(.*?)</script>", page)
    assert json.loads(data) == [hostile]
    assert data.isascii() and not set(data) & set("<>&")
    assert "script-src" not in page
