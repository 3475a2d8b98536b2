"""Recordings: the integers of the file, all of them, or a refusal of one line; copies hold what was to be written."""

import dataclasses
import io
import itertools
import os
import struct
import sys
import time
import wave
from random import Random

import numpy as np
import pytest
import sound_files as files
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config import ConfigError, DataError
from workbench.files import sound_kinds, sounds
from workbench.files.sounds import LARGEST, Sound, copy_name, decode, is_sound, probe, read, write

soundfile = pytest.importorskip("soundfile")


def of(content: bytes, name: str = "") -> Sound:
    return decode(io.BytesIO(content), name)


def refused(content: bytes, *parts: str) -> None:
    with pytest.raises(sounds.Refused) as caught:
        of(content)
    text = str(caught.value)
    assert all(part in text for part in parts), text
    assert text.isprintable()
    assert ":" in text  # after it: what to do


def outcome(action) -> str:
    """What a refusal says; "" for none."""
    try:
        action()
    except DataError as error:
        return str(error)
    return ""


def check_sound(found: Sound) -> None:
    assert found.samples.ndim == 2
    assert found.samples.size
    assert np.isfinite(found.samples).all()
    assert all(map(str.isprintable, (*found.left_out, *found.notes)))


def tree(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_a_wav_gives_its_own_integers(bits, channels):
    samples = files.integers(bits, channels=channels)
    found = of(files.wav(samples, bits, 96_000))
    assert found.samples.dtype == np.int32
    assert np.array_equal(found.samples, samples)
    assert (found.bits, found.rate, found.form, found.left_out, found.notes) == (bits, 96_000, "WAV", (), ())
    assert (found.peak, found.seconds, found.lossy) == (2 ** (bits - 1), len(samples) / 96_000, False)


@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_flac_gives_its_own_integers(bits, channels):
    samples = files.integers(bits, channels=channels)
    found = of(files.flac(samples, bits, 192_000))
    assert np.array_equal(found.samples, samples)
    assert (found.bits, found.rate, found.form, found.samples.dtype) == (bits, 192_000, "FLAC", np.int32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_stays_beyond_full_scale(dtype):
    samples = np.array([[0.5, -3.25], [1e-9, 2.0]], dtype)
    found = of(files.wav(samples, samples.itemsize * 8))
    assert found.samples.dtype == dtype
    assert np.array_equal(found.samples, samples)
    assert (found.bits, found.peak) == (0, 3.25)


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64", "W64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_what_soundfile_writes_is_read_as_it_reads_it(form, subtype):
    every = np.arange(-32768, 32767, 7).astype(np.int16)[:9362].reshape(-1, 2)
    content = files.coded(every, form, subtype)
    found = of(content)
    dtype = {"FLOAT": "float32", "DOUBLE": "float64"}.get(subtype, "int32")
    theirs, rate = soundfile.read(io.BytesIO(content), dtype=dtype, always_2d=True)
    assert np.array_equal(found.samples, theirs >> 32 - found.bits if found.bits else theirs)
    assert found.subtype == subtype
    assert found.lossy == (subtype in ("ULAW", "ALAW"))
    assert rate == found.rate


@pytest.mark.parametrize("law", ["ULAW", "ALAW"])
def test_all_codes_of_the_telephone_are_decoded(law):
    codes = np.arange(256)[:, None]
    content = files.wav(codes, 8, code={"ALAW": 6, "ULAW": 7}[law], body=bytes(range(256)))
    theirs, _ = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    assert np.array_equal(of(content).samples, theirs)


@pytest.mark.parametrize("kind", ["MP3", "VORBIS", "OPUS"])
def test_lossy_recordings_are_rounded_once_and_never_wrap(kind):
    loud = np.sign(np.sin(np.arange(24_000) / 20))[:, None] * [0.99, 0.5]
    form = "MP3" if kind == "MP3" else "OGG"
    content = files.coded(loud, form, "MPEG_LAYER_III" if kind == "MP3" else kind, 48_000)
    exact, _ = soundfile.read(io.BytesIO(content), dtype="float64", always_2d=True)
    assert np.abs(exact).max() > 1
    found = of(content)
    assert found.lossy
    assert (found.bits, found.copy_form, found.samples.dtype) == (16, "FLAC", np.int32)
    right = np.rint(exact * 32768).clip(-32768, 32767)
    assert np.abs(found.samples - right).max() <= (1 if kind == "MP3" else 0)  # which may decode to either side of .5
    assert "beyond the largest size" in " ".join(found.notes)


@pytest.mark.parametrize("kind", files.KINDS)
def test_probing_tells_what_reading_finds(tmp_path, kind):
    path = tmp_path / "one"
    path.write_bytes(files.valid(kind))
    facts, found = probe(path), read(path)
    assert (facts.frames, facts.channels) == found.samples.shape
    assert (facts.rate, facts.bits, facts.form, facts.seconds) == (found.rate, found.bits, found.form, found.seconds)


@pytest.mark.parametrize("kind", files.KINDS)
def test_a_copy_reads_back_and_is_the_same_twice(tmp_path, kind):
    found = of(files.valid(kind))
    for name in ("one", "two"):
        write(tmp_path / name, found)
        time.sleep(0 if kind != "FLOAT" else 1.1)  # a second later, where others write the time
    back = read(tmp_path / "one")
    assert np.array_equal(back.samples, found.samples)
    assert back.samples.dtype == found.samples.dtype
    assert (back.bits, back.rate, back.form, back.speakers) == (
        found.bits, found.rate, found.copy_form, found.speakers,
    )  # fmt: skip
    assert back.left_out == back.notes == ()
    assert len(set(tree(tmp_path).values())) == 1
    theirs, _ = soundfile.read(tmp_path / "one", dtype="int32" if found.bits else "float64", always_2d=True)
    assert np.array_equal(theirs >> 32 - found.bits if found.bits else theirs, found.samples)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_a_written_wav_is_read_by_pythons_own_reader(tmp_path, bits, channels):
    samples = files.integers(bits, 401, channels)
    write(tmp_path / "a.wav", Sound(samples, bits, 44_100, "WAV", ""))
    with wave.open(str(tmp_path / "a.wav")) as opened:
        assert opened.getparams()[:4] == (channels, bits // 8, 44_100, 401)
        assert opened.readframes(401) == files.raw(samples, bits)
    assert (tmp_path / "a.wav").read_bytes() == files.wav(samples, bits, 44_100)


def test_24_bits_stand_in_the_file_byte_for_byte(tmp_path):
    write(tmp_path / "a.wav", Sound(np.array([[1], [-2], [8388607], [-8388608]]), 24, 8000, "WAV", ""))
    body = (tmp_path / "a.wav").read_bytes()[44:]
    assert body == b"\1\0\0" b"\xfe\xff\xff" b"\xff\xff\x7f" b"\0\0\x80"  # fmt: skip


@pytest.mark.parametrize("kind", ["PCM_16", "FLAC_16", "FLAC_24", "VORBIS"])
def test_one_frame_is_a_recording(tmp_path, kind):
    found = dataclasses.replace(of(files.valid(kind)), samples=np.array([[5, -6]]))
    write(tmp_path / "a", found)
    assert read(tmp_path / "a").samples.tolist() == [[5, -6]]


def test_a_long_recording_is_whole(monkeypatch):
    for module in (sound_kinds, sounds.sound_waves, sounds.sound_coded):
        monkeypatch.setattr(module, "BLOCK", 64)
    for kind in files.KINDS:
        assert len(of(files.valid(kind)).samples) in (400, 4000)
    samples = files.integers(24, 333, 3)
    assert np.array_equal(of(files.wav(samples, 24)).samples, samples)
    assert np.array_equal(of(files.flac(samples, 24)).samples, samples)


def test_loudspeakers_and_rare_depths_are_kept():
    samples = files.integers(24, channels=6)
    assert of(files.wav(samples, 24, speakers=0x3F)).speakers == 0x3F
    found = of(files.wav(samples, 24, speakers=0x3F, used=20))
    assert found.notes == ("it uses 20 of its 24 bits a sample",)
    assert np.array_equal(found.samples, samples)


def test_chunks_are_listed_by_name():
    samples = files.integers(16, 5, 1)
    before = files.chunk(b"LIST", b"INFOabc") + files.chunk(b"bext", bytes(10)) + files.chunk(b"LIST", b"adtl")
    found = of(files.wav(samples, 16, before=before, after=files.chunk(b"cue ", bytes(4)) + b"\0rubbish"))
    assert (
        ", ".join(found.left_out)
        == "8 bytes after the recording, broadcast notes (bext), cue points (cue), tags (LIST)"
    )
    assert np.array_equal(found.samples, samples)
    many = b"".join(files.chunk(b"x%03d" % each, b"") for each in range(300))
    assert of(files.wav(samples, 16, before=many)).left_out[-1] == "288 chunks more"
    refused(files.wav(samples, 16, before=many * 40), "more than 10,000 chunks")


@pytest.mark.parametrize("pad", [True, False])
def test_odd_chunks_may_lack_the_byte_that_belongs_behind_them(pad):
    samples = files.integers(8, 7, 1)
    before = files.chunk(b"LIST", b"INFOx", pad=pad)
    found = of(files.wav(samples, 8, before=before, after=files.chunk(b"cue ", b"ab")))
    assert np.array_equal(found.samples, samples)
    assert found.left_out == ("cue points (cue)", "tags (LIST)")


def test_tags_and_cover_art_are_listed():
    plain = files.valid("FLAC_16")
    comments = struct.pack("<I", 3) + b"abc" + struct.pack("<I", 1) + struct.pack("<I", 3) + b"A=b"
    assert of(plain).left_out == ()
    found = of(files.id3() + files.flac_block(files.flac_block(plain, 4, comments), 6, bytes(50)))
    assert found.left_out == ("ID3 tags", "cover art", "tags")
    assert found.notes == ()
    assert np.array_equal(found.samples, of(plain).samples)
    assert of(files.valid("ID3")).left_out == ("ID3 tags", "cover art")
    assert np.array_equal(of(files.valid("ID3")).samples, of(files.valid("MP3")).samples)


@pytest.mark.parametrize("length", [2**32 - 1, 2**32 - 9, 2**31 - 37, 0])
def test_a_wav_of_a_writer_that_never_came_back_is_read_to_its_end(length):
    samples = files.integers(16, 50)
    found = of(files.wav(samples, 16, length=length, riff=0 if not length else 2**32 - 1, after=b"\1"))
    assert np.array_equal(found.samples, samples)
    assert "to the end of the file" in found.notes[0]
    assert found.left_out == ("1 bytes after the last whole frame",)


@pytest.mark.parametrize("made", [files.wav, files.rf64, files.w64])
def test_a_file_cut_short_is_refused(made):
    content = made(files.integers(16), 16)
    refused(content[:-100], "cut short", "1,500 of its 1,600 bytes")
    for length in range(len(content) - 1600):
        refused(content[:length])


def test_frames_that_are_not_there_are_none():
    samples = files.integers(16)
    refused(files.wav(samples[:0], 16), "holds no samples")
    refused(files.wav(samples, 16, length=0), "holds no samples")  # its whole length is told, and right
    refused(files.rf64(samples, 16, length=2**62), "cut short")
    refused(files.w64(samples, 16, length=-1), "damaged")
    assert len(of(files.rf64(samples, 16, length=2**64 - 1, name=b"BW64")).samples) == 400


@pytest.mark.parametrize("kind", ["FLAC_16", "FLAC_24"])
def test_a_damaged_or_shortened_flac_is_refused(kind):
    content = files.valid(kind)
    for cut in (-1, -50, 100, 42, 20, 4):
        refused(content[:cut], "is ")
    for at in range(200, len(content) - 3, 47):
        refused(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :], "damaged")


def test_a_flac_without_length_or_of_other_bits_is_refused():
    content = bytearray(files.valid("FLAC_16"))
    packed = int.from_bytes(content[18:26], "big")
    content[18:26] = (packed >> 36 << 36).to_bytes(8, "big")
    refused(bytes(content), "does not say how long it is")
    content[18:26] = (packed & ~(31 << 36) | 19 << 36).to_bytes(8, "big")
    refused(bytes(content), "20 bits")


def test_a_lossy_recording_may_lack_its_end(capfd):
    for kind in ("MP3", "VORBIS", "OPUS"):
        samples = files.tone(40_000) + files.integers(12, 40_000).astype(np.int16)
        form = "MP3" if kind == "MP3" else "OGG"
        content = files.coded(samples, form, "MPEG_LAYER_III" if kind == "MP3" else kind, 48_000)
        found = of(content[: len(content) * 2 // 3])
        assert 10_000 < len(found.samples) < 40_000
        assert found.notes[0] == "its end is missing"
    assert capfd.readouterr().err == ""  # where libmpg123 likes to complain


def test_damaged_or_several_ogg_files_are_refused_though_decoders_take_them():
    for kind in ("VORBIS", "OPUS"):
        content = files.valid(kind)
        for at in (30, len(content) // 2, len(content) - 5):
            refused(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], "is")
        refused(content * 2, "holds 2 recordings")
    refused(files.coded(files.tone(), "OGG", "VORBIS").replace(b"\x01vorbis", b"\x7fFLACxx"), "neither Vorbis nor Opus")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_by_their_place(wrong):
    samples = files.integers(16).astype(np.float32)
    samples[123, 1] = wrong
    refused(files.wav(samples, 32), str(wrong), "frame 123 of channel 2")


@pytest.mark.parametrize(("subtype", "said"), [("MS_ADPCM", "MS ADPCM"), ("IMA_ADPCM", "IMA ADPCM"),
                                               ("GSM610", "GSM 6.10")])  # fmt: skip
def test_other_codings_in_a_wav_are_refused_by_name(subtype, said):
    refused(files.coded(files.tone(4000, 1), "WAV", subtype), said, "16 bits")


def test_impossible_headers_are_refused():
    samples = files.integers(16)
    refused(files.wav(files.integers(16, channels=9), 16), "9 channels")
    refused(files.wav(samples[:, :0], 16), "0 channels")
    refused(files.wav(samples, 16, 0), "0 frames a second")
    refused(files.wav(samples, 16, 10**9), "1,000,000,000 frames a second")
    refused(files.wav(samples, 16, code=0x55), "MP3")
    refused(files.wav(samples, 16, align=3), "no 3 bytes")
    refused(files.wav(samples, 16, code=0xFFFE), "cut short")
    refused(files.wav(samples, 12, body=b"", align=4), "12 bits")
    refused(files.wav(samples, 16, before=files.format_chunk(1, 1, 8000, 16)), "two chunks 'fmt '")
    refused(files.wav(samples, 16, after=files.chunk(b"data", b"")), "two chunks 'data'")
    refused(b"RIFF\0\0\0\0WAVE" + files.chunk(b"data", bytes(8)), "no format")


def test_too_much_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "long.wav"
    path.write_bytes(files.wav(files.integers(8, channels=1), 8, length=LARGEST + 1))
    os.truncate(path, LARGEST + 100)  # sparse
    with pytest.raises(DataError, match="200,000,001 samples, 25,000 seconds"):
        probe(path)
    refused(files.wav(files.integers(8), 8, 1)[:24] + struct.pack("<I", 1) + bytes(4), "is")
    slow = files.wav(files.integers(8, 10_801, 1), 8, 1)
    refused(slow, "10,801 seconds", "10,800 seconds")
    assert LARGEST * 8 + 200 < 2**32  # bytes: so every WAV can tell its length
    monkeypatch.setattr(sounds.sound_coded, "MOST_BYTES", 100)
    refused(files.valid("FLAC_16"), "is larger than")


OTHER = {
    "text": (b"hello, this is a text\n" * 9, "not a recording"),
    "UTF-16": ("hello".encode("utf-16"), "not a recording"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a picture (PNG)"),
    "AIFF": (b"FORM\0\0\0\0AIFF", "an AIFF"),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "another RIFF"),
    "M4A": (b"\0\0\0\x20ftypM4A ", "MP4"),
    "AAC": (b"\xff\xf1\x50\x80", "an AAC"),
    "ZIP": (b"PK\x03\x04", "unpack it"),
    "empty": (b"", "is empty"),
    "zeros": (bytes(5000), "not a recording"),
    "ID3 alone": (files.id3(), "not a recording"),
    "a frame of MP3": (b"\xff\xfb\x90\x64", "damaged"),
    "MP3 that is all tags": (b"\xff\xfb\x90\x64" + b"APETAGEX" + struct.pack("<IIII", 2000, 2**31 - 1, 0, 2**31)
                             + bytes(8), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_other_files_are_refused_whatever_they_are_called(tmp_path, name):
    content, said = OTHER[name]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path} is ")
    assert said in str(caught.value)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("b.wav", path),
                                  lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink(path, path),
                                  lambda path: None])  # fmt: skip
def test_what_is_no_file_is_not_waited_for(tmp_path, make):
    (tmp_path / "b.wav").write_bytes(files.valid("PCM_16"))
    make(tmp_path / "a.wav")
    begun = time.monotonic()
    for reader in (read, probe):
        with pytest.raises(DataError, match=r"a\.wav (is|cannot)"):
            reader(tmp_path / "a.wav")
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("name", ["a\nb.wav", "\x1b[31m.wav", "\u202egpj.wav", "a" * 250 + ".wav", "\udcff.wav",
                                  "-rf.wav", "null\0.wav", "x" * 400])  # fmt: skip
def test_hostile_names_give_one_line_or_a_recording(tmp_path, name):
    found, path = of(files.valid("PCM_16")), tmp_path / name
    for action in (lambda: write(path, found), lambda: read(path)):
        said = outcome(action)
        assert said == "" or said.isprintable()
    assert not [one for one in tree(tmp_path) if one.endswith(".partial")]


def test_a_note_says_when_the_name_tells_something_else():
    assert of(files.valid("FLAC_16"), "talk.WAV").notes == ("is a FLAC named .wav",)
    for name, kind in (("a.wav", "RF64"), ("a.oga", "OPUS"), ("a.ogg", "VORBIS"), ("a", "MP3"), ("a.W64", "W64")):
        assert of(files.valid(kind), name).notes == ()


def test_names_of_recordings_and_of_their_copies():
    assert all(map(is_sound, ("a.wav", "b/C.FLAC", "a.mp3", "a.ogg", "a.opus", "a.oga", "a.w64", "a.rf64")))
    assert not any(map(is_sound, ("a.png", "wav", ".wav", "a.wav.txt", "a.m4a")))
    wav, mp3, flac = (of(files.valid(kind)) for kind in ("PCM_16", "MP3", "FLAC_16"))
    assert [copy_name(name, wav) for name in ("a/b.WAV", "a.w64", "a.rf64", "c.d", "x.mp3")] == [
        "a/b.WAV", "a.wav", "a.wav", "c.d.wav", "x.wav",
    ]  # fmt: skip
    assert [copy_name(name, mp3) for name in ("a/b.mp3", "a.ogg", "a.v2", "b.wav")] == [
        "a/b.flac", "a.flac", "a.v2.flac", "b.flac",
    ]  # fmt: skip
    assert copy_name("A.FLAC", flac) == "A.FLAC"


UNFIT = {
    "floating point in FLAC": ({"form": "FLAC", "bits": 0, "samples": np.zeros((3, 1), np.float32)}, "floating point"),
    "32 bits in FLAC": ({"form": "FLAC", "bits": 32}, "no 32 bits"),
    "too fast for FLAC": ({"form": "FLAC", "rate": 700_000}, "700,000"),
    "too large": ({"samples": np.full((3, 1), 32768)}, "more than 16 bits"),
    "too small": ({"samples": np.full((3, 1), -32769)}, "more than 16 bits"),
    "fractions": ({"samples": np.full((3, 1), 0.5)}, "float64"),
    "no number": ({"bits": 0, "samples": np.full((3, 1), np.nan)}, "numbers"),
    "no samples": ({"samples": np.zeros((0, 1), int)}, "no samples"),
    "nine channels": ({"samples": np.zeros((3, 9), int)}, "9 channels"),
    "flat": ({"samples": np.zeros(3, int)}, "frames×channels"),
    "no rate": ({"rate": 0}, "0 frames a second"),
    "rare bits": ({"bits": 12}, "12 bits"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_be_written_leaves_what_was_there(tmp_path, name):
    change, said = UNFIT[name]
    (tmp_path / "a").write_text("old")
    with pytest.raises(DataError, match=said) as caught:
        write(tmp_path / "a", dataclasses.replace(Sound(np.zeros((3, 1), int), 16, 8000, "WAV", ""), **change))
    assert str(caught.value).startswith(f"{tmp_path / 'a'} cannot be written, ")
    assert tree(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("kind", ["PCM_24", "FLAC_16", "FLOAT"])
def test_a_copy_that_does_not_read_back_takes_no_place(tmp_path, monkeypatch, kind):
    found = of(files.valid(kind))
    other = dataclasses.replace(found, samples=found.samples + found.samples.dtype.type(1))
    monkeypatch.setattr(sounds, "decode", lambda file: other)
    (tmp_path / "a").write_text("old")
    with pytest.raises(DataError, match="does not read back"):
        write(tmp_path / "a", found)
    assert tree(tmp_path) == {"a": b"old"}


def test_without_soundfile_wav_works_and_the_rest_says_what_to_install(tmp_path, monkeypatch):
    contents = {kind: files.valid(kind) for kind in files.KINDS}
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for kind, content in contents.items():
        path = tmp_path / kind
        path.write_bytes(content)
        if kind in files.CODED:
            with pytest.raises(ConfigError, match="soundfile") as caught:
                read(path)
            assert str(caught.value).isprintable()
        else:
            write(path, read(path))
    with pytest.raises(ConfigError, match="soundfile"):
        write(tmp_path / "new", Sound(np.zeros((3, 1), int), 16, 8000, "FLAC", ""))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", files.KINDS)
def test_whatever_is_damaged_is_taken_or_refused_in_one_line(kind):
    content, begun = files.valid(kind), time.monotonic()
    for seed in range(300):
        wrong = files.damaged(content, Random(f"{kind} {seed}"))
        assert not (fault := outcome(lambda: check_sound(of(wrong, "a.wav")))) or (fault.isprintable() and ":" in fault)
    assert time.monotonic() - begun < 60


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_integers_come_back(tmp_path_factory, data):
    bits, form = data.draw(st.sampled_from([(8, "WAV"), (16, "WAV"), (24, "WAV"), (32, "WAV"), (8, "FLAC"),
                                            (16, "FLAC"), (24, "FLAC")]))  # fmt: skip
    most, channels = 2 ** (bits - 1), data.draw(st.integers(1, 8))
    frames = data.draw(st.lists(st.lists(st.integers(-most, most - 1), min_size=channels, max_size=channels),
                                min_size=1, max_size=40))  # fmt: skip
    path = tmp_path_factory.mktemp("any") / "a"
    write(path, Sound(np.array(frames), bits, data.draw(st.sampled_from([1, 8000, 44_100, 655_350])), form, ""))
    assert read(path).samples.tolist() == frames
    assert read(path).peak == max(map(abs, itertools.chain(*frames)))
