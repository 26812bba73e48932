"""Scores of known notation for the closed loop, in the text of ``tests/grooves.py``.

Each is what a drummer would be given to read; the loop plays it like a person and asks for it back.
"""

from __future__ import annotations

from tests.grooves import Groove

_ROCK = """
    CC x---------------|----------------|----------------|----------------
    HH --x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x---------
    SD ----O-------O---|----O-------O---|----O-------O---|----O---ooo-----
    HT ----------------|----------------|----------------|------------oo--
    FT ----------------|----------------|----------------|--------------oo
    BD o-------o-------|o-------o-o-----|o-----o-o-------|o-------o-------
    """
_SHUFFLE = """
    HH x---x-x-x---x-x-|x---x-x-x---x-x-|x---x-x-x---x-x-|x---x-x---------
    SD ----O-------O---|----O-------O---|----O-------O---|----O---o-o-o-o-
    BD o-----o-o-------|o-----o-o-----o-|o-----o-o-------|o-----o---------
    """

SCORES: dict[str, Groove] = {
    "straight 8ths, rock": Groove(_ROCK, bpm=112, times=4),
    "straight 8ths, slow": Groove(_ROCK, bpm=68, times=3),
    "straight 8ths, fast punk": Groove("""
        OO x-x-x-x-|x-x-x-x-|x-x-x-x-|x-x-----
        SD --o---o-|--o---o-|--o---o-|--o-oooo
        BD o--oo---|o--oo---|o-ooo---|o-------
        """.replace("OO", "HO"), bpm=190, times=4),
    "16ths, hats": Groove("""
        HH xxxxxxxxxxxxxxxx|xxxxxxxxxxxxxx--
        HO ----------------|--------------x-
        SD ----O-------O---|----O-------O---
        BD o--o--o---o-----|o--o--o---o----o
        """, bpm=92, times=8),
    "16ths, samba": Groove("""
        RD x-xxx-xxx-xxx-xx|x-xxx-xxx-xxx-xx
        CS o--o--o---o-o---|o--o---o--o-o---
        HF --x---x---x---x-|--x---x---x---x-
        BD o--oo--oo--oo--o|o--oo--oo--oo--o
        """, bpm=104, times=6),
    "funk, ghosts": Groove("""
        HH x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-xxx-x-x-x-|x-x-x-x-x-xxx---
        SD ----O--g-g--O--g|----O--g-g--Og--|-g--O--g-g--O--g|----O--g-g--O-gg
        BD o-o-------o-----|o-o----o--o-----|o--o------o--o--|o-o-------o-----
        """, bpm=96, times=4),
    "funk, linear": Groove("""
        HH x-x--x-x--x-x---|x--x-x--x-x--x--
        SD ---gO------gO-g-|----O-g-----O-gg
        BD -o----o-oo---o-o|oo-----o-o----o-
        """, bpm=100, times=8),
    "train beat": Groove("""
        SD gOggOggOgOggOgOg
        BD o---o---o---o---
        HF --x---x---x---x-
        """, bpm=112, times=14),
    "metal, double kick": Groove("""
        CH x---x---x---x---|x---x---x---x---
        SD ----o-------o---|----o-------o---
        BD oooooooooooooooo|oooo--oooooo--oo
        """, bpm=150, times=6),
    "shuffle": Groove(_SHUFFLE, bpm=116, swing=True, times=4),
    "shuffle, slow": Groove(_SHUFFLE, bpm=84, swing=True, times=3),
    "swing ride": Groove("""
        RD x---x-x-x---x-x-|x---x-x-x---x-x-|x---x-x-x---x-x-|x---x-x-x---x---
        HF ----x-------x---|----x-------x---|----x-------x---|----x-------x---
        SD ----------g-----|------g-------g-|--g-------g-----|------g---o-o-o-
        BD o---------------|o-----------o---|o---------------|o---------------
        """, bpm=160, swing=True, times=4),
    "half-time shuffle": Groove("""
        HH x-x x-x x-x x-x|x-x x-x x-x x-x
        SD -g- -g- Og- -g-|-g- -g- Og- -g-
        BD o-- --o --- --o|o-- --o --o o--
        """, bpm=92, times=7),
    "triplet ballad": Groove("""
        HH xxx xxx xxx xxx|xxx xxx xxx xxx|xxx xxx xxx xxx|xxx xxx --- ---
        SD --- o-- --- o--|--- o-- --- o--|--- o-- --- o--|--- o-- ooo ---
        FT --- --- --- ---|--- --- --- ---|--- --- --- ---|--- --- --- ooo
        BD o-- --- o-o ---|o-- --- o-o --o|o-- --- o-o ---|o-- --- o-- ---
        """, bpm=76, times=3),
    "triplet fills in rock": Groove("""
        HH x-x- x-x- x-x- x-x-|x-x- x-x- x-x- x-x-|x-x- x-x- x-x- x-x-|x-x- x-x- --- ---
        SD ---- O--- ---- O---|---- O--- ---- O---|---- O--- ---- O---|---- O--- ooo ---
        HT ---- ---- ---- ----|---- ---- ---- ----|---- ---- ---- ----|---- ---- --- ooo
        BD o--- ---- o-o- ----|o--- ---- o-o- ----|o--o ---- o-o- ----|o--- ---- o-- o--
        """, bpm=104, times=4),
    "sextuplet fills": Groove("""
        CC x--- ---- ---- ----|---- ---- ---- ----|---- ---- ---- ----|---- ---- ------ ------
        HH --x- x-x- x-x- x-x-|x-x- x-x- x-x- x-x-|x-x- x-x- x-x- x-x-|x-x- x-x- ------ ------
        SD ---- O--- ---- O---|---- O--- ---- O---|---- O--- ---- O---|---- O--- oooooo oo----
        HT ---- ---- ---- ----|---- ---- ---- ----|---- ---- ---- ----|---- ---- ------ --oo--
        FT ---- ---- ---- ----|---- ---- ---- ----|---- ---- ---- ----|---- ---- ------ ----oo
        BD o--- ---- o-o- ----|o--- ---- o-o- ----|o--o ---- o-o- ----|o--- ---- ------ ------
        """, bpm=78, times=4),
    "32nds in hats": Groove("""
        HH x-x- x-x- x-x- x-x-|x-x- x-x- xxxxxxxx x-x-|x-x- x-x- x-x- x-x-|x-x- xxxxx-x- x-x- xxxxxxxx
        SD ---- ---- O--- ----|---- ---- O------- ----|---- ---- O--- ----|---- -------- O--- --------
        BD o--- ---o ---- --o-|o--- ---o -------- --o-|o--- ---o ---- --o-|o--- -------- ---- ------o-
        """, bpm=70, times=3),
    "waltz": Groove("""
        HH x-x-x-x-x-x-|x-x-x-x-x-x-|x-x-x-x-x-x-|x-x-x-x-----
        SD ----o---o---|----o---o---|----o---o---|----o---oooo
        BD o-----------|o---------o-|o-----------|o-----------
        """, meter="3/4", bpm=108, times=5),
    "jazz waltz": Groove("""
        RD x---x-x---x-|x---x-x---x-
        HF ----x-------|----x-------
        SD ----------g-|------g-----
        BD o-----------|o-----------
        """, meter="3/4", bpm=150, swing=True, times=8),
    "six-eight": Groove("""
        HH x-x-x-x-x-x-|x-x-x-x-x-xx|x-x-x-x-x-x-|x-x-x-------
        SD ------o-----|------o-----|------o-----|------oooooo
        BD o---------o-|o---------o-|o-o-------o-|o-----------
        """, meter="6/8", bpm=96, times=5),
    "twelve-eight blues": Groove("""
        RD x-x-x-x-x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-x-x-x-x-
        SD ------O-----------O-----|------O-----------O-----
        BD o---------o-o-----------|o---------o-o---------o-
        """, meter="12/8", bpm=96, times=6),
    "five-four": Groove("""
        RD x---x-x---x-x---x---|x---x-x---x-x---x---
        HF ----x-------x---x---|----x-------x---x---
        SD ------o---------o---|------o---------o-o-
        BD o-------o-----------|o-------o-o---------
        """, meter="5/4", bpm=132, times=5),
    "seven-eight": Groove("""
        HH x-x-x-x-x-x-x-|x-x-x-x-x-x-x-|x-x-x-x-x-x-x-|x-x-x-x-------
        SD ----o-----o---|----o-----o---|----o-----o---|----o---oo-o--
        BD o-----o-------|o-----o-----oo|o-----o-------|o-----o-------
        """, meter="7/8", bpm=120, times=5),
    "two-four polka": Groove("""
        HH --x---x-|--x---x-|--x---x-|--x-----
        SD --o---o-|--o---o-|--o---o-|--o-oooo
        BD o---o---|o---o---|o---o---|o-------
        """, meter="2/4", bpm=116, times=6),
    "changes of meter": Groove(_ROCK, bpm=116, then=(
        Groove("HH x-x-x-x-x-x-\nSD ----o---o---\nBD o-----------", meter="3/4", bpm=116, times=4),
        Groove(_ROCK, bpm=116),
        Groove("HH x-x-x-x-\nSD ----o---\nBD o-------", meter="2/4", bpm=116),
        Groove(_ROCK, bpm=116),
        Groove("HH x-x-x-x-x-x-x-x-x-x-\nSD ----o-------o---o---\nBD o-------o-o---------", meter="5/4", bpm=116,
               times=4),
    )),
    "pickup of a fill": Groove(_ROCK, bpm=100, times=3, pickup="SD oooo\nHT ----"),
    "flams and drags": Groove("""
        HH x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x---------
        SD ----F-------F---|----O-------d---|----F-------F---|----O---f-f-f-f-
        BD o-------o-------|o-------o-o-----|o-------o-------|o---------------
        """, bpm=96, times=4),
    "rests and hits": Groove("""
        CC x---------------|------x---------|x-----x---x-----|----------------
        BD o---------------|------o---------|o-----o---o-----|----------------
        SD ----------------|------------o-oo|----------------|oooo----oo-o----
        """, bpm=88, times=4),
}  # fmt: skip
