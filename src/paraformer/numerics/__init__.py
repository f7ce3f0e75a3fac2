"""Takes arrays [cell, time] of any library that follows the array API (NumPy, torch), with explicit masks.
Gives the observation operator, scores and losses as pure functions.
Never opens a file, keeps a state or knows what produced the arrays."""
