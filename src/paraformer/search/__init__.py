"""Takes a forward model, with or without a gradient, and observations of the training period.
Gives θ of every observed cell, searched cell by cell and for all cells at once; other cells keep their a-priori θ.
Never learns a map from attributes, never sees a test period, and never passes the verdict on θ."""
