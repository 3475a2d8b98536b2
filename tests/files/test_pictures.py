"""Reading: every kind of picture arrives upright, 8 bits a value and whole; all else is refused in one line."""

import io
import itertools
import struct
import sys
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import cmyk_profile, encoded, peak_memory, photograph, png16
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from workbench.config import WorkbenchError
from workbench.files.picture_kinds import metadata
from workbench.files.pictures import HIDDEN, MOST_PIXELS, SMALLEST, Photo, Refused, check_kind, decode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def refused(content: bytes, *parts: str) -> None:
    with pytest.raises(Refused) as caught:
        decode(content)
    text = str(caught.value)
    assert all(part in text for part in parts), text
    assert "\n" not in text
    assert ":" in text  # after it: what to do
    assert isinstance(caught.value, WorkbenchError)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("grey", [False, True])
def test_lossless_pictures_arrive_value_for_value(format, grey):
    pixels = photograph(grey=grey)
    found = decode(encoded(Image.fromarray(pixels), format))
    assert found.pixels.dtype == np.uint8
    assert np.array_equal(found.pixels, np.atleast_3d(pixels))
    assert (found.alpha, found.icc, found.notes) == (None, None, ())


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "GIF"])
def test_lossy_pictures_equal_pillows_own_decoding(format):
    content = encoded(Image.fromarray(photograph()), format)
    assert np.array_equal(decode(content).pixels, np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))


def test_a_picture_longer_than_a_strip_is_whole():
    pixels = photograph(height=600, width=40)
    assert np.array_equal(decode(encoded(Image.fromarray(pixels))).pixels, pixels)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(photograph()), format, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    found = decode(content)
    assert np.array_equal(found.pixels, np.asarray(expected))
    assert found.pixels.shape[:2] == ((48, 64) if orientation < 5 else (64, 48))
    assert ("turned upright" in found.notes) == (orientation > 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation):
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = photograph()
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
              5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2),
              8: np.rot90(upright, -1)}[orientation]  # fmt: skip
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), "HEIF", exif=exif.tobytes(), quality=95)
    found = decode(content, "a.heic")
    assert found.pixels.shape == upright.shape
    assert np.abs(found.pixels.astype(int) - upright).mean() < 12
    assert ("turned upright" in found.notes) == (orientation > 1)


def test_ten_bit_heic_is_brought_to_eight():
    pillow_heif = pytest.importorskip("pillow_heif")
    values = (photograph().astype(np.uint16) << 8).tobytes()
    stream = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(64, 48), data=values).save(stream, quality=95)
    found = decode(stream.getvalue())
    assert found.notes == ("10 bits a value brought to 8",)
    assert np.abs(found.pixels.astype(int) - photograph()).mean() < 12


def test_heic_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    refused(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + b"\0" * 64, "HEIC", "pip install pillow-heif")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_transparency_is_kept_and_hidden_colour_removed(mode, format):
    pixels, alpha = photograph(grey=mode == "LA"), photograph(seed=9, grey=True)
    alpha[:10] = 0
    layers = np.dstack([pixels, alpha])
    found = decode(encoded(Image.fromarray(layers, mode), format))
    assert np.array_equal(found.alpha, alpha)
    seen = alpha > 0
    assert np.array_equal(found.pixels[seen], np.atleast_3d(pixels)[seen])
    assert not found.pixels[~seen].any()
    assert HIDDEN in found.notes


def test_transparency_without_hidden_colour_needs_no_note():
    layers = np.dstack([photograph(), np.full((48, 64), 200, np.uint8)])
    assert decode(encoded(Image.fromarray(layers))).notes == ()


@pytest.mark.parametrize("mode", ["P", "1", "L", "RGB"])
def test_a_transparent_colour_becomes_transparency(mode):
    image = Image.fromarray(photograph()).quantize(8) if mode == "P" else Image.fromarray(photograph()).convert(mode)
    colour = image.getpixel((20, 20))
    found = decode(encoded(image, transparency=1 if mode == "1" and colour else colour))
    shown = image.convert("L") if mode == "1" else image
    expected = (np.asarray(shown) == np.array(colour)).reshape(48, 64, -1).all(2)
    assert np.array_equal(found.alpha == 0, expected)
    assert found.pixels.shape[2] == (1 if mode in "1L" else 3)
    assert not found.pixels[expected].any()


def test_palette_and_black_and_white_pictures_become_plain():
    image = Image.fromarray(photograph())
    assert np.array_equal(decode(encoded(image.quantize(16))).pixels, np.asarray(image.quantize(16).convert("RGB")))
    found = decode(encoded(image.convert("1")))
    assert found.pixels.shape == (48, 64, 1)
    assert set(np.unique(found.pixels)) == {0, 255}


