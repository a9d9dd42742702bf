"""Changes run files as accidents do.

Every mutator, here and in the modules named forge, takes the bytes of a sound file and a
generator, and returns other bytes.
"""

PAGE = 4096


def choose(rng, entries):
    """Return one of some entries, whatever they are."""
    return entries[int(rng.integers(len(entries)))]


def places(content, rng, n):
    """Return places in a file; the first pages get more than their share."""
    ends = [100, PAGE, 3 * PAGE, len(content), len(content), len(content)]
    return [int(rng.integers(choose(rng, ends))) for _ in range(n)]


def flip_bits(content, rng):
    """Flip a few bits."""
    out = bytearray(content)
    for place in places(content, rng, int(rng.integers(1, 4))):
        out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def overwrite(content, rng):
    """Overwrite a range with noise, zeros or ones."""
    out = bytearray(content)
    (place,) = places(content, rng, 1)
    n = min(int(2 ** rng.uniform(0, 13)), len(out) - place)
    out[place : place + n] = choose(rng, [rng.bytes(n), bytes(n), b"\xff" * n])
    return bytes(out)


def truncate(content, rng):
    """Keep the beginning only, sometimes a whole number of pages."""
    n = int(rng.integers(len(content)))
    return content[: n - n % choose(rng, [1, PAGE])]


def insert(content, rng):
    """Insert some bytes."""
    (place,) = places(content, rng, 1)
    return content[:place] + rng.bytes(choose(rng, [1, 7, PAGE])) + content[place:]


def remove(content, rng):
    """Remove some bytes."""
    (place,) = places(content, rng, 1)
    return content[:place] + content[place + choose(rng, [1, 7, PAGE]) :]


def swap_pages(content, rng):
    """Swap two pages, or put one in the place of the other."""
    out = bytearray(content)
    first, second = (PAGE * int(n) for n in rng.integers(len(content) // PAGE, size=2))
    out[second : second + PAGE] = content[first : first + PAGE]
    if rng.random() < 0.5:
        out[first : first + PAGE] = content[second : second + PAGE]
    return bytes(out)


def change_words(content, rng):
    """Change numbers in the header of the file or of a page, as if its parser were to be led on."""
    out = bytearray(content)
    page = PAGE * int(rng.integers(len(content) // PAGE)) if rng.random() < 0.7 else 0
    for _ in range(int(rng.integers(1, 3))):
        place, size = page + int(rng.integers(100)), choose(rng, [1, 2, 4])
        value = choose(rng, [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
        out[place : place + size] = (value % 256**size).to_bytes(size, "big")
    return bytes(out)
