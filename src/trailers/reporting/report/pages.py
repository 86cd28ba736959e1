"""Where the report leads to the trailers' own pages, and the pictures that it takes from them."""

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
    """What there is of each trailer below ``layout``, seen from the report at ``report``."""

    layout: Layout
    report: Path

    def link(self, trailer: str) -> str:
        """The address of its page from the report; empty where there is no page."""
        return self.address(self.layout.page(trailer))

    def index(self) -> str:
        """The address of the list of all pages; empty where there is none."""
        try:
            study = self.report.resolve().parent.relative_to((self.layout.root / "report").resolve())
        except ValueError:
            return ""
        return self.address(self.layout.page_index(str(study)))

    def address(self, page: Path) -> str:
        return quote(os.path.relpath(page, self.report.parent)) if page.is_file() else ""

    def picture(self, trailer: str) -> str:
        """Its thumbnail, a JPEG in base64; empty where there is none."""
        path = self.layout.thumbnail(trailer)
        if not path.is_file() or path.stat().st_size > LARGEST_PICTURE:
            return ""
        return base64.b64encode(path.read_bytes()).decode()
