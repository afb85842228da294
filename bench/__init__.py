"""Speed, side by side: ``python -m bench`` measures Regionwise, its peers and the limit in one run.

A *group* is what runs interleaved: its *contenders* take turns in one process, in palindromes
(A B C C B A). A *row* holds all that was measured of a group; *claims* are judged from rows.
"""
