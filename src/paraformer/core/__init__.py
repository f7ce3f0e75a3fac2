"""Takes nothing.

Gives names, contracts and hand-off schemas to every room.
Never trains, never opens a science file.
"""
