"""Cookies files as browsers and editors write them; they are only read."""

from __future__ import annotations

import io

import pytest

from server import Page, Server
from trailers.errors import ConfigError
from trailers.web.cookies import read_cookies

HEAD = "# Netscape HTTP Cookie File\n"
TABS = "127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tvalue\n"


def test_a_cookie_is_sent_and_its_file_is_not_changed(work, video, tmp_path):
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tvalue\n")
    before = cookies.read_bytes()
    with Server({"/cat.mp4": Page(video, headers={"Set-Cookie": "other=1"})}) as server:
        assert work.one(server.link("/cat.mp4"), cookies=str(cookies)).status == "ok"
        assert "key=value" in server.requests_for("/cat.mp4")[0].headers["cookie"]
    assert cookies.read_bytes() == before


def test_a_missing_cookies_file_is_named_before_the_first_request(work):
    with pytest.raises(ConfigError, match=r"nowhere.txt: cannot be read: .*download.cookies"):
        work.one("http://127.0.0.1:9/cat.mp4", cookies="nowhere.txt")


def test_an_invalid_cookies_file_is_named_before_the_first_request(work, tmp_path):
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
        HEAD + TABS.replace("FALSE\t/", "TRUE\t/"),
        HEAD + TABS.replace("\n", "\t\t\n"),
    ],
    ids=["as it is", "no head", "BOM", "blanks", "more blanks", "mixed", "CRLF", "http only", "http only, blanks",
         "comment", "expiry with a fraction", "a flag that an address cannot have", "tabs at the end"],
)  # fmt: skip
def test_a_cookie_is_read_after_changes_by_an_editor(work, video, tmp_path, text):
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(text, encoding="utf-8", newline="")
    with Server({"/cat.mp4": Page(video)}) as server:
        assert work.one(server.link("/cat.mp4"), cookies=str(cookies)).status == "ok"
        assert [request.headers.get("cookie") for request in server.requests] == ["key=value", "key=value"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + TABS + "host FALSE /\n", "cookies.txt, line 3: has 3 columns, but a cookie has 7"),
        (HEAD + TABS.replace("value", "a\tb"), "cookies.txt, line 2: contains a tab or another control character"),
        (HEAD + TABS.replace("value", "a\0b"), "cookies.txt, line 2: contains a tab or another control character"),
        (HEAD + TABS.replace("FALSE\t/", "maybe\t/"), "cookies.txt, line 2: is not a cookie: its columns are domain"),
        (HEAD + TABS.replace("\t0\t", "\ttomorrow\t"), "cookies.txt, line 2: is not a cookie"),
        ('[{"domain": "host"}]', "cookies.txt, line 1: has 2 columns"),
        (HEAD + TABS.replace("\t0\t", "\t1000\t"), "cookies.txt: all of its cookies have expired"),
        (HEAD, "cookies.txt: is not a cookies.txt: it contains no cookie"),
        ("", "cookies.txt: is not a cookies.txt: it contains no cookie"),
    ],
)
def test_a_line_that_is_not_a_cookie_is_named(tmp_path, text, expected):
    (tmp_path / "cookies.txt").write_text(text)
    with pytest.raises(ConfigError) as problem:
        read_cookies(tmp_path / "cookies.txt")
    assert str(problem.value).startswith(f"{tmp_path}/{expected}")
    assert problem.value.remedy == "Export it in Netscape format and name it in config.yaml, download.cookies."


def test_a_value_with_blanks_is_kept(tmp_path):
    (tmp_path / "cookies.txt").write_text(HEAD + TABS.replace("value", "a b  c"))
    assert read_cookies(tmp_path / "cookies.txt").endswith("\tkey\ta b  c\n")


def test_a_cookie_may_have_an_empty_value(tmp_path):
    (tmp_path / "cookies.txt").write_text(HEAD + "host FALSE / TRUE 0 key\n")
    assert read_cookies(tmp_path / "cookies.txt").endswith("host\tFALSE\t/\tTRUE\t0\tkey\t\n")


@pytest.mark.parametrize(
    ("domain", "flag", "expected"),
    [
        ("youtube.com", "TRUE", ".youtube.com\tTRUE"),
        (".youtube.com", "FALSE", ".youtube.com\tTRUE"),
        ("#HttpOnly_youtube.com", "TRUE", "#HttpOnly_.youtube.com\tTRUE"),
        (".youtube.com", "TRUE", ".youtube.com\tTRUE"),
        ("www.youtube.com", "FALSE", "www.youtube.com\tFALSE"),
        ("127.0.0.1", "TRUE", "127.0.0.1\tFALSE"),
        ("localhost", "TRUE", "localhost\tFALSE"),
    ],
)
def test_a_domain_and_its_flag_are_made_to_agree(tmp_path, domain, flag, expected):
    import yt_dlp

    (tmp_path / "cookies.txt").write_text(f"{HEAD}{domain}\t{flag}\t/\tTRUE\t0\tSID\tabc\n")
    text = read_cookies(tmp_path / "cookies.txt")
    assert text.splitlines()[1] == f"{expected}\t/\tTRUE\t0\tSID\tabc"
    options = {"quiet": True, "cookiefile": io.StringIO(text)}
    with yt_dlp.YoutubeDL(options, auto_init=False) as downloader:
        assert [cookie.value for cookie in downloader.cookiejar] == ["abc"]


def test_only_a_line_feed_ends_a_line_of_cookies(tmp_path):
    (tmp_path / "cookies.txt").write_text(HEAD + TABS.replace("value", "a\u2028b"), encoding="utf-8")
    assert read_cookies(tmp_path / "cookies.txt").split("\n")[1].endswith("key\ta\u2028b")
