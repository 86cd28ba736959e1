"""The links of the report to the trailers' pages, and the pictures that it takes from them."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from trailers.store.layout import Layout

LARGEST_PICTURE = 64 << 10  # bytes; a thumbnail has a tenth


@dataclass(frozen=True)
class Pages:
    """The pages and pictures of trailers below ``layout``, with addresses relative to the report at ``report``."""

    layout: Layout
    report: Path

    def link(self, trailer: str) -> str:
        """The relative address of its page; empty if it has no page."""
        return self.address(self.layout.page(trailer))

    def index(self) -> str:
        """The relative address of the list of all pages; empty if there is none."""
        try:
            study = self.report.resolve().parent.relative_to((self.layout.root / "report").resolve())
        except ValueError:
            return ""
        return self.address(self.layout.page_index(str(study)))

    def address(self, page: Path) -> str:
        return quote(os.path.relpath(page, self.report.parent)) if page.is_file() else ""

    def picture(self, trailer: str) -> str:
        """Its thumbnail, a JPEG in base64; empty if there is none."""
        path = self.layout.thumbnail(trailer)
        if not path.is_file() or path.stat().st_size > LARGEST_PICTURE:
            return ""
        return base64.b64encode(path.read_bytes()).decode()
