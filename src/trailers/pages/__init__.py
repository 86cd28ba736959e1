"""What a browser shows of a trailer: pictures in sheets, numbers in the page, one template, one style.

    sheets     many small pictures in one image
    timeline   numbers over time, small enough for a page
    words      facts as sentences
    rendering  templates and assets, and what a finished page says of itself

Sees arrays and facts, never ledgers. Whatever comes from outside is escaped by the template or stays JSON.
"""
