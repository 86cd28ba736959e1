"""Scores how likely a video is the trailer of a title, as a sum of named points for and against it.

Uses no network and no files. The maximum is 100 points: title 50, year 10, duration 15, words 15, channel 10. Points
against a video are subtracted, and the sum is limited to 0 to 100. The points are recorded, to explain the score.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trailers.errors import ConfigError
from trailers.store.candidates import Candidate
from trailers.store.titles import Title

TITLE, YEAR, DURATION, WORDS, CHANNEL = 50.0, 10.0, 15.0, 15.0, 10.0
ALIKE = 0.45  # a similarity up to this gives no points, because unrelated titles reach it too
LEFT_OVER = 0.9  # factor for a title that is one section of several, such as "STUDIO | TITLE | Trailer"

# Words about the kind of video and not about the movie; they are removed before titles are compared.
NOISE_TEXT = (
    "official trailer trailers teaser teasers theatrical final international main first second third redband red band "
    "greenband green new original movie film cinema hd hq uhd fhd 4k 8k 2k 720p 1080p 2160p dolby imax ultra full "
    "version subtitled subtitles sub subs english us uk usa restored remastered anniversary rerelease re release dvd "
    "sci fi action horror comedy drama thriller romance romantic adventure fantasy crime scifi movieclips "
    "bluray blu ray classic vintage spot tv trailer1 trailer2 trailer3 in theaters theatres cinemas only now "
    "bande annonce vf vo vost vostfr deutsch german ufficiale oficial legendado doblado subtitulado"
)
NOISE = frozenset(NOISE_TEXT.split())
BETWEEN = re.compile(r"\s[-–—]\s|[|•·()\[\]{}]|//|\s~\s")
ARTICLE = re.compile(r"^(?:the|an?|les?|la|der|die|das|el|los|il) (?=.)")
A_YEAR = re.compile(r"(?<!\d)(?:18[7-9]|19\d|20\d)\d(?!\d)")
TRAILER = re.compile(r"\btr[aá]iler\d?\b|\bbande[ -]annonce\b|\bzwiastun\b|трейлер|予告|预告|예고", re.IGNORECASE)
OFFICIAL = re.compile(r"\bofficial\b|\bofficiel(?:le)?\b|\boficial\b|\bufficiale\b|\boffiziell(?:er)?\b", re.IGNORECASE)
TEASER = re.compile(r"\bteasers?\b", re.IGNORECASE)

# Name -> points, and words in a video's title that count against it, unless they are in the movie's own title.
AGAINST: Mapping[str, tuple[float, re.Pattern[str]]] = {
    "fan-made": (
        -40.0,
        re.compile(r"\bfan[ -]?(?:made|trailer|film|edit|cut)\b|\bconcept (?:trailer|teaser)\b|\bparody\b|\bspoof\b"
                   r"|\bfake\b|\bre-?cut\b|\bhomemade\b|\blego\b|\bsweded\b|\bunofficial\b|\brecreation\b"
                   r"|\bai (?:trailer|concept|generated)\b", re.IGNORECASE),
    ),
    "reaction": (-30.0, re.compile(r"\breact(?:s|ion|ions|ing)?\b|\bfirst time watching\b", re.IGNORECASE)),
    "review": (
        -30.0,
        re.compile(r"\breview(?:s|ed)?\b|\bexplained\b|\bbreakdown\b|\banalysis\b|\brecap\b|\bending\b|\btop \d+\b"
                   r"|\bkritik\b|\breseña\b|\beaster eggs?\b|\bthings you missed\b", re.IGNORECASE),
    ),
    "full movie": (
        -40.0, re.compile(r"\bfull[ -](?:movie|film|length movie)\b|\bwhole movie\b|\bpel[ií]cula completa\b"
                          r"|\bganzer film\b|\bfilm complet\b|\bfree movies?\b", re.IGNORECASE),
    ),
    "other kind": (
        -25.0, re.compile(r"\bclips?\b|\bscenes?\b|\bbehind the scenes\b|\bmaking of\b|\binterviews?\b|\bsoundtrack\b"
                          r"|\bost\b|\bgameplay\b|\bgame\b|\bfeaturette\b|\bseason \d+\b|\bepisode \d+\b|\blyrics?\b"
                          r"|\bpremiere\b|\bbloopers?\b|\bcomparison\b|\bbtv\b|\bcompilation\b", re.IGNORECASE),
    ),
    "short": (-30.0, re.compile(r"#shorts?\b", re.IGNORECASE)),
}  # fmt: skip
VERTICAL, LIVE, UNAVAILABLE, ANOTHER_YEAR, TOO_EARLY, WRONG_LENGTH = -30.0, -40.0, -100.0, -20.0, -20.0, -30.0
ONLY_TEASER, SEQUEL = -10.0, -20.0
NUMBERED = re.compile(
    r"#\s?\d+|\b(trailer|teaser|spot)\s?#?\s?\d+\b", re.IGNORECASE
)  # the second trailer is not a second movie
NUMERALS = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}
EARLY_YEARS = 2  # a trailer is not older than this before its movie
MUCH_LONGER = 3  # times the longest duration; a longer video is a whole movie, or a review


@dataclass(frozen=True)
class Preferences:
    """The user's preferences for candidates."""

    shortest_s: float
    longest_s: float
    official_channels: tuple[str, ...]  # names or ids

    def __post_init__(self) -> None:
        if not 0 <= self.shortest_s <= self.longest_s:
            raise ConfigError(
                f"shortest_s is {self.shortest_s:g}, longest_s {self.longest_s:g}",
                where="config.yaml, search", remedy="shortest_s must be at least 0 and no more than longest_s.",
            )  # fmt: skip


