#!/usr/bin/env python3
"""What Stable Diffusion WebUI does on the CPU around each image, with the real NumPy, Pillow and OpenCV.

    pip install numpy pillow opencv-python-headless
    oddcore exec -- python3 docs/examples/webui_chain.py picture.png

Prints one line a stage: its name, type, shape, and the SHA-256 of its values. The same picture gives the same lines on
every run and every sound core; which line differs tells which library went wrong. The networks run on the GPU in the real
program. Here an enlargement to blocks of 4 x 4 stands for the upscaler and a negative for the sampler, so that each value
has one right answer.
"""
import hashlib
import sys

import cv2
import numpy as np
from PIL import Image, ImageDraw

TILE, OVERLAP, FACTOR = 192, 8, 4  # the upscaler's tiles, what neighbours share, and how much larger they come back
DETECTOR, WORKING = 640, 512  # sides of the pictures that detector and sampler take


def line(*words):
    """One line of output, written at once, so that a crash shows how far it came."""
    print(*words, flush=True)


def say(stage, values):
    """The line of a stage."""
    values = np.ascontiguousarray(values)
    shape = "x".join(str(side) for side in values.shape)
    line(stage, values.dtype.name, shape, hashlib.sha256(values.tobytes()).hexdigest())
    return values


def from_latent(planes):
    """Planes of floats from -1 to 1, as the decoder on the GPU gives them, to a picture; cuts off what is behind the point."""
    unit = np.clip((planes + np.float32(1)) / np.float32(2), 0, 1)
    return (np.float32(255) * np.moveaxis(unit, 0, 2)).astype(np.uint8)


