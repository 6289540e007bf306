"""What the author of a test is told, in a sentence or two."""


class Failure(Exception):
    pass
