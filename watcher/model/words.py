"""Small words in messages for people."""


def counted(number: float, thing: str) -> str:
    """Return a number of things in words, with the right plural.

    >>> counted(1, "warning"), counted(2, "failure"), counted(0, "entry")
    ('1 warning', '2 failures', '0 entries')
    """
    if number != 1:
        thing = f"{thing[:-1]}ies" if thing.endswith("y") and thing[-2:] not in {"ay", "ey", "oy"} else f"{thing}s"
    return f"{number:g} {thing}" if isinstance(number, float) else f"{number} {thing}"