def resize_all(picture):
    """Pillow's two filters to larger, smaller and odd sizes."""
    wide, high = picture.size
    sizes = {
        "x2": (2 * wide, 2 * high),
        "x1.5": (3 * wide // 2, 3 * high // 2),
        "half": (wide // 2, high // 2),
        "odd": (7 * wide // 5 + 1, 3 * high // 7 + 1),
    }
    for name, kind in (("lanczos", Image.Resampling.LANCZOS), ("bicubic", Image.Resampling.BICUBIC)):
        for label, size in sizes.items():
            say(f"{name}_{label}", np.asarray(picture.resize(size, kind)))


def starts(length):
    """Where tiles begin along a side: evenly spread, the last one ending with the picture."""
    count = max(1, -(-(length - OVERLAP) // (TILE - OVERLAP)))
    step = (length - TILE) / (count - 1) if count > 1 else 0
    return [min(int(step * n), length - TILE) for n in range(count)]


def fade(under, over, weight):
    """`over` on `under` by weights from 0 to 255, rounded as Pillow does when it pastes with a mask."""
    sum_of_both = under.astype(np.uint32) * (255 - weight) + over.astype(np.uint32) * weight + 128
    return ((sum_of_both + (sum_of_both >> 8)) >> 8).astype(np.uint8)


def lay(onto, piece, at, weights):
    """Puts a piece down along the first axis; what overlaps fades in."""
    if at == 0:
        onto[: len(piece)] = piece
        return
    shared = len(weights)
    onto[at : at + shared] = fade(onto[at : at + shared], piece[:shared], weights)
    onto[at + shared : at + len(piece)] = piece[shared:]


def enlarge(tile):
    """One tile there and back: to the network's layout, its place taken by blocks of one colour, and to pixels again."""
    planes = np.ascontiguousarray(tile[:, :, ::-1].transpose(2, 0, 1)) / 255
    planes = planes.astype(np.float32)
    large = planes.repeat(FACTOR, axis=1).repeat(FACTOR, axis=2)
    pixels = np.round(np.float32(255) * np.moveaxis(np.clip(large, 0, 1), 0, 2)).astype(np.uint8)
    return planes, np.ascontiguousarray(pixels[:, :, ::-1])


def upscale(picture):
    """Decode, look at every pixel as Python does, enlarge tile by tile, join, and shrink to twice the size."""
    pixels = np.asarray(picture)
    high, wide = pixels.shape[:2]
    latent = np.ascontiguousarray(np.moveaxis(pixels.astype(np.float32) / np.float32(127.5) - np.float32(1), 2, 0))
    say("latent_chw", latent)
    decoded = say("decoded", from_latent(latent))
    # A list of tuples of Python's integers, as the program's hash of a picture makes it.
    tuples = list(map(tuple, decoded.reshape(-1, 3).tolist()))
    say("getdata", np.array(tuples, dtype=np.int64))

    weights = (np.arange(OVERLAP * FACTOR, dtype=np.float32) * 255 / (OVERLAP * FACTOR)).astype(np.uint8).astype(np.uint32)
    joined = np.zeros((high * FACTOR, wide * FACTOR, 3), np.uint8)
    went_in, came_out = hashlib.sha256(), hashlib.sha256()
    for top in starts(high):
        # A row is joined from its tiles along its width, seen with the axes swapped.
        row = np.zeros((wide * FACTOR, TILE * FACTOR, 3), np.uint8)
        for left in starts(wide):
            planes, pixels = enlarge(decoded[top : top + TILE, left : left + TILE])
            went_in.update(planes.tobytes())
            came_out.update(pixels.tobytes())
            lay(row, pixels.transpose(1, 0, 2), left * FACTOR, weights[:, None, None])
        lay(joined, row.transpose(1, 0, 2), top * FACTOR, weights[:, None, None])
    line("tiles_in", "stream", "-", went_in.hexdigest())
    line("tiles_out", "stream", "-", came_out.hexdigest())
    say("joined", joined)
    size = (2 * wide // 8 * 8, 2 * high // 8 * 8)
    say("upscaled", np.asarray(Image.fromarray(joined).resize(size, Image.Resampling.LANCZOS)))


def detail(picture):
    """One round of ADetailer: the detector's input, a mask, the cut-out to the sampler and back, and the composite."""
    pixels = np.asarray(picture)
    high, wide = pixels.shape[:2]
    ratio = min(DETECTOR / high, DETECTOR / wide)
    fit = (round(wide * ratio), round(high * ratio))
    small = cv2.resize(np.ascontiguousarray(pixels[:, :, ::-1]), fit, interpolation=cv2.INTER_LINEAR)
    say("letterbox_linear", small)
    beside, above = -fit[0] % 32, -fit[1] % 32
    edges = (above // 2, above - above // 2, beside // 2, beside - beside // 2)
    boxed = cv2.copyMakeBorder(small, *edges, cv2.BORDER_CONSTANT, value=(114,) * 3)
    batch = np.ascontiguousarray(boxed[np.newaxis, :, :, ::-1].transpose(0, 3, 1, 2))
    say("detector_input", batch.astype(np.float32) / np.float32(255))

    # Left of the middle and above it, where a face would have been found.
    corners = (wide // 4, high // 4, wide // 2, high // 2)
    drawn = Image.new("L", (wide, high))
    ImageDraw.Draw(drawn).rectangle(corners, fill=255)
    mask = cv2.dilate(np.asarray(drawn), np.ones((4, 4), np.uint8))
    say("mask_dilated", mask)
    say("mask_count", np.array([cv2.countNonZero(mask)], np.int64))
    soft = say("mask_blur_h", cv2.GaussianBlur(mask, (21, 1), 4))
    soft = say("mask_blur", cv2.GaussianBlur(soft, (1, 21), 4))
    soft = Image.fromarray(soft)

    left, top, right, bottom = soft.getbbox()
    box = (max(left - 32, 0), max(top - 32, 0), min(right + 32, wide), min(bottom + 32, high))
    say("crop_box", np.array(box, np.int64))
    cut, cut_mask = (
        whole.crop(box).resize((WORKING, WORKING), Image.Resampling.LANCZOS) for whole in (picture, soft)
    )
    say("crop_image", np.asarray(cut))
    say("crop_mask", np.asarray(cut_mask))
    planes = say("crop_chw", np.moveaxis(np.asarray(cut).astype(np.float32) / np.float32(255), 2, 0))
    latent_mask = np.asarray(cut_mask.resize((WORKING // 8,) * 2, Image.Resampling.BICUBIC))
    say("latent_mask", np.tile(np.around(latent_mask.astype(np.float32) / np.float32(255))[np.newaxis], (4, 1, 1)))
    painted = say("inpainted", from_latent(np.float32(1) - np.float32(2) * planes))

    back = Image.fromarray(painted).resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS)
    say("back", np.asarray(back))
    layer = Image.new("RGBA", picture.size)
    layer.paste(back, box[:2])
    layer.putalpha(soft)
    whole = picture.convert("RGBA")
    whole.alpha_composite(layer)
    say("composite", np.asarray(whole.convert("RGB")))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    picture = Image.open(sys.argv[1]).convert("RGB")
    if min(picture.size) < TILE:
        sys.exit(f"{sys.argv[1]}: too small; {TILE} x {TILE} pixels at least")
    resize_all(picture)
    upscale(picture)
    detail(picture)


main()
