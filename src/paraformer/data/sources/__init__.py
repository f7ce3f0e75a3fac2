"""One kind of input a file: ``cells`` is the project's simple format, ``synthetic`` the built-in world."""
