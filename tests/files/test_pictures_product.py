"""What a picture is, over the product of container, mode, depth, transparency, orientation and description of colours.

Every file is written from known values by hand, so the right answer is known without any other reader.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import picture_files as files
import pytest
import tifffile
from photographs import cmyk_profile, encoded
from PIL import Image, ImageCms

from workbench.apps.photos.write_copy import write
from workbench.config import DataError
from workbench.files.picture_colours import ADOBE_RGB, LEFT_OUT
from workbench.files.picture_kinds import metadata
from workbench.files.pictures import Refused, decode, read_exact

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = SRGB.replace(b"RGB XYZ", b"GRAYXYZ", 1)
Right = tuple[np.ndarray, np.ndarray | None]  # pixels H×W×C and alpha, 0 to 255


def right(pixels: np.ndarray, alpha: np.ndarray | None = None) -> Right:
    """What decoding must give: nothing is told of colours under full transparency, nor of alpha where all is opaque."""
    pixels = np.atleast_3d(pixels)
    if alpha is not None:
        pixels = np.where(alpha[:, :, None] == 0, 0, pixels)
    return pixels, None if alpha is None or (alpha == 255).all() else alpha


def equals(content: bytes, expected: Right, most: float = 0) -> None:
    """Decode, and read for training, and compare with what is right; `most`: how far values may be away."""
    found = decode(content)
    assert found.pixels.shape == expected[0].shape
    assert np.abs(found.pixels - expected[0].astype(float)).max() <= most
    assert np.array_equal(found.alpha, expected[1])


def turned(right: Right, orientation: int) -> Right:
    """What is stored, as it is shown with this EXIF orientation."""
    turn = (lambda a: a, lambda a: a[:, ::-1], lambda a: a[::-1, ::-1], lambda a: a[::-1], lambda a: a.swapaxes(0, 1),
            lambda a: np.rot90(a, -1), lambda a: a[::-1, ::-1].swapaxes(0, 1), np.rot90)[orientation - 1]  # fmt: skip
    return turn(right[0]), None if right[1] is None else turn(right[1])


def exif(orientation: int, space: int | None = None, index: bytes = b"R98\0") -> bytes:
    """An EXIF block by hand: orientation, colour space and the index of interoperability."""
    ifd = struct.pack(">HHHIHHHHIII", 2, 0x0112, 3, 1, orientation, 0, 0x8769, 4, 1, 38, 0)
    inner = struct.pack(">HHHIHHHHIII", 2, 0xA001, 3, 1, space or 1, 0, 0xA005, 4, 1, 68, 0)
    last = struct.pack(">HHHI4sI", 1, 1, 2, 4, index, 0)
    return b"MM\0*" + struct.pack(">I", 8) + ifd + (inner + last if space else bytes(30))


PNG_MODES = [(colour, depth) for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16),
                                                    6: (8, 16)}.items() for depth in depths]  # fmt: skip
GAMMA, PRIMARIES = (b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", ADOBE_RGB[0][1])
P3 = (b"cICP", bytes([12, 13, 0, 1]))
PNG_COLOURS = [  # chunks, what is carried
    ((), ()), ((GAMMA,), (GAMMA,)), ((PRIMARIES, GAMMA), (PRIMARIES, GAMMA)), ((P3,), (P3,)),
    ((PRIMARIES, GAMMA, (b"sRGB", b"\0")), ()), ((P3, (b"sRGB", b"\0")), (P3,)),
    (((b"cICP", b"a secret that is no description"),), ()),
]  # fmt: skip


def png(colour: int, depth: int, keyed: bool, *chunks: tuple[bytes, bytes]) -> tuple[bytes, Right]:
    """A PNG of that colour type, with or without tRNS, and what it is."""
    stored = files.values(depth, {0: 0, 2: 3, 3: 0, 4: 2, 6: 4}[colour])
    shown = files.palette(depth)[stored] if colour == 3 else files.eight(stored, depth)
    alpha = key = None
    if colour in (4, 6):
        shown, alpha = shown[:, :, :-1], shown[:, :, -1]
    elif keyed and colour == 3:
        entries = (np.arange(2**depth) * 37 % 256).astype(np.uint8)
        alpha, key = entries[stored], entries.tobytes()
    elif keyed:
        one = np.atleast_1d(stored[10, 10])
        alpha, key = np.where((np.atleast_3d(stored) == one).all(2), 0, 255), one.astype(">u2").tobytes()
    return files.png(stored, depth, colour, *chunks, key=key), right(shown, alpha)


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize(("colour", "depth"), PNG_MODES)
def test_png(colour, depth, keyed):
    for orientation, (chunks, carried) in itertools.product(range(1, 9), PNG_COLOURS):
        content, expected = png(colour, depth, keyed, *chunks, (b"eXIf", exif(orientation)))
        equals(content, turned(expected, orientation))
        found = decode(content)
        assert (found.icc, found.chunks) == (None, carried)
        assert ("16 bits a value brought to 8" in found.notes) == (depth == 16) == (not found.exact)


@pytest.mark.parametrize(("colour", "depth"), PNG_MODES)
def test_a_profile_fits_what_a_png_becomes(colour, depth, tmp_path):
    fitting, other = (GREY, SRGB) if colour in (0, 4) else (SRGB, GREY)
    for keyed, profile in itertools.product((False, True), (fitting, other, b"damaged")):
        content, expected = png(colour, depth, keyed, (b"iCCP", b"x\0\0" + zlib.compress(profile)), GAMMA)
        equals(content, expected)
        found = decode(content)
        assert (found.icc, found.chunks) == ((fitting, ()) if profile is fitting else (None, (GAMMA,)))
        assert any("colour profile left out" in note for note in found.notes) == (profile is not fitting)
        write(found, found.pixels, tmp_path / f"{keyed}{profile[:20]!r}.png", tmp_path / "aside", 8)


TIFF_MODES = {  # photometric interpretation, channels, what the last of them is: tag 338
    "white is zero": (0, 0, None), "black is zero": (1, 0, None), "palette": (3, 0, None), "RGB": (2, 3, None),
    "RGB and something": (2, 4, 0), "RGBA multiplied": (2, 4, 1), "RGBA": (2, 4, 2),
    "grey and something": (1, 2, 0), "LA multiplied": (1, 2, 1), "LA": (1, 2, 2),
}  # fmt: skip


def tiff(mode: str, depth: int, order: str, **more) -> tuple[bytes, Right]:
    photometric, channels, extra = TIFF_MODES[mode]
    stored = files.values(depth, channels)
    shown = files.eight(2**depth - 1 - stored if photometric == 0 else stored, depth)
    alpha = shown[:, :, -1] if extra else None
    if extra is not None:
        shown, more["tag_338"] = shown[:, :, :-1], extra
    if photometric == 3:
        shown = files.palette(depth)[stored]
    if extra == 1:
        shown = np.minimum(stored[:, :, :-1] / np.maximum(stored[:, :, -1:], 1), 1) * 255
    return files.tiff(stored, depth, photometric, order, **more), right(shown, alpha)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("mode", TIFF_MODES)
def test_tiff(mode, depth):
    several = TIFF_MODES[mode][1] > 0
    for order, deflate, orientation in itertools.product("<>", (False, True), range(1, 9)):
        content, expected = tiff(mode, depth, order, deflate=deflate, tag_274=orientation)
        refused = (several and depth < 8) or (depth == 16 and (mode == "palette" or "grey" in mode or "LA" in mode))
        if refused or (depth == 16 and mode == "white is zero" and order == ">"):
            with pytest.raises(Refused, match="save it as an 8-bit"):
                decode(content)
        else:
            equals(content, turned(expected, orientation), "multiplied" in mode)
            assert any("does not explain" in note for note in decode(content).notes) == ("something" in mode)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("mode", [mode for mode in TIFF_MODES if TIFF_MODES[mode][1]])
def test_a_tiff_in_planes_is_right_or_refused(mode, depth):
    for order, deflate in itertools.product("<>", (False, True)):
        content, expected = tiff(mode, depth, order, deflate=deflate, planar=True)
        if depth == 8 and mode in ("RGB", "RGBA"):
            equals(content, expected)
        else:
            with suppress(Refused):
                equals(content, expected, "multiplied" in mode)


def bmp_cases() -> Iterator[tuple[str, bytes, Right | None]]:
    """Name, file, and what it is; None where it must be refused."""
    seen = files.values(8, 4, seed=3).astype(np.uint8)
    red, green, blue = 0xFF0000, 0xFF00, 0xFF
    for bits in (1, 4, 8):
        stored = files.values(bits)
        rows, table = files.packed(stored, bits), files.palette(bits)
        for header, down in itertools.product((40, 108, 124), (False, True)):
            made = files.bmp(rows, 40, bits, colours=table.tolist(), header=header, downwards=down)
            yield f"{bits} bits {header} {down}", made, right(table[stored])
        two = np.array([[0] * 3, [255] * 3])
        content = files.bmp(files.packed(stored % 2, bits), 40, bits, colours=two.tolist(), header=40)
        yield f"black and white at {bits}", content, right(two[stored % 2][:, :, :1]) if bits == 1 else None
    for name, order in (("24", [2, 1, 0]), ("32", [2, 1, 0, 3])):
        rows = [row.tobytes() for row in seen[:, :, order]]
        yield name, files.bmp(rows, 40, int(name), header=40), right(seen[:, :, :3])
    rows = [row.tobytes() for row in seen[:, :, [2, 1, 0, 3]]]
    alpha = files.bmp(rows, 40, 32, masks=(red, green, blue, 0xFF000000))
    yield "alpha", alpha, right(seen[:, :, :3], seen[:, :, 3].copy())
    for value in (0, 255):
        seen[:, :, 3] = value
        rows = [row.tobytes() for row in seen[:, :, [2, 1, 0, 3]]]
        for masks in ((red, green, blue, 0xFF000000), (red, green, blue, 0), ()):
            yield f"alpha {value}", files.bmp(rows, 40, 32, masks=masks), right(seen[:, :, :3])
    five = files.values(5, 3)
    packed = five[:, :, 0] << 10 | five[:, :, 1] << 5 | five[:, :, 2]
    rows = files.packed(packed, 16, "<")
    yield "555", files.bmp(rows, 40, 16, header=40), right(five * 255 // 31)
    yield "1555", files.bmp(rows, 40, 16, masks=(0x7C00, 0x3E0, 0x1F, 0x8000)), None


@pytest.mark.parametrize(("name", "content", "expected"), bmp_cases())
def test_bmp(name, content, expected):
    if expected is None:
        with pytest.raises(Refused, match="save it as an 8-bit"):
            decode(content)
    else:
        equals(content, expected)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("most", [1, 100, 255, 1023, 65535])
def test_netpbm(most, channels, plain):
    if most == 1:
        stored = files.values(1)
        return equals(files.netpbm(stored, 1, plain), right(255 - 255 * stored))
    stored = files.values(16, channels) % (most + 1)
    content = files.netpbm(stored, most, plain)
    equals(content, right(np.rint(stored * 255 / most)))
    found = decode(content)
    assert found.notes == ((f"{most.bit_length()} bits a value brought to 8",) if most > 255 else ())
    assert found.exact == (most < 256)
    return None


@pytest.mark.parametrize("transparent", [None, 0, 7, 255])
def test_gif(transparent):
    stored, table = files.values(8).astype(np.uint8), files.palette(8).astype(np.uint8)
    image = Image.fromarray(stored, "P")
    image.putpalette(table.tobytes())
    more = {} if transparent is None else {"transparency": transparent}
    content = encoded(image, "GIF", optimize=False, **more)
    alpha = None if transparent is None else np.where(stored == transparent, 0, 255)
    equals(content, right(table[stored], alpha))
    with pytest.raises(Refused, match="fills its screen in part"):
        decode(content[:6] + struct.pack("<HH", 60, 60) + content[10:])
    described = content.replace(b"\x21\xf9", b"\x21\xff\x0bICCRGBG1012\x01x\0\x21\xf9", 1)
    assert (LEFT_OUT in decode(described).notes) == (described != content)


SMOOTH = np.kron(np.arange(12).reshape(3, 4) * 20, np.ones((16, 16), int)).astype(np.uint8)  # whole blocks of one value
COLOURFUL = np.dstack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]])
LAYERS = {"L": SMOOTH[:, :, None], "RGB": COLOURFUL, "RGBA": np.dstack([COLOURFUL, np.maximum(SMOOTH[::-1], 30)])}
LOSSY = [
    (kind, mode) for kind in ("JPEG", "WEBP", "AVIF", "HEIF") for mode in LAYERS if (kind, mode) != ("JPEG", "RGBA")
]


@pytest.mark.parametrize(("kind", "mode"), LOSSY)
def test_lossy_kinds(kind, mode):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    more = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 100}}.get(kind, {"quality": 100})
    layers = LAYERS[mode]
    for orientation in range(1, 9):
        image = Image.fromarray(layers.squeeze())
        content = encoded(image, kind, exif=b"Exif\0\0" + exif(orientation), subsampling="4:4:4", **more)
        shown = turned((layers[:, :, :3], layers[:, :, 3] if mode == "RGBA" else None), orientation)
        found = decode(content)
        grey_as_colour = found.pixels.shape[2] == 3 and mode == "L"  # these kinds may know no grey
        expected = np.repeat(shown[0], 3, 2) if grey_as_colour else shown[0]
        assert found.pixels.shape == expected.shape
        assert np.abs(found.pixels - expected.astype(int)).max() <= 8
        assert (found.alpha is None) == (mode != "RGBA")
        if found.alpha is not None:
            assert np.abs(found.alpha - shown[1].astype(int)).max() <= 8


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("space", "index", "chunks", "said"), [
    (None, b"", (), ""), (1, b"R98\0", (), ""), (1, b"R03\0", (), ""), (2, b"R98\0", ADOBE_RGB, "Adobe RGB"),
    (0xFFFF, b"R03\0", ADOBE_RGB, "Adobe RGB"), (0xFFFF, b"R98\0", (), LEFT_OUT),
])  # fmt: skip
def test_a_cameras_colours(mode, space, index, chunks, said):
    image = Image.fromarray(LAYERS[mode].squeeze())
    for orientation in range(1, 9):
        block = b"Exif\0\0" + exif(orientation, space, index)
        found = decode(encoded(image, "JPEG", exif=block))
        assert (found.icc, found.chunks) == (None, chunks)
        assert said in "".join(found.notes)
        assert len(found.notes) == (orientation > 1) + bool(said)
        profile = GREY if mode == "L" else SRGB
        found = decode(encoded(image, "JPEG", exif=block, icc_profile=profile))
        assert (found.icc, found.chunks) == (profile, ())  # which is stronger


def test_the_colours_of_a_tiff():
    primaries = {"tag_318": (0.3127, 0.329), "tag_319": (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)}
    found = decode(tiff("RGB", 8, "<", **primaries)[0])
    assert (found.chunks, found.notes) == (ADOBE_RGB[:1], ())
    found = decode(tiff("RGB", 8, "<", tag_301=tuple(range(256)) * 3)[0])
    assert (found.chunks, found.notes) == ((), (LEFT_OUT,))


@pytest.mark.parametrize(("space", "describe", "profile", "said"), [
    (b"sRGB", b"", None, ()), (b"Win ", b"", None, ()), (bytes(4), b"", None, ()), (bytes(4), b"\1", None, (LEFT_OUT,)),
    (b"LINK", b"", None, (LEFT_OUT,)), (b"MBED", b"", SRGB, (LEFT_OUT,)),
])  # fmt: skip
def test_the_colours_of_a_bmp(space, describe, profile, said):
    rows = [row.tobytes() for row in files.values(8, 3).astype(np.uint8)]
    found = decode(files.bmp(rows, 40, 24, space=space, describe=describe, profile=profile or b""))
    assert (found.icc, found.chunks, found.notes) == (None, (), said)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize(
    ("said", "chunks"), [((1, 13), ()), ((2, 2), ()), ((12, 13), (P3,)), ((9, 16), ((b"cICP", b"\x09\x10\0\1"),))]
)
def test_the_colours_of_a_film_codecs_still(kind, said, chunks):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    content = encoded(Image.fromarray(LAYERS["RGB"]), kind)
    at = content.find(b"colrnclx") + 8
    assert at >= 8
    found = decode(content[:at] + struct.pack(">HH", *said) + content[at + 4 :])
    assert (found.icc, found.chunks, found.notes) == (None, chunks, ())


def test_the_polarity_of_inks():
    """Adobe's CMYK JPEGs hold 255 for no ink; without Adobe's mark nobody knows."""
    paper = encoded(Image.new("CMYK", (48, 48), (0, 0, 0, 0)), "JPEG", icc_profile=cmyk_profile())
    found = decode(paper)
    assert found.pixels.min() > 245
    assert not found.exact
    at = paper.find(b"\xff\xeeAdobe"[:2])
    length = int.from_bytes(paper[at + 2 : at + 4], "big")
    with pytest.raises(Refused, match="unknown polarity"):
        decode(paper[:at] + paper[at + 2 + length :])


def test_inks_of_sixteen_bits_are_those_of_eight():
    made = []
    for values in (files.values(8, 4).astype(np.uint8), (files.values(8, 4) * 257).astype(np.uint16)):
        stream = io.BytesIO()
        tifffile.imwrite(stream, values, photometric="separated", iccprofile=cmyk_profile())
        made.append(decode(stream.getvalue()))
    assert np.array_equal(made[0].pixels, made[1].pixels)
    assert not made[0].exact


INVISIBLE = {
    "PNG of alpha": files.png(np.dstack([files.values(8, 3), np.zeros((33, 40), int)]), 8, 6),
    "PNG of a palette": files.png(files.values(2), 2, 3, key=bytes(4)),
    "PNG of one colour": files.png(np.full((33, 40), 2), 2, 0, key=b"\0\2"),
    "PNG of one deep colour": files.png(np.full((33, 40), 777), 16, 0, key=struct.pack(">H", 777)),
    "PNG almost": files.png(np.dstack([files.values(16, 3), np.full((33, 40), 100)]), 16, 6),
    "TIFF": files.tiff(np.dstack([files.values(8, 3), np.zeros((33, 40), int)]), 8, 2, tag_338=2),
    "GIF": encoded(Image.new("P", (40, 33), 3), "GIF", transparency=3, optimize=False),
    "WEBP": encoded(Image.new("RGBA", (40, 33), (9, 9, 9, 0)), "WEBP", lossless=True, exact=True),
}


@pytest.mark.parametrize("name", INVISIBLE)
def test_of_what_cannot_be_seen_no_copy_is_made(name):
    with pytest.raises(Refused, match="transparent all over"):
        decode(INVISIBLE[name])


ODD = {
    "signed TIFF": files.tiff(files.values(8), 8, 1, tag_339=2),
    "TIFF of a dark palette": files.tiff(files.values(8), 8, 1, tag_320=tuple(range(256)) * 3),
    "YCbCr of half the resolution": files.tiff(files.values(8, 3), 8, 6, tag_530=(2, 2)),
    "raw": files.tiff(files.values(8, 3), 8, 2, tag_254=1),
}


@pytest.mark.parametrize("name", ODD)
def test_what_would_be_read_as_another_picture_is_refused(name):
    with pytest.raises(Refused, match="save it as an 8-bit RGB PNG or JPEG first"):
        decode(ODD[name])


def every() -> Iterator[tuple[str, bytes, Right]]:
    """Every mode of the lossless kinds once."""
    for (colour, depth), keyed in itertools.product(PNG_MODES, (False, True)):
        yield (f"{colour}-{depth}-{keyed}.png", *png(colour, depth, keyed))
    for mode, depth, order in itertools.product(TIFF_MODES, (1, 2, 4, 8, 16), "<>"):
        content, expected = tiff(mode, depth, order)
        try:
            decode(content)
        except Refused:
            continue
        yield f"{mode}-{depth}-{'le' if order == '<' else 'be'}.tif".replace(" ", "-"), content, expected
    for turn, (name, content, expected) in enumerate(bmp_cases()):
        if expected is not None:
            yield f"{turn}-{name}.bmp".replace(" ", "-"), content, expected
    for most, channels in itertools.product((100, 255, 1023, 65535), (0, 3)):
        stored = files.values(16, channels) % (most + 1)
        yield f"{most}-{channels}.pnm", files.netpbm(stored, most, False), right(np.rint(stored * 255 / most))


EVERY = list(every())


def test_training_sees_what_copies_are_made_of_or_refuses(tmp_path):
    taken = 0
    for name, content, expected in EVERY:
        (tmp_path / name).write_bytes(content)
        found = decode(content)
        if found.exact and found.alpha is None:
            assert np.array_equal(read_exact(tmp_path / name), expected[0]), name
            taken += 1
        else:
            with pytest.raises(DataError, match=f"{name} is not 8-bit RGB or grey"):
                read_exact(tmp_path / name)
    assert 30 < taken < len(EVERY) - 30


def test_a_copy_is_its_original_but_for_the_noise(tmp_path):
    described = [(f"{turn}.png", png(2, 8, True, *chunks)[0]) for turn, (chunks, _) in enumerate(PNG_COLOURS)]
    flagged = encoded(Image.fromarray(LAYERS["RGB"]), "JPEG", exif=b"Exif\0\0" + exif(1, 0xFFFF, b"R03\0"))
    for name, content in [*described, ("adobe.jpg", flagged), *((name, content) for name, content, _ in EVERY)]:
        photo = decode(content)
        write(photo, photo.pixels, tmp_path / "copies" / name, tmp_path / "aside", 8)
        again = (tmp_path / "copies" / name).read_bytes()
        copy = decode(again)
        assert np.array_equal(copy.pixels, photo.pixels), name
        assert np.array_equal(copy.alpha, photo.alpha), name
        assert (copy.icc, copy.chunks, metadata(again)) == (photo.icc, photo.chunks, ()), name
