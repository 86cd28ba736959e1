"""How suitable a trailer is as data: bars, black, still and dark parts, cards, copies. Uses arrays only."""