def test_cmyk_goes_through_its_profile_and_without_one_is_refused():
    image = Image.fromarray(photograph()).convert("CMYK")
    for format in ("TIFF", "JPEG"):
        refused(encoded(image, format), "CMYK", "RGB")
        found = decode(encoded(image, format, icc_profile=cmyk_profile()))
        assert found.pixels.shape == (48, 64, 3)
        assert found.icc is None
        assert "CMYK" in found.notes[0]
    paper = Image.new("CMYK", (48, 48), (0, 0, 0, 0))
    assert decode(encoded(paper, "TIFF", icc_profile=cmyk_profile())).pixels.min() > 245
    ink = Image.new("CMYK", (48, 48), (255, 255, 255, 255))
    assert decode(encoded(ink, "TIFF", icc_profile=cmyk_profile())).pixels.max() < 10
    refused(encoded(image, "TIFF", icc_profile=SRGB), "CMYK")


def test_ycbcr_is_converted_and_lab_refused():
    image = Image.fromarray(photograph()).convert("YCbCr")
    found = decode(encoded(image, "TIFF"))
    assert np.array_equal(found.pixels, np.asarray(image.convert("RGB")))
    assert "YCbCr" in found.notes[0]
    refused(encoded(Image.fromarray(photograph()).convert("LAB"), "TIFF"), "Lab")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_not_cut(format):
    values = np.linspace(0, 65535, 48 * 64).round().astype(np.uint16).reshape(48, 64)
    found = decode(encoded(Image.fromarray(values), format))
    assert np.array_equal(found.pixels[:, :, 0], np.rint(values / 257).astype(np.uint8))
    assert "16 bits a value brought to 8" in found.notes


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_colour_is_brought_to_eight_and_said(format):
    values = photograph(height=48, width=48).astype(np.uint16) * 257
    if format == "PNG":
        content = png16(values)
    else:
        stream = io.BytesIO()
        tifffile.imwrite(stream, values, photometric="rgb")
        content = stream.getvalue()
    found = decode(content)
    assert np.array_equal(found.pixels, values // 257)
    assert "16 bits a value brought to 8" in found.notes


def test_sixteen_bit_bmp_is_no_deep_picture():
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    header = struct.pack("<IiiHHIIiiII", 40, 32, 32, 1, 16, 3, 32 * 64, 0, 0, 0, 0) + masks
    found = decode(b"BM" + struct.pack("<IHHI", 66 + 2048, 0, 0, 66) + header + b"\x1f\0" * 1024)
    assert found.notes == ()
    assert (found.pixels == (0, 0, 255)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32])
def test_values_of_thirty_two_bits_are_refused(dtype):
    stream = io.BytesIO()
    tifffile.imwrite(stream, photograph(grey=True).astype(dtype))
    refused(stream.getvalue(), "8-bit")


def test_profiles_are_kept_and_unfit_ones_left_out_with_a_note():
    colour, grey = Image.fromarray(photograph()), Image.fromarray(photograph(grey=True))
    for format in ("PNG", "JPEG", "TIFF", "WEBP", "AVIF"):
        assert decode(encoded(colour, format, icc_profile=SRGB)).icc == SRGB
    for image, profile in ((grey, SRGB), (colour, cmyk_profile()), (colour, b"no profile at all" * 20)):
        found = decode(encoded(image, "JPEG", icc_profile=profile))
        assert found.icc is None
        assert "profile" in found.notes[0]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_several_frames_are_refused_with_their_number(format):
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    frames = [Image.fromarray(photograph(seed=seed)) for seed in range(3)]
    refused(encoded(frames[0], format, save_all=True, append_images=frames[1:]), "3 frames")


def test_the_first_picture_of_an_mpo_is_taken():
    first, second = (Image.fromarray(photograph(seed=seed)) for seed in range(2))
    found = decode(encoded(first, "MPO", save_all=True, append_images=[second]), "IMG.JPG")
    assert found.notes == ("second picture of the file (MPO) left out",)
    assert np.array_equal(found.pixels, decode(encoded(first, "JPEG")).pixels)


@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_after_a_jpeg_are_noted_and_not_taken_for_pixels(progressive):
    exif = Image.Exif()
    exif[0x010E] = "thumbnail \xff\xd9 like"
    content = encoded(Image.fromarray(photograph()), "JPEG", progressive=progressive, exif=exif)
    assert decode(content).notes == ()
    found = decode(content + b"\0\0\0\x18ftypmp42 a film \xff\xd9 more")
    assert found.notes == ("27 bytes after the picture (of a motion photo?) left out",)
    assert np.array_equal(found.pixels, decode(content).pixels)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "HEIF"])
def test_truncated_pictures_are_refused(format):
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    content = encoded(Image.fromarray(photograph(height=200, width=300)), format)
    for share in (0.3, 0.6, 0.9):
        refused(content[: int(len(content) * share)], "fetch it again")


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"", "empty"), (b"Dear diary, today", "not an image"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
     (b"\xef\xbb\xbf\n<?xml version='1.0'?><svg/>", "SVG"), (b"%!PS-Adobe-3.0 EPSF", "EPS"), (b"8BPS\0\1", "PSD"),
     (b"%PDF-1.7", "PDF"), (b"PK\3\4 zip", "unpack"), (b"\0\0\0\x18ftypmp42", "film"), (b"\x1f\x8b\x08", "unpack"),
     (b"\0" * 4096, "not an image"), (b"SIMPLE  =                    T", "not an image")],
)  # fmt: skip
def test_what_is_no_picture_is_named(content, part):
    refused(content, part)
    with pytest.raises(Refused):
        check_kind(content[:64])


