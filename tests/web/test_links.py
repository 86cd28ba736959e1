"""Which texts are links, videos of a site, or paths."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.errors import ManifestError
from trailers.web.links import identity, is_list, name_of, web_link

WATCH = "https://www.youtube.com/watch?v=vKQi3bBA1y8"
FORMS_OF_ONE_VIDEO = [
    WATCH,
    "vKQi3bBA1y8",
    "http://www.youtube.com/watch?v=vKQi3bBA1y8",
    "HTTPS://WWW.YOUTUBE.COM/watch?v=vKQi3bBA1y8",
    "https://youtube.com/watch?feature=x&v=vKQi3bBA1y8",
    "https://www.youtube.com/watch?v=vKQi3bBA1y8&list=PL0000000000000000&index=2",
    "https://www.youtube.com/watch?v=vKQi3bBA1y8&amp;feature=x",
    "https://www.youtube.com/watch?v=vKQi3bBA1y8?t=3",
    "https://www.youtube.com/watch?v=vKQi3bBA1y8#t=1m",
    "https://www.youtube.com/watch/vKQi3bBA1y8",
    "https://www.youtube.com/#/watch?v=vKQi3bBA1y8",
    "https://m.youtube.com/watch?v=vKQi3bBA1y8",
    "https://music.youtube.com/watch?v=vKQi3bBA1y8",
    "https://youtu.be/vKQi3bBA1y8",
    "https://youtu.be/vKQi3bBA1y8?si=abc&t=3",
    "https://www.youtube.com/shorts/vKQi3bBA1y8?feature=share",
    "https://www.youtube.com/embed/vKQi3bBA1y8?autoplay=1",
    "https://www.youtube-nocookie.com/embed/vKQi3bBA1y8",
    "https://www.youtube.com/live/vKQi3bBA1y8",
    "https://www.youtube.com/v/vKQi3bBA1y8",
    "https://www.youtube.com/e/vKQi3bBA1y8",
    "https://www.youtube.com/attribution_link?a=x&u=/watch%3Fv%3DvKQi3bBA1y8%26feature%3Dshare",
    "https://consent.youtube.com/m?continue=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3DvKQi3bBA1y8",
    "https://www.google.com/url?q=https://www.youtube.com/watch%3Fv%3DvKQi3bBA1y8&sa=D",
    "https://l.facebook.com/l.php?u=https%3A%2F%2Fyoutu.be%2FvKQi3bBA1y8%3Ffbclid%3Dx&h=AT0",
    "https://out.reddit.com/?url=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3DvKQi3bBA1y8",
    "https://yewtu.be/watch?v=vKQi3bBA1y8",
    "//www.youtube.com/watch?v=vKQi3bBA1y8",
    "//youtu.be/vKQi3bBA1y8",
    "youtube.com/watch?v=vKQi3bBA1y8",
    "www.youtube.com/watch?v=vKQi3bBA1y8",
    "youtu.be/vKQi3bBA1y8",
    "m.youtube.com/watch?v=vKQi3bBA1y8",
]


CARRIED = {
    "https://l.facebook.com/l.php?u=https%3A%2F%2Fvimeo.com%2F76979871&h=AT0": "https://vimeo.com/76979871",
    "https://l.instagram.com/?u=https%3A%2F%2Fvimeo.com%2F76979871": "https://vimeo.com/76979871",
    "https://vk.com/away.php?to=https%3A%2F%2Fa.test%2Fcat.mp4": "https://a.test/cat.mp4",
    "https://www.google.com/url?sa=t&q=https://a.test/cat.mp4": "https://a.test/cat.mp4",
    "https://www.youtube.com/redirect?q=https%3A%2F%2Fa.test%2Fcat.mp4": "https://a.test/cat.mp4",
    "https://l.facebook.com/l.php?u=https%3A%2F%2Fvk.com%2Faway.php%3Fto%3Dhttps%253A%252F%252Fa.test%252Fb.mp4": (
        "https://a.test/b.mp4"
    ),
    "https://a.test/player?u=https://b.test/cat.mp4": "https://a.test/player?u=https://b.test/cat.mp4",
    "https://l.facebook.com/l.php?u=file:///etc/passwd": "https://l.facebook.com/l.php?u=file:///etc/passwd",
}


@pytest.mark.parametrize("text", CARRIED)
def test_a_link_that_only_redirects_is_replaced_by_its_target(text):
    assert web_link(text) == CARRIED[text]


@pytest.mark.parametrize("text", FORMS_OF_ONE_VIDEO)
def test_all_links_of_a_youtube_video_have_one_form(text):
    assert (web_link(text), identity(text), name_of(text)) == (WATCH, "youtube:vKQi3bBA1y8", "vKQi3bBA1y8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-KQi3bBA1y_", "https://www.youtube.com/watch?v=-KQi3bBA1y_"),
        ("./vKQi3bBA1y8", None),
        ("vKQi3bBA1y", None),
        ("https://host/cat.mp4", "https://host/cat.mp4"),
        ("HTTP://host:8080/cat?x=a b", "HTTP://host:8080/cat?x=a b"),
        (
            "https://web.archive.org/web/2010/https://host/cat.mp4",
            "https://web.archive.org/web/2010/https://host/cat.mp4",
        ),
        ("//cdn.host.org/cat.mp4", "https://cdn.host.org/cat.mp4"),
        ("www.host.org/cat.mp4", "https://www.host.org/cat.mp4"),
        ("vimeo.com/76979871", "https://vimeo.com/76979871"),
        ("https://img.youtube.com/vi/vKQi3bBA1y8/0.jpg", "https://img.youtube.com/vi/vKQi3bBA1y8/0.jpg"),
        ("https://notyoutube.com/watch?v=vKQi3bBA1y8", "https://notyoutube.com/watch?v=vKQi3bBA1y8"),
        ("videos/cat.mp4", None),
        ("host.org/cat.mp4", None),
        ("//data/cat.mp4", None),
        ("/data/cat.mp4", None),
        ("../cat:1.mp4", None),
        ("./file:cat.mp4", None),
        ("wwwcat.mp4", None),
    ],
)
def test_text_is_recognised_as_a_link_a_video_or_a_path(text, expected):
    assert web_link(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "file:cat.mp4",
        "FILE:///etc/passwd",
        "ftp://host/cat.mp4",
        "concat:a.ts|b.ts",
        "pipe:0",
        "data:video/mp4;base64,AAAA",
        "ytsearch:matrix trailer",
        "rtmp://host/live",
        "C:\\videos\\cat.mp4",
        "htps://host/cat.mp4",
        "http:cat.mp4",
        "https:/host/cat.mp4",
        "https:///cat.mp4",
        "https://host:99999/cat.mp4",
        "https://[::1/cat.mp4",
        "https://ho st/cat.mp4",
        "https://host/cat#__youtubedl_smuggle=%7B%7D",
        "https://host/a https://host/b",
        "https://host/a,https://host/b",
        "https://host/a\u200bb",
        "https://www.youtube.com/watch?v=vKQi3b",
        "https://www.youtube.com/watch?v=vKQi3bBA1y8abc",
        "https://youtu.be/vKQi3b",
        "https://youtu.be/",
        "https://www.youtube.com/",
        "https://www.youtube.com/watch",
        "youtube.com",
        "https://www.youtube.com/shorts/vKQi3b",
    ],
)
def test_other_schemes_and_broken_links_are_refused(text):
    with pytest.raises(ManifestError) as problem:
        web_link(text)
    assert problem.value.remedy


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        (
            ("https://vimeo.com/76979871", "http://vimeo.com/76979871/abcdef", "https://player.vimeo.com/video/76979871?h=1",
             "https://vimeo.com/channels/staffpicks/76979871", "https://vimeo.com/album/12345/video/76979871"),
            "vimeo:76979871",
        ),
        (
            ("https://www.dailymotion.com/video/x7tgad0_the-cat", "https://dai.ly/x7tgad0", "dai.ly/x7tgad0",
             "https://www.dailymotion.com/embed/video/x7tgad0?autoplay=1"),
            "dailymotion:x7tgad0",
        ),
        (("http://Host.org/cat?x=1", "https://host.org/cat?x=1#t=30", "//host.org/cat?x=1"), "web://host.org/cat?x=1"),
        (("cat.mp4", "./cat.mp4", "/cat.mp4"), ""),
    ],
)  # fmt: skip
def test_all_forms_of_a_link_to_one_video_have_the_same_identity(forms, expected):
    assert {identity(form) for form in forms} == {expected}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://www.youtube.com/playlist?list=PL0123456789", "PL0123456789"),
        ("https://www.youtube.com/embed/videoseries?list=PL0123456789", "PL0123456789"),
        ("https://www.youtube.com/@studio", "@studio"),
        ("https://www.imdb.com/video/vi123/?playlistId=tt1", "vi123"),
        ("https://host/The%20Cat.mp4?size=1", "The Cat"),
        ("https://host/", "host"),
    ],
)
def test_names_of_links(text, name):
    assert name_of(text) == name
    assert is_list(text) == ("youtube" in text)


@given(st.text() | st.builds("https://{}".format, st.text()) | st.builds("youtube.com/{}".format, st.text()))
def test_any_text_is_a_link_a_path_or_refused(text):
    with contextlib.suppress(ManifestError):
        identity(text)
        name_of(text)
