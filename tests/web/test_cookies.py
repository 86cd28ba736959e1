"""A cookies file as a browser, or an editor, left it; it is only read."""

from __future__ import annotations

import pytest

from server import Page, Server
from trailers.errors import ConfigError
from trailers.web.cookies import read_cookies

HEAD = "# Netscape HTTP Cookie File\n"
TABS = "127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tvalue\n"


def test_a_cookie_is_sent_and_its_file_only_read(work, video, tmp_path):
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tvalue\n")
    before = cookies.read_bytes()
    with Server({"/cat.mp4": Page(video, headers={"Set-Cookie": "other=1"})}) as server:
        assert work.one(server.link("/cat.mp4"), cookies=str(cookies)).status == "ok"
        assert "key=value" in server.asked("/cat.mp4")[0].headers["cookie"]
    assert cookies.read_bytes() == before


def test_a_missing_cookies_file_is_named_before_anything_is_asked(work):
    with pytest.raises(ConfigError, match=r"nowhere.txt: cannot be read: .*download.cookies"):
        work.one("http://127.0.0.1:9/cat.mp4", cookies="nowhere.txt")


def test_a_cookies_file_that_is_none_is_named_before_anything_is_asked(work, tmp_path):
    (tmp_path / "cookies.txt").write_text("key=value; other=value\n")
    with pytest.raises(ConfigError, match=r"line 1: has 2 columns, but a cookie has 7\. Export it in Netscape"):
        work.one("http://127.0.0.1:9/cat.mp4", cookies=str(tmp_path / "cookies.txt"))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + TABS,
        TABS,
        "\ufeff" + HEAD + TABS,
        HEAD + TABS.replace("\t", " "),
        HEAD + TABS.replace("\t", "    "),
        HEAD + TABS.replace("\tFALSE\t0", " FALSE 0"),
        (HEAD + "\n" + TABS).replace("\n", "\r\n"),
        HEAD + "#HttpOnly_" + TABS,
        HEAD + "#HttpOnly_" + TABS.replace("\t", " "),
        HEAD + "# a comment of mine\n" + TABS.replace("FALSE", "false"),
        HEAD + TABS.replace("\t0\t", "\t4102444800.5\t"),
    ],
    ids=["as it is", "no head", "BOM", "blanks", "more blanks", "mixed", "CRLF", "http only", "http only, blanks",
         "comment", "expiry with a fraction"],
)  # fmt: skip
def test_a_cookie_is_read_however_an_editor_left_it(work, video, tmp_path, text):
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(text, encoding="utf-8", newline="")
    with Server({"/cat.mp4": Page(video)}) as server:
        assert work.one(server.link("/cat.mp4"), cookies=str(cookies)).status == "ok"
        assert [request.headers.get("cookie") for request in server.requests] == ["key=value", "key=value"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + TABS + "host FALSE /\n", "cookies.txt, line 3: has 3 columns, but a cookie has 7"),
        (HEAD + TABS.replace("FALSE\t/", "maybe\t/"), "cookies.txt, line 2: is not a cookie: its columns are domain"),
        (HEAD + TABS.replace("\t0\t", "\ttomorrow\t"), "cookies.txt, line 2: is not a cookie"),
        ('[{"domain": "host"}]', "cookies.txt, line 1: has 2 columns"),
        (HEAD + TABS.replace("\t0\t", "\t1000\t"), "cookies.txt: all of its cookies have expired"),
        (HEAD, "cookies.txt: is not a cookies.txt: it contains no cookie"),
        ("", "cookies.txt: is not a cookies.txt: it contains no cookie"),
    ],
)
def test_the_line_that_is_no_cookie_is_named(tmp_path, text, expected):
    (tmp_path / "cookies.txt").write_text(text)
    with pytest.raises(ConfigError) as problem:
        read_cookies(tmp_path / "cookies.txt")
    assert str(problem.value).startswith(f"{tmp_path}/{expected}")
    assert problem.value.remedy == "Export it in Netscape format and name it in config.yaml, download.cookies."


def test_a_value_with_blanks_stays_whole(tmp_path):
    (tmp_path / "cookies.txt").write_text(HEAD + TABS.replace("value", "a b  c"))
    assert read_cookies(tmp_path / "cookies.txt").endswith("\tkey\ta b  c\n")


def test_a_cookie_without_a_value_is_one(tmp_path):
    (tmp_path / "cookies.txt").write_text(HEAD + "host FALSE / TRUE 0 key\n")
    assert read_cookies(tmp_path / "cookies.txt").endswith("host\tFALSE\t/\tTRUE\t0\tkey\t\n")
