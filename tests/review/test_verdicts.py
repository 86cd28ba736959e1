"""Results of decisions: verdicts, majorities, disagreements and Cohen's kappa."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.review.queue import Item, in_order, next_after, sample
from trailers.review.verdicts import (
    agreements,
    board_of,
    decided,
    disagreements,
    kappa,
    majority_verdict,
    verdicts,
)
from trailers.store.candidates import Candidate
from trailers.store.decisions import Decision
from trailers.store.titles import Title

A, B = "https://example.com/a", "https://example.com/b"


def pressed(
    who: str, title: str, action: str, url: str = "", *, review: int = 1, rank: str = "1", second: int = 0, **more
):
    when = f"2026-11-26T12:00:{second:02}Z"
    return Decision(when, who, review, title, action, url, rank if url else "", **more)


def test_the_latest_decision_counts_and_flags_and_notes_stay():
    found = verdicts([
        pressed("ann", "t1", "flag", A, flags=("teaser",)), pressed("ann", "t1", "note", note="hm"),
        pressed("ann", "t1", "reject"), pressed("ann", "t1", "accept", B),
    ])["ann", 1]["t1"]  # fmt: skip
    assert (found.action, found.url, found.flags, found.note) == ("accept", B, {A: ("teaser",)}, "hm")


def test_undo_cancels_the_reviewers_own_latest_decisions_one_after_the_other():
    rows = [pressed("ann", "t1", "accept", A), pressed("bob", "t1", "reject"), pressed("ann", "t2", "reject"),
            pressed("ann", "t2", "undo"), pressed("ann", "t2", "undo")]  # fmt: skip
    assert verdicts(rows[:3])["ann", 1]["t2"].action == "reject"
    assert "t2" not in verdicts(rows[:4])["ann", 1]
    assert verdicts(rows)["bob", 1]["t1"].action == "reject"
    assert decided(verdicts(rows)) == {"t1"}
    assert ("ann", 1) not in verdicts(rows)


PRESSED = st.lists(
    st.builds(
        pressed, st.sampled_from(["ann", "bob"]), st.sampled_from(["t1", "t2"]),
        st.sampled_from(["accept", "reject", "flag", "note", "undo"]), st.sampled_from([A, B]),
    ), max_size=30,
)  # fmt: skip


@given(PRESSED)
def test_the_incremental_verdicts_are_those_of_all_valid_decisions(rows):
    standing: list[Decision] = []
    for row in rows:
        own = [kept for kept in standing if kept.who == row.who]
        if row.action != "undo":
            standing.append(row)
        elif own:
            del standing[len(standing) - 1 - standing[::-1].index(own[-1])]  # the last that is equal
    board = board_of(rows)
    assert {rater: own for rater, own in board.found.items() if own} == verdicts(standing)
    assert board.decided == decided(verdicts(standing))
    assert sorted(board.disagreed) == disagreements(verdicts(standing))


def test_one_video_under_two_links_is_one_choice():
    ids = ("https://youtu.be/aaaaaaaaaaa", "https://www.youtube.com/watch?v=aaaaaaaaaaa&t=3")
    rows = [pressed("ann", "t1", "accept", ids[0]), pressed("bob", "t1", "accept", ids[1])]
    assert disagreements(verdicts(rows)) == []


def test_the_majority_decides_and_a_tie_does_not():
    rows = [pressed("ann", "t1", "accept", A), pressed("bob", "t1", "accept", B)]
    assert majority_verdict(verdicts(rows), "t1") is None
    assert disagreements(verdicts(rows)) == ["t1"]
    third = verdicts([*rows, pressed("cleo", "t1", "accept", B)])
    found = majority_verdict(third, "t1")
    assert found is not None
    assert found.url == B
    assert majority_verdict(third, "t9") is None


def test_kappa_of_the_textbook():
    # 20 both yes, 15 both no, 5 yes-no, 10 no-yes: observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
    one = ["yes"] * 20 + ["no"] * 15 + ["yes"] * 5 + ["no"] * 10
    other = ["yes"] * 20 + ["no"] * 15 + ["no"] * 5 + ["yes"] * 10
    assert kappa(one, other) == pytest.approx(0.4)


def test_kappa_is_1_for_equals_below_0_for_opposites_and_not_defined_where_there_is_no_choice():
    assert kappa(["a", "b"], ["a", "b"]) == 1
    assert kappa(["a", "b"], ["b", "a"]) == -1
    assert kappa(["a", "a"], ["a", "a"]) is None
    assert kappa([], []) is None


def test_kappa_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    one, other = list("aabbcabcab"), list("abbbcacbab")
    assert kappa(one, other) == pytest.approx(metrics.cohen_kappa_score(one, other))


def test_agreement_counts_titles_that_both_closed_in_either_pass():
    rows = [
        pressed("ann", "t1", "accept", A), pressed("ann", "t2", "reject"), pressed("ann", "t3", "accept", A),
        pressed("ann", "t4", "accept", A),
        pressed("bob", "t1", "accept", A, review=2), pressed("bob", "t2", "accept", A, review=2),
        pressed("bob", "t3", "accept", A, review=2), pressed("bob", "t4", "flag", A, review=2),
    ]  # fmt: skip
    (pair,) = agreements(verdicts(rows))
    assert (pair.one, pair.other, pair.titles, pair.same) == (("ann", 1), ("bob", 2), 3, 2)
    assert pair.kappa == pytest.approx(0)  # 2 of 3 observed, 2/3 * 3/3 by chance


def test_two_other_links_that_differ_are_not_an_agreement():
    rows = [pressed("ann", "t1", "accept", A, rank=""), pressed("bob", "t1", "accept", B, rank=""),
            pressed("ann", "t2", "accept", A), pressed("bob", "t2", "accept", A)]  # fmt: skip
    (pair,) = agreements(verdicts(rows))
    assert (pair.same, pair.kappa) == (1, pytest.approx(0))


def item(name: str, *scores: float) -> Item:
    candidates = tuple(Candidate(f"https://example.com/{name}/{n}", "x", score=score) for n, score in enumerate(scores))
    return Item(Title(name, name), candidates)


def test_the_uncertain_come_first_and_titles_without_a_candidate_last():
    items = [item("sure", 95, 40), item("none"), item("doubtful", 30, 10), item("close", 80, 79)]
    assert [each.title.id for each in in_order(items, "ann")] == ["doubtful", "close", "sure", "none"]


def test_two_reviewers_see_equally_uncertain_titles_in_different_orders():
    items = [item(f"t{n}", 90) for n in range(30)]
    ann, bob = ([each.title.id for each in in_order(items, who)] for who in ("ann", "bob"))
    assert ann != bob
    assert sorted(ann) == sorted(bob)
    assert ann == [each.title.id for each in in_order(reversed(items), "ann")]


def test_the_next_title_is_the_next_open_one_and_after_the_end_the_first():
    order = ["a", "b", "c", "d"]
    assert next_after(order, "b", {"c"}) == "d"
    assert next_after(order, "d", {"a"}) == "b"
    assert next_after(order, "", set()) == "a"
    assert next_after(order, "a", set(order)) == ""


def test_a_sample_is_the_same_for_everybody_and_grows_without_changing():
    titles = {f"t{n}" for n in range(50)}
    assert sample(titles, 5) == sample(sorted(titles), 5)
    assert sample(titles, 9)[:5] == sample(titles, 5)
    assert len(sample(titles, 99)) == 50
