"""The page of a trailer for a browser: pictures in sheets, numbers in the page, one template, one style.

    sheets     many small pictures in one image
    timeline   numbers over time, small enough for a page
    words      facts as sentences
    rendering  templates and assets, and how a finished page is read and checked

This room gets arrays and facts, never ledgers. Text from outside is escaped by the template or stays JSON.
"""
