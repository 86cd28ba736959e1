"""Figures from numbers: drawn at the size at which they are printed, and as part of a page.

    style         size, type and colours of all figures; how they are saved and how they become part of a page
    genres        Fig. 2: trailers per genre
    labels        Fig. 3: labels per trailer, and genres that occur together
    titles        Fig. 4: countries, languages, years, durations
    histogram     Fig. 8: durations of shots
    clips         Fig. 9: Seq against Shot clips of one trailer
    costs         Fig. 10: cost against micro AP
    curves        areas and precision-recall curves of genres

None of these modules reads a file.
"""