def test_the_content_decides_and_a_wrong_name_is_noted():
    content = encoded(Image.fromarray(photograph()))
    assert decode(content, "photo.jpg").notes == ("is a PNG named .jpg",)
    assert decode(content, "photo.PNG").notes == decode(content, "photo").notes == ()
    refused(b"not really", "not an image")


@pytest.mark.parametrize("size", [(1, 1), (SMALLEST - 1, 500), (500, SMALLEST - 1)])
def test_small_pictures_are_refused_unless_asked_for(size):
    content = encoded(Image.new("RGB", size))
    refused(content, "too small to protect", f"{size[0]}×{size[1]}")
    assert decode(content, smallest=1).pixels.shape == (size[1], size[0], 3)
    assert decode(encoded(Image.new("RGB", (SMALLEST, SMALLEST)))).pixels.shape == (SMALLEST, SMALLEST, 3)


@pytest.mark.parametrize("side", [11_000, 20_000, 60_000])
@pytest.mark.parametrize("pillows", [MOST_PIXELS, None])
def test_decompression_bombs_are_refused_without_being_unpacked(side, pillows, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)  # another library may have lifted Pillow's guard

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    tracemalloc.start()
    refused(content, "million", "smaller")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_the_cap_is_pillows_too():
    assert Image.MAX_IMAGE_PIXELS == MOST_PIXELS == 120_000_000


def test_raw_files_are_not_taken_for_their_thumbnails():
    tags = [(50706, "B", 4, (1, 4, 0, 0), False)]
    stream = io.BytesIO()
    tifffile.imwrite(stream, photograph(), photometric="rgb", extratags=tags)
    refused(stream.getvalue(), "raw")


def test_damaged_exif_does_not_hinder_a_good_picture():
    content = encoded(Image.fromarray(photograph()), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1")
    assert decode(content).pixels.shape == (48, 64, 3)


def test_warnings_of_the_rest_of_the_program_are_left_alone():
    before = list(warnings.filters)
    decode(encoded(Image.fromarray(photograph())))
    assert warnings.filters == before


BASES = [encoded(Image.fromarray(photograph()), format) for format in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP")]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BASES), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20))
def test_damaged_bytes_are_a_picture_or_refused_in_one_line(content, changes):
    damaged = bytearray(content)
    for where, value in changes:
        damaged[int(where * (len(damaged) - 1))] = value
    try:
        found: Photo | Refused = decode(bytes(damaged))
    except Refused as error:
        found = error
    assert "\n" not in str(found) if isinstance(found, Refused) else found.pixels.dtype == np.uint8


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_metadata_is_named(format):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[1] = "N"
    image = Image.fromarray(photograph())
    assert metadata(encoded(image, format, icc_profile=SRGB)) == ()
    found = metadata(encoded(image, format, exif=exif))
    assert found == (("EXIF",) if format == "TIFF" else ("EXIF", "GPS"))  # Pillow writes no GPS into a TIFF


def test_metadata_of_a_png_is_found_wherever_it_stands():
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    late = PngImagePlugin.PngInfo()
    late.add(b"tIME", b"\x07\xea\1\1\1\1\1", after_idat=True)
    late.add(b"prVt", b"x", after_idat=True)
    image = Image.fromarray(photograph())
    assert metadata(encoded(image, pnginfo=text)) == ("text",)
    assert metadata(encoded(image, pnginfo=late)) == ("chunk prVt", "time")
    assert metadata(encoded(image) + b"film") == ("bytes after the picture",)
    assert metadata(encoded(image, "JPEG", comment=b"hello")) == ("comment",)
    assert metadata(encoded(image, "JPEG", xmp=b"<x:xmpmeta/>")) == ("XMP",)


def test_a_large_photo_takes_little_more_memory_than_its_pixels():
    pixels = np.tile(photograph(height=48, width=64), (63, 63, 1))  # 12 megapixels
    content = encoded(Image.fromarray(pixels), "JPEG")
    decode(encoded(Image.fromarray(photograph())))
    assert peak_memory(lambda: decode(content)) < 3.2 * pixels.nbytes  # Pillow's own copy has four bytes a pixel


def test_the_corners_of_two_orientations_differ():
    """The pictures of these tests tell all eight orientations apart."""
    image = Image.fromarray(photograph())
    turned = [np.asarray(image.transpose(turn)) for turn in Image.Transpose] + [photograph()]
    assert all(not np.array_equal(one, other) for one, other in itertools.combinations(turned, 2))
