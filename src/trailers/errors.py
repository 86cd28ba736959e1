"""Errors for the user. Each is one sentence: what is wrong, where, and what to do.

A TrailerError is printed without a traceback; a programmer's mistake is a ValueError and is printed with one.
"""

import errno

# OSErrors that the machine causes, not a trailer: every other trailer would fail too.
MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE})


class TrailerError(Exception):
    """A problem that the user can solve. ``str()`` is "where: what. Remedy.".

    If ``dead`` is true, another attempt cannot succeed.

    Args:
        what: the problem, with the values that show it.
        where: the file, setting or trailer concerned.
        remedy: what the user can do about it, as a separate sentence.
        reason: a few words without values, the same for every trailer with this problem; status and report count by
            it. The default is the reason of the class.
    """

    dead = False
    reason = "error"

    def __init__(self, what: str, *, where: object = "", remedy: str = "", reason: str = "") -> None:
        self.what = what
        self.reason = reason or self.reason
        self.where = str(where)
        self.remedy = remedy
        sentence = f"{where}: {what}" if self.where else what
        if remedy:
            sentence = f"{sentence.removesuffix('.')}. {remedy}"
        super().__init__(sentence)

    def __reduce__(self) -> tuple[object, ...]:
        # Exception would pickle its arguments only; the fields must arrive too when a worker process raises it.
        return _restored, (type(self), str(self), dict(self.__dict__))


def _restored(kind: type[TrailerError], sentence: str, fields: dict[str, object]) -> TrailerError:
    error = kind.__new__(kind)
    error.args = (sentence,)
    error.__dict__.update(fields)
    return error


class ConfigError(TrailerError):
    """A setting that does not exist or has an invalid value."""

    reason = "setting refused"


class ManifestError(TrailerError):
    """A manifest that cannot be read."""

    reason = "manifest refused"


class DownloadError(TrailerError):
    """A trailer that could not be downloaded.

    Args:
        reason: one of ``web.reasons.REASONS``.
        words: what happened, for this trailer.
        dead: true if another attempt cannot succeed.
        sentence: ``words`` without the parts that identify this trailer, so that identical answers can be counted.
    """

    def __init__(self, reason: str, words: str, *, dead: bool, sentence: str = "") -> None:
        super().__init__(f"{reason}: {words}")
        self.reason = reason
        self.words = words
        self.dead = dead
        self.sentence = sentence or words


class VideoError(TrailerError):
    """A video that cannot be decoded correctly. The same bytes will fail again."""

    dead = True
    reason = "video cannot be decoded"


class ImageError(TrailerError):
    """A poster that cannot be read as an image. The same bytes will fail again."""

    dead = True
    reason = "image cannot be decoded"


class StoreError(TrailerError):
    """A product on disk that is missing, damaged, or of another schema."""

    reason = "product missing or damaged"


class WeightsError(TrailerError):
    """Weights that are missing, damaged, or not the requested ones."""

    reason = "weights missing or damaged"


class MissingWeightsError(WeightsError):
    """Weights that are not on disk."""


class SystemicError(TrailerError):
    """A failure that the trailers did not cause, such as a full disk or many failures in a row; the job must fail."""

    reason = "not the trailer's fault"