def ranked(title: Title, candidates: Iterable[Candidate], preferences: Preferences) -> list[Candidate]:
    """The candidates with their scores, best first; candidates with the same score in the order of the site."""
    scored = [with_score(title, candidate, preferences) for candidate in candidates]
    return sorted(scored, key=lambda candidate: (-candidate.score, candidate.place))


def with_score(title: Title, candidate: Candidate, preferences: Preferences) -> Candidate:
    parts = parts_of(title, candidate, preferences)
    total = min(100.0, max(0.0, sum(parts.values())))
    return replace(candidate, score=round(total, 1), parts=parts)


def parts_of(title: Title, candidate: Candidate, preferences: Preferences) -> dict[str, float]:
    """Name -> points, for everything that counts for or against ``candidate``."""
    alike = similarity(title, candidate.title, candidate.channel)
    parts = {
        "title": TITLE * max(0.0, alike - ALIKE) / (1 - ALIKE),
        **sequel_points(title, candidate.title),
        **year_points(title, candidate),
        **duration_points(candidate.duration_s, preferences),
        **word_points(candidate.title),
        **channel_points(candidate, preferences.official_channels),
        **points_against(title, candidate),
    }
    return {name: round(points, 1) for name, points in parts.items() if round(points, 1)}


def simplified(text: str) -> str:
    """``text`` in lower case without accents and punctuation; all punctuation but apostrophes separates words."""
    # Folded after the first normalisation, which turns styled letters into plain capitals.
    folded = unicodedata.normalize("NFKD", text).casefold().replace("&", " and ")
    letters = unicodedata.normalize("NFKD", folded)
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[^\w]+", " ", re.sub(r"['’`´]", "", letters)).replace("_", " ").split())


def names_of(title: Title) -> list[str]:
    return [name for name in dict.fromkeys((title.title, title.original_title)) if name]


def words_of(title: Title) -> frozenset[str]:
    """The words of the movie's own titles; "A.I." also gives "ai"."""
    texts = [text for name in names_of(title) for text in (name, name.replace(".", ""))]
    return frozenset(word for text in texts for word in simplified(text).split())


def distinctive_words(text: str, keep: frozenset[str]) -> str:
    """The words of ``text`` without those about the kind of video, except words in ``keep``."""
    words = simplified(NUMBERED.sub(r"\1", text)).split()
    return without_article(
        " ".join(word for word in words if word in keep or not (word in NOISE or A_YEAR.fullmatch(word)))
    )


def without_article(words: str) -> str:
    return ARTICLE.sub("", words)


def similarity(title: Title, text: str, channel: str = "") -> float:
    """Similarity of ``text``, the title of a video, to the title of the movie: 0 to 1.

    A section between bars, dashes or brackets may be the title, while other sections name a studio or the cast.
    """
    from rapidfuzz import fuzz

    keep, best = words_of(title), 0.0
    whole = distinctive_words(text, keep)
    sections = [section for part in BETWEEN.split(text) if (section := distinctive_words(part, keep))]
    sections = [section for section in sections if section != simplified(channel)] or sections
    weight = 1.0 if len(sections) == 1 else LEFT_OVER
    for name in names_of(title):
        wanted = without_article(simplified(name))
        if not wanted:  # a title without letters and digits
            best = max(best, float(name.casefold() in text.casefold()))
            continue
        best = max(best, fuzz.ratio(wanted, whole) / 100)
        best = max([best, *(weight * fuzz.ratio(wanted, section) / 100 for section in sections)])
    return best


def numbers_in(text: str) -> set[str]:
    """The numbers of sequels, as digits: the same for "Rocky II" and "Rocky 2"."""
    words = simplified(A_YEAR.sub(" ", NUMBERED.sub(" ", text))).split()
    return {NUMERALS.get(word, word) for word in words if word in NUMERALS or re.fullmatch("[2-9]", word)}


def sequel_points(title: Title, text: str) -> dict[str, float]:
    own = [numbers_in(name) for name in names_of(title)]
    return {} if numbers_in(text) in own else {"sequel": SEQUEL}


def year_points(title: Title, candidate: Candidate) -> dict[str, float]:
    if title.year is None:
        return {}
    stated = {int(year) for year in A_YEAR.findall(candidate.title) if year not in words_of(title)}
    nearest = min((abs(year - title.year) for year in stated), default=None)
    early = candidate.upload_date != "" and int(candidate.upload_date[:4]) < title.year - EARLY_YEARS
    points = {"too early": TOO_EARLY} if early else {}
    if nearest is not None and nearest > 1:
        return {**points, "another year": ANOTHER_YEAR}
    # Releases at festivals and in other countries can be a year apart.
    return {**points, "year": {None: 0.0, 0: YEAR, 1: YEAR / 2}[nearest]}


def duration_points(duration_s: float | None, preferences: Preferences) -> dict[str, float]:
    if duration_s is None:
        return {}
    if preferences.shortest_s <= duration_s <= preferences.longest_s:
        return {"duration": DURATION}
    is_far = duration_s > MUCH_LONGER * preferences.longest_s
    return {"duration": WRONG_LENGTH if is_far else WRONG_LENGTH / 2}


def word_points(text: str) -> dict[str, float]:
    is_trailer, is_teaser = TRAILER.search(text) is not None, TEASER.search(text) is not None
    share = (2 + (OFFICIAL.search(text) is not None)) / 3 if is_trailer else 0
    return {"trailer words": WORDS * share, **({"teaser": ONLY_TEASER} if is_teaser else {})}


def channel_points(candidate: Candidate, official: Sequence[str]) -> dict[str, float]:
    known = {simplified(name) for name in official} - {""}
    is_official = candidate.channel_id in official or simplified(candidate.channel) in known
    return {"official channel": CHANNEL} if is_official else {}


def points_against(title: Title, candidate: Candidate) -> dict[str, float]:
    own = words_of(title)
    found = {}
    for name, (points, pattern) in AGAINST.items():
        matches = (simplified(match[0]).split() for match in pattern.finditer(candidate.title))
        if any(not own.issuperset(words) for words in matches):
            found[name] = points
    if "/shorts/" in candidate.url:
        found["short"] = AGAINST["short"][0]
    if candidate.width_px and candidate.height_px and candidate.height_px > candidate.width_px:
        found["vertical"] = VERTICAL
    if candidate.is_live:
        found["live"] = LIVE
    if candidate.unavailable:
        found["unavailable"] = UNAVAILABLE
    return found
