#!/usr/bin/env python3
"""What `picture-moves` and `picture-masks` must give, by NumPy, Pillow and OpenCV: the lines of webui.tsv that are theirs.

    pip install numpy pillow opencv-python-headless
    python3 operations.py PICTURE.png...
"""
import hashlib, sys
import cv2
import numpy as np
from PIL import Image

f32 = np.float32


def moves(a):
    h, w = a.shape[:2]
    chw = np.ascontiguousarray(np.moveaxis(a.astype(f32) / f32(127.5) - f32(1), 2, 0)); yield "planes_f32", chw
    doubles = np.ascontiguousarray(np.transpose(a[:, :, ::-1], (2, 0, 1))) / 510; yield "planes_f64", doubles
    narrowed = doubles.astype(f32); yield "narrowed", narrowed
    yield "widened", a.astype(np.int64)
    negative = f32(1) - f32(2) * chw; yield "negative", negative
    x = np.clip((negative + f32(1)) / f32(2), 0, 1)
    yield "truncated", (f32(255) * np.moveaxis(x, 0, 2)).astype(np.uint8)
    yield "rounded", np.round(f32(255) * np.moveaxis(np.clip(negative, 0, 1), 0, 2)).astype(np.uint8)
    yield "rounded_f64", np.round(255 * np.moveaxis(np.clip(doubles, 0, 1), 0, 2)).astype(np.uint8)
    yield "repeated", np.repeat(narrowed, 4, 2).reshape(3, h, w, 4)
    bgr = np.ascontiguousarray(a[:, :, ::-1]); yield "bgr", bgr
    rgba = Image.fromarray(bgr).convert("RGBA"); yield "rgba", np.asarray(rgba)
    yield "rgb", np.asarray(rgba.convert("RGB"))


def masks(a):
    h, w = a.shape[:2]
    red, green, blue = (np.ascontiguousarray(a[:, :, c]) for c in range(3))
    yield "channels", np.stack([red, green, blue])
    yield "dilated", cv2.dilate(green, cv2.getStructuringElement(cv2.MORPH_RECT, (4, 4)))
    yield "count", np.array([cv2.countNonZero(green)], np.int64)
    across = cv2.GaussianBlur(green, (21, 1), 4); yield "blurred_across", across
    blurred = cv2.GaussianBlur(across, (1, 21), 4); yield "blurred", blurred
    yield "box", np.array(Image.fromarray(green).getbbox() or (0, 0, 0, 0), np.int64)
    pasted = Image.fromarray(red.copy()); pasted.paste(Image.fromarray(blue), (0, 0), Image.fromarray(blurred))
    yield "pasted", np.asarray(pasted)
    base = Image.fromarray(np.dstack([a, green]), "RGBA")
    base.alpha_composite(Image.fromarray(np.dstack([a[:, :, ::-1], blue]), "RGBA"))
    yield "composite", np.asarray(base)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        a = np.asarray(Image.open(path).convert("RGB"))
        for kernel, stages in ("picture-moves", moves), ("picture-masks", masks):
            for stage, values in stages(a):
                values = np.ascontiguousarray(values)
                digest = hashlib.sha256(values.tobytes()).hexdigest()[:32]
                print(path.split("/")[-1], kernel, stage, values.dtype.name, "x".join(map(str, values.shape)), digest, sep="\t")
