"""Scores of videos that may be the trailer of a movie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.errors import ConfigError
from trailers.store.candidates import Candidate
from trailers.store.titles import Title
from trailers.web.scoring import Preferences, numbers_in, parts_of, ranked, similarity, simplified, with_score

pytest.importorskip("rapidfuzz", reason="the extra search is not installed")

PREFERENCES = Preferences(30, 210, ("Warner Bros. Pictures", "UC123"))
WATCH = "https://www.youtube.com/watch?v=aaaaaaaaaaa"
MATRIX = Title("tt0133093", "The Matrix", year=1999)


def video(title: str, **more) -> Candidate:
    return Candidate(**{"url": WATCH, "title": title, "duration_s": 120.0, **more})


def score(title: Title, candidate: Candidate) -> float:
    return with_score(title, candidate, PREFERENCES).score


def test_the_official_trailer_has_all_points():
    found = with_score(
        MATRIX, video("The Matrix (1999) Official Trailer", channel="Warner Bros. Pictures"), PREFERENCES
    )
    assert found.score == 100
    assert found.parts == {
        "title": 50, "year": 10, "duration": 15, "trailer words": 15, "official channel": 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("The Matrix", 1),
        ("MATRIX - Official Trailer #2 [HD]", 1),
        ("Matrix (1999) Trailer | Sci-Fi Movie", 1),
        ("Matrix Trailer | Keanu Reeves, Laurence Fishburne", 0.9),
    ],
)
def test_words_such_as_trailer_do_not_count_in_the_title(text, alike):
    assert similarity(MATRIX, text) == pytest.approx(alike)


@pytest.mark.parametrize("text", ["The Matrix Reloaded", "Metropolis Trailer", "Cats being cats"])
def test_another_title_is_recognised(text):
    assert similarity(MATRIX, text) < 0.6


def test_a_studio_before_the_title_costs_little_and_the_name_of_the_channel_nothing():
    assert similarity(MATRIX, "Warner | The Matrix | Trailer") == pytest.approx(0.9)
    assert similarity(MATRIX, "Warner | The Matrix | Trailer", channel="Warner") == 1


def test_the_original_title_counts_as_the_title():
    spirited = Title("tt0245429", "Spirited Away", "Sen to Chihiro no kamikakushi", 2001)
    assert similarity(spirited, "Sen to Chihiro no Kamikakushi Trailer") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [("Amélie", "AMELIE Official Trailer"), ("WALL·E", "Wall E Trailer"), ("Ocean's Eleven", "Oceans Eleven Trailer"),
     ("Her", "HER - Trailer"), ("Blade Runner 2049", "Blade Runner 2049 trailer"), ("Final Cut", "Final Cut Trailer"),
     ("Fast & Furious", "Fast and Furious Trailer"), ("!!!", "!!! trailer"),
     ("Alien", "𝐀𝐋𝐈𝐄𝐍 trailer"), ("Alien", "ＡＬＩＥＮ trailer")],
)  # fmt: skip
def test_accents_signs_and_titles_of_common_words_do_not_matter(name, text):
    assert similarity(Title("a", name), text) >= 0.75


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("The Matrix 2 Trailer", "sequel"),
        ("The Matrix II Trailer", "sequel"),
        ("The Matrix (2003) Trailer", "another year"),
        ("The Matrix fan made trailer", "fan-made"),
        ("The Matrix Concept Trailer", "fan-made"),
        ("The Matrix Trailer REACTION", "reaction"),
        ("The Matrix Trailer Review", "review"),
        ("The Matrix Full Movie", "full movie"),
        ("The Matrix Movie Clip", "other kind"),
        ("The Matrix Teaser", "teaser"),
        ("The Matrix Trailer #shorts", "short"),
    ],
)
def test_each_reason_against_a_video_is_subtracted_and_named(text, part):
    found = parts_of(MATRIX, video(text), PREFERENCES)
    assert found[part] < 0
    assert score(MATRIX, video(text)) < score(MATRIX, video("The Matrix Trailer"))


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"url": "https://www.youtube.com/shorts/aaaaaaaaaaa"}, "short"),
        ({"width_px": 406, "height_px": 720}, "vertical"),
        ({"is_live": True}, "live"),
        ({"unavailable": "removed"}, "unavailable"),
        ({"upload_date": "1990-01-01"}, "too early"),
        ({"duration_s": 7200.0}, "duration"),
    ],
)
def test_signs_of_another_kind_of_video_count_with_any_title(more, part):
    assert parts_of(MATRIX, video("The Matrix Trailer", **more), PREFERENCES)[part] < 0


@pytest.mark.parametrize(
    "name", ["The Review", "Chain Reaction", "Scenes from a Marriage", "The Lego Movie", "Rocky II"]
)
def test_words_of_the_movies_title_do_not_count_against_it(name):
    found = parts_of(Title("a", name), video(f"{name} Official Trailer"), PREFERENCES)
    assert found == {"title": 50, "duration": 15, "trailer words": 15}


def test_a_difference_of_one_year_is_the_same_movie_and_of_two_years_is_not():
    points = [parts_of(MATRIX, video(f"The Matrix ({year}) Trailer"), PREFERENCES) for year in (1999, 2000, 2001)]
    assert [found.get("year") for found in points] == [10, 5, None]
    assert points[2]["another year"] == -20


def test_a_numbered_trailer_is_not_a_sequel():
    assert numbers_in("Rocky Trailer 2") == numbers_in("Rocky Official Trailer #2") == set()
    assert numbers_in("Rocky II") == numbers_in("Rocky 2 (1979)") == {"2"}


@pytest.mark.parametrize(("duration_s", "points"), [(29.0, -15), (30.0, 15), (210.0, 15), (211.0, -15), (631.0, -30)])
def test_a_trailer_lasts_30_to_210_s(duration_s, points):
    assert parts_of(MATRIX, video("The Matrix", duration_s=duration_s), PREFERENCES)["duration"] == points


def test_unknown_facts_do_not_change_the_score():
    found = parts_of(Title("a", "Up"), Candidate(WATCH, "Up trailer"), PREFERENCES)
    assert found == {"title": 50, "trailer words": 10}


def test_a_channel_is_official_by_name_or_id():
    for more in ({"channel": "warner bros pictures"}, {"channel_id": "UC123"}):
        assert parts_of(MATRIX, video("The Matrix", **more), PREFERENCES)["official channel"] == 10


def test_the_best_is_first_and_equal_scores_keep_the_order_of_the_site():
    urls = [f"https://example.com/{n}" for n in range(3)]
    texts = ("The Matrix clip", "The Matrix Trailer", "The Matrix Trailer")
    given_ones = [video(text, url=url) for text, url in zip(texts, urls, strict=True)]
    assert [found.url for found in ranked(MATRIX, given_ones, PREFERENCES)] == [urls[1], urls[2], urls[0]]


def test_a_shortest_duration_above_the_longest_is_refused():
    with pytest.raises(ConfigError, match=r"shortest_s is 60, longest_s 30\. shortest_s must be at least 0"):
        Preferences(60, 30, ())


TEXT = st.text(max_size=60)


@given(TEXT.filter(str.strip), TEXT, TEXT, st.none() | st.integers(1900, 2030), st.none() | st.floats(0, 1e5))
def test_any_title_has_a_score_between_0_and_100_that_its_parts_explain(name, text, channel, year, duration_s):
    found = with_score(Title("a", name, year=year), video(text, channel=channel, duration_s=duration_s), PREFERENCES)
    assert 0 <= found.score <= 100
    assert found.score == pytest.approx(min(100, max(0, sum(found.parts.values()))), abs=0.05)
    assert 0 not in found.parts.values()


@given(TEXT)
def test_simplified_text_is_not_changed_again(text):
    assert simplified(simplified(text)) == simplified(text)
