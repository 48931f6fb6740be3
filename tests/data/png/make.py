"""The pictures of this folder, one of every kind of PNG, and what Pillow makes of them: `python3 make.py`, with Pillow 13.

`pillow.tsv` has a line for each: name, width, height, CRC-32 of the bytes of `Image.open(name).convert("RGB")`.
"""

import pathlib
import random
import struct
import warnings
import zlib

from PIL import Image

WIDTH, HEIGHT = 11, 9
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
COLOURS = {0: "grey", 2: "rgb", 3: "palette", 4: "grey-alpha", 6: "rgba"}
DEPTHS = {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def row(pixels, bits):
    """One row, filter 0."""
    samples = [sample for pixel in pixels for sample in pixel]
    if bits == 16:
        return b"\0" + struct.pack(f">{len(samples)}H", *samples)
    text = "".join(f"{sample:0{bits}b}" for sample in samples)
    text += "0" * (-len(text) % 8)
    return b"\0" + bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def rows(pixels, bits, interlaced):
    passes = PASSES if interlaced else [(0, 0, 1, 1)]
    parts = [line[x::dx] for x, y, dx, dy in passes for line in pixels[y::dy]]
    return b"".join(row(part, bits) for part in parts if part)


def png(colour, bits, pixels, interlaced=False, before=b""):
    header = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), bits, colour, 0, 0, interlaced)
    data = zlib.compress(rows(pixels, bits, interlaced), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def noise(colour, bits, width=WIDTH, height=HEIGHT):
    # Half of the wide samples are small, so that clipping and taking the high byte differ both ways.
    sample = lambda: random.randrange(random.choice([600, 1 << bits]) if bits == 16 else 1 << bits)
    return [[tuple(sample() for _ in range(CHANNELS[colour])) for _ in range(width)] for _ in range(height)]


def pictures():
    for colour, depths in DEPTHS.items():
        for bits in depths:
            for interlaced in (False, True):
                for transparent in (False, True) if colour in (0, 2, 3) else (False,):
                    pixels, before = noise(colour, bits), b""
                    if colour == 3:
                        before += chunk(b"PLTE", random.randbytes(3 << bits))
                    if transparent:
                        first = struct.pack(f">{CHANNELS[colour]}H", *pixels[0][0])
                        before += chunk(b"tRNS", random.randbytes(2) if colour == 3 else first)
                    ending = "-interlaced" * interlaced + "-transparent" * transparent
                    yield f"{COLOURS[colour]}-{bits}{ending}", png(colour, bits, pixels, interlaced, before)
    yield "palette-short", png(3, 4, noise(3, 4), before=chunk(b"PLTE", bytes(range(30, 39))))
    yield "gamma", png(2, 8, noise(2, 8), before=chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"sBIT", b"\3\3\3"))
    yield "one-pixel-interlaced", png(2, 8, noise(2, 8, 1, 1), True)
    yield "one-column-interlaced", png(2, 8, noise(2, 8, 1, 9), True)


def main():
    random.seed(5)
    warnings.simplefilter("ignore")
    folder = pathlib.Path(__file__).parent
    lines = []
    for name, data in pictures():
        path = folder / f"{name}.png"
        path.write_bytes(data)
        picture = Image.open(path).convert("RGB")
        lines.append(f"{name}\t{picture.width}\t{picture.height}\t{zlib.crc32(picture.tobytes()):08x}\n")
    (folder / "pillow.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
