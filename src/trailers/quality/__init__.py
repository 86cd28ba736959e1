"""How good a trailer is as data: bars, black, still and dark parts, cards, copies. Arrays only."""
