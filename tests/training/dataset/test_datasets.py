"""The data sets: what is loaded, how it is split and scaled, and that wrong content is refused in words."""

import hashlib
import inspect
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.types import FileContent
from bn_study.training import files
from bn_study.training.dataset import cifar10

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("arrays", "cifar10", "cifar10_jpeg", "digits", "linear_target", "mnist", "toy_regression")


def defaults(name):
    return OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "dataset" / f"{name}.yaml"))


def load(name, **changes):
    values = defaults(name) | changes
    return parts.call("dataset", parts.checked("dataset", values.pop("name"), values))


def same(left, right):
    return all(
        np.array_equal(getattr(left, split).inputs, getattr(right, split).inputs)
        and np.array_equal(getattr(left, split).targets, getattr(right, split).targets)
        for split in ("train", "validation", "test")
    )


def images(count, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def labels(count, classes=10):
    return (np.arange(count) % classes).astype(np.uint8)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data root, an empty Keras cache, and no network."""
    monkeypatch.setenv("BN_STUDY_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(files, "keras_folders", lambda: [tmp_path / "keras" / "datasets"])
    monkeypatch.setattr(files, "download", lambda name: "no network in a test")
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def npz(tmp_path):
    """Write an .npz of 40 + 20 images, with some arrays replaced (or left out: None); its path as text."""

    def write(**changes):
        content = {"x_train": images(40, 4, 4), "y_train": labels(40), "x_test": images(20, 4, 4), "y_test": labels(20)}
        content = {key: value for key, value in (content | changes).items() if value is not None}
        np.savez(tmp_path / "mine.npz", **content)
        return str(tmp_path / "mine.npz")

    return write


def refused(*words, name="arrays", **options):
    """The load fails with a UsageError of at most two lines that has all the words."""
    with pytest.raises(UsageError) as caught:
        load(name, **options)
    message = str(caught.value)
    assert len(message.splitlines()) <= 2
    for word in words:
        assert str(word) in message
    return message


# Every data set


@pytest.mark.parametrize("name", NAMES)
def test_yaml_holds_exactly_the_arguments(name):
    real = inspect.signature(parts.find("dataset", name).load).parameters
    assert list(defaults(name)) == ["name", *real]
    assert list(parts.parameters("dataset", name)) == list(real)
    assert all(one.kind is one.KEYWORD_ONLY and one.default is one.empty for one in real.values())


def test_loading_needs_no_tensorflow():
    code = (
        "import sys, importlib\n"
        f"for name in {NAMES}: importlib.import_module('bn_study.training.dataset.' + name)\n"
        "bad = {'tensorflow', 'keras', 'sklearn'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", ["digits", "toy_regression"])
def test_same_arguments_same_bytes(name):
    one, two = load(name), load(name)
    assert same(one, two) and one.fingerprint == two.fingerprint


# Splits


def test_digits():
    from sklearn.datasets import load_digits

    data = load("digits", scaling="raw")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [1197, 240, 360]
    assert data.shape == (8, 8, 1) and data.classes == 10
    assert data.train.inputs.dtype == np.float32 and data.train.targets.dtype == np.int32
    assert data.fingerprint.startswith("87ff0c9e40dc")  # the content that results were made with
    # every image of the source is in exactly one split, with its label
    splits = (data.train, data.validation, data.test)
    found = [(one.tobytes(), label) for split in splits for one, label in zip(split.inputs, split.targets, strict=True)]
    source = load_digits()
    stored = [(one.tobytes(), label) for one, label in zip(source.images.astype("f4"), source.target, strict=True)]
    assert sorted(found) == sorted(stored)


def test_splits_do_not_depend_on_the_other_options():
    plain = load("digits", scaling="raw")
    other = load("digits", scaling="raw", subset=100)
    assert np.array_equal(other.train.inputs, plain.train.inputs[:100])
    assert np.array_equal(other.train.targets, plain.train.targets[:100])
    for changes in ({"subset": 100}, {"pool": 2}, {"binarize": 0.5}, {"scaling": "standard"}):
        changed = load("digits", **changes)
        assert np.array_equal(changed.validation.targets, plain.validation.targets)
        assert np.array_equal(changed.test.targets, plain.test.targets)
    fewer = load("digits", scaling="raw", validation=100)
    assert np.array_equal(fewer.validation.inputs, plain.validation.inputs[:100])
    assert np.array_equal(fewer.test.inputs, plain.test.inputs)


def test_splits_are_disjoint_and_pinned(npz):
    numbered = np.arange(40, dtype=np.uint8).reshape(40, 1, 1)
    data = load("arrays", path=npz(x_train=numbered, x_test=numbered[:20]), validation=10, scaling="raw")
    held_out, kept = data.validation.inputs.ravel(), data.train.inputs.ravel()
    assert sorted([*held_out, *kept]) == list(range(40))
    assert np.array_equal(held_out, np.random.Generator(np.random.PCG64(0)).permutation(40)[:10])
    assert np.array_equal(data.train.targets, kept % 10)
    assert np.array_equal(data.test.inputs.ravel(), np.arange(20))


def test_too_many_held_out_or_asked_for(npz):
    path = npz()
    refused("dataset.validation=40", "at most 39", path=path, validation=40)
    refused("dataset.subset=31", "at most 30", "dataset.validation=10", path=path, validation=10, subset=31)
    assert len(load("arrays", path=path, validation=10, subset=30).train) == 30
    assert len(load("arrays", path=path, validation=39).train) == 1
    refused("dataset.test=1796", "at most 1795", name="digits", test=1796)


# Pixels


def test_pool_by_hand(npz):
    image = np.array([[[0, 4, 8, 8], [0, 0, 8, 8], [1, 2, 255, 255], [3, 4, 255, 255]]], np.uint8)
    path = npz(x_train=np.repeat(image, 40, 0), x_test=np.repeat(image, 20, 0))
    data = load("arrays", path=path, validation=10, pool=2, scaling="raw")
    assert np.array_equal(data.test.inputs[0, :, :, 0], [[1, 8], [2.5, 255]])
    assert data.shape == (2, 2, 1)
    data = load("arrays", path=path, validation=10, pool=2)
    assert np.allclose(data.train.inputs[0, :, :, 0], np.array([[1, 8], [2.5, 255]]) / 255, rtol=1e-6)


def test_pool_of_color_images(npz):
    pixels = images(20, 6, 4, 3)
    data = load("arrays", path=npz(x_train=images(40, 6, 4, 3), x_test=pixels), validation=10, pool=2, scaling="raw")
    for row, column, channel in np.ndindex(3, 2, 3):
        block = pixels[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel].astype(float)
        assert np.allclose(data.test.inputs[:, row, column, channel], block.mean(axis=(1, 2)))


def test_pool_must_divide_the_image(npz):
    refused("dataset.pool=3", "4x4", "[1, 2, 4]", path=npz(), validation=10, pool=3)
    vectors = npz(x_train=images(40, 7), x_test=images(20, 7))
    refused("dataset.pool=2", "vectors", path=vectors, validation=10, pool=2)


def test_unit(npz):
    path = npz()
    data = load("arrays", path=path, validation=10)
    assert np.array_equal(data.test.inputs[..., 0], np.load(path)["x_test"].astype(np.float32) / np.float32(255))
    assert load("digits").train.inputs.max() == 1


def test_binarize_comes_after_pooling(npz):
    # 0.5 on the 0..1 scale is 127.5: the mean of 0 and 255 is not above it, the mean of 1 and 255 is
    image = np.array([[[0, 255, 1, 255], [0, 255, 1, 255]]], np.uint8)
    path = npz(x_train=np.repeat(image, 40, 0), x_test=np.repeat(image, 20, 0))
    for scaling in ("unit", "raw"):
        data = load("arrays", path=path, validation=10, pool=2, binarize=0.5, scaling=scaling)
        assert np.array_equal(data.test.inputs[0].ravel(), [0, 1])
    data = load("digits", binarize=0.5)
    assert np.array_equal(data.test.inputs, load("digits", scaling="raw").test.inputs > 8)
    standard = load("digits", binarize=0.5, scaling="standard")
    assert len(np.unique(standard.train.inputs)) == 2 and abs(standard.train.inputs.mean(dtype=float)) < 1e-6


@pytest.mark.parametrize("options", [{}, {"subset": 300}, {"pool": 2}])
def test_standard_scaling_uses_the_training_pixels(options):
    data, raw = load("digits", scaling="standard", **options), load("digits", scaling="raw", **options)
    assert abs(data.train.inputs.mean(dtype=float)) < 1e-6
    assert abs(data.train.inputs.std(dtype=float) - 1) < 1e-6
    mean, deviation = raw.train.inputs.mean(dtype=float), raw.train.inputs.std(dtype=float)
    for split in ("validation", "test"):
        expected = (getattr(raw, split).inputs - mean) / deviation
        assert np.allclose(getattr(data, split).inputs, expected, atol=1e-5)


def test_standard_scaling_over_several_blocks(npz):
    path = npz(x_train=images(2500, 3, 3), y_train=labels(2500), x_test=images(20, 3, 3))
    data = load("arrays", path=path, validation=10, scaling="standard")
    assert abs(data.train.inputs.mean(dtype=float)) < 1e-6 and abs(data.train.inputs.std(dtype=float) - 1) < 1e-6


# The user's own arrays


def test_arrays_of_vectors_and_floats(npz):
    random = np.random.default_rng(1)
    train = np.column_stack([random.normal(50, 9, 40), random.normal(0, 1, 40), np.full(40, 7.0)])
    path = npz(x_train=train, x_test=train[:20])
    data = load("arrays", path=path, validation=10)
    assert data.shape == (3,) and data.classes == 10 and data.train.inputs.dtype == np.float32
    both = np.concatenate([data.train.inputs, data.validation.inputs])
    assert np.allclose(both.min(0), 0) and np.allclose(both.max(0), [1, 1, 0])
    standard = load("arrays", path=path, validation=10, scaling="standard").train.inputs
    assert np.allclose(standard.mean(0), 0, atol=1e-5) and np.allclose(standard.std(0), [1, 1, 0], atol=1e-5)
    assert data.fingerprint == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_floats_in_the_unit_interval_stay(npz):
    test = np.random.default_rng(2).random((20, 4, 4)) * 0.5
    path = npz(x_train=np.tile(test, (2, 1, 1)), x_test=test)
    assert np.array_equal(load("arrays", path=path, validation=10).test.inputs[..., 0], test.astype(np.float32))


def test_labels_as_floats_or_a_column(npz):
    path = npz(y_train=labels(40).reshape(-1, 1), y_test=labels(20).astype(float))
    data = load("arrays", path=path, validation=10)
    assert data.test.targets.shape == (20,) and data.test.targets.dtype == np.int32


WRONG = {
    "missing keys": ({"x_test": None, "y_test": None}, ["lacks x_test, y_test"]),
    "objects": ({"x_train": np.array([[1], "a"] * 20, dtype=object)}, ["Python objects"]),
    "NaN": ({"x_train": np.full((40, 4, 4), np.nan)}, ["x_train", "NaN"]),
    "infinite": ({"x_test": np.full((20, 4, 4), np.inf)}, ["x_test", "NaN or"]),
    "beyond float32": ({"x_test": np.full((20, 4, 4), 1e300)}, ["x_test", "float32"]),
    "pixel type": ({"x_train": np.zeros((40, 4, 4), np.int64)}, ["x_train is int64", "uint8"]),
    "text": ({"x_train": np.full((40, 4, 4), "a")}, ["x_train is <U1"]),
    "a scalar": ({"x_train": np.uint8(3)}, ["x_train has shape ()"]),
    "empty": ({"x_test": images(0, 4, 4), "y_test": labels(0)}, ["x_test has shape (0, 4, 4)"]),
    "length": ({"y_train": labels(39)}, ["y_train has shape (39,)", "40 inputs"]),
    "one-hot": ({"y_test": np.eye(20, 10)}, ["y_test has shape (20, 10)"]),
    "fractions": ({"y_train": np.full(40, 0.5)}, ["y_train", "whole numbers"]),
    "NaN labels": ({"y_train": np.full(40, np.nan)}, ["y_train", "whole numbers"]),
    "text labels": ({"y_train": np.full(40, "cat")}, ["y_train", "whole numbers"]),
    "negative": ({"y_train": labels(40).astype(int) - 1}, ["y_train holds the label -1"]),
    "huge label": ({"y_test": np.full(20, 10**12)}, ["y_test holds the label 1000000000000"]),
    "unknown class": ({"y_test": np.full(20, 11)}, ["y_test holds the class 11"]),
    "one class": ({"y_train": labels(40) * 0, "y_test": labels(20) * 0}, ["y_train holds the class 0 alone"]),
    "other shape": ({"x_test": images(20, 5, 5)}, ["(4, 4) and uint8 (5, 5)"]),
    "other type": ({"x_test": np.zeros((20, 4, 4))}, ["uint8 (4, 4) and float64 (4, 4)"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays_are_refused(npz, case):
    changes, words = WRONG[case]
    path = npz(**changes)
    refused(path, *words, path=path, validation=10)


def test_files_that_are_no_npz(tmp_path, npz):
    whole = Path(npz()).read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], pickle.dumps({"x_train": 1})):
        path = tmp_path / "other.npz"
        path.write_bytes(content)
        refused(path, "not an .npz", path=str(path))
    np.save(tmp_path / "one.npy", images(3, 4, 4))
    refused("one.npy", "not an .npz", path=str(tmp_path / "one.npy"))
    refused("dataset.path", "no file at", path=str(tmp_path / "absent.npz"))


def test_a_byte_flipped_anywhere_is_refused_in_words_or_harmless(tmp_path, npz):
    whole, path = Path(npz()).read_bytes(), tmp_path / "flipped.npz"
    outcomes = set()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            load("arrays", path=str(path), validation=10)
            outcomes.add("harmless")
        except UsageError as error:
            assert str(path) in str(error) and len(str(error).splitlines()) <= 2
            outcomes.add("refused")
    assert "refused" in outcomes


def test_a_file_that_changes_after_the_plan_is_refused(npz):
    path = npz()
    planned = FileContent(path, hashlib.sha256(Path(path).read_bytes()).hexdigest())
    npz(x_train=images(40, 4, 4, seed=1))
    refused(path, "changed", path=planned)


# MNIST and CIFAR-10 from files


@pytest.fixture
def fake_mnist(root):
    content = (images(50, 28, 28), labels(50), images(20, 28, 28, seed=1), labels(20))
    np.savez(root / "mnist.npz", **dict(zip(files.Arrays._fields, content, strict=True)))
    return hashlib.sha256(b"".join(one.tobytes() for one in content)).hexdigest()


def test_mnist(root, fake_mnist):
    data = load("mnist", validation=10, fingerprint=fake_mnist)
    assert data.shape == (28, 28, 1) and data.classes == 10 and len(data.train) == 40
    assert data.fingerprint == fake_mnist
    assert same(data, load("mnist", validation=10, fingerprint=None))


def test_mnist_with_one_byte_changed(root, fake_mnist):
    arrays = dict(np.load(root / "mnist.npz"))
    arrays["x_test"][7, 14, 14] ^= 1
    np.savez(root / "mnist.npz", **arrays)
    path = root / "mnist.npz"
    refused(path, f"dataset=arrays dataset.path={path}", name="mnist", validation=10, fingerprint=fake_mnist)


def test_mnist_damaged(root, fake_mnist):
    content = bytearray((root / "mnist.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (root / "mnist.npz").write_bytes(content)
    refused(root / "mnist.npz", "damaged", "replace", name="mnist", validation=10, fingerprint=fake_mnist)


def test_mnist_of_another_shape(root):
    content = (images(50, 784), labels(50), images(20, 784), labels(20))
    np.savez(root / "mnist.npz", **dict(zip(files.Arrays._fields, content, strict=True)))
    refused("mnist.npz", "not MNIST", name="mnist", validation=10, fingerprint=None)


def test_mnist_from_keras_cache(root, fake_mnist):
    cache = root.parent / "keras" / "datasets"
    cache.mkdir(parents=True)
    os.replace(root / "mnist.npz", cache / "mnist.npz")
    assert load("mnist", validation=10, fingerprint=fake_mnist).fingerprint == fake_mnist


def test_mnist_downloaded(root, fake_mnist, monkeypatch):
    content = (root / "mnist.npz").read_bytes()
    (root / "mnist.npz").unlink()

    def download(name):
        cache = root.parent / "keras" / "datasets"
        cache.mkdir(parents=True)
        (cache / f"{name}.npz").write_bytes(content)
        return ""

    monkeypatch.setattr(files, "download", download)
    assert load("mnist", validation=10, fingerprint=fake_mnist).fingerprint == fake_mnist


def test_offline(root):
    refused(root / "mnist.npz", "no network in a test", "dataset=digits", name="mnist")
    places = (root / "cifar-10-python.tar.gz", root / "cifar-10-batches-py")
    refused(*places, "no network in a test", "dataset=digits", name="cifar10")
    refused(root / "cifar10_jpeg.npz", "dataset=digits", name="cifar10_jpeg")


def test_download_reports_the_last_line_and_prints_nothing(monkeypatch, capsys):
    def run(command, **options):
        assert "from keras.datasets import mnist" in command[-1] and options["capture_output"]
        return subprocess.CompletedProcess(command, 1, "0/11490434", "Traceback ...\nException: URL fetch failure\n")

    monkeypatch.setattr(files.subprocess, "run", run)
    assert files.download("mnist") == "Exception: URL fetch failure"
    assert capsys.readouterr().out == ""


def test_unreadable_data_root(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BN_STUDY_DATA", str(tmp_path / "file"))
    for name in ("mnist", "cifar10", "cifar10_jpeg"):
        refused(tmp_path / "file", "BN_STUDY_DATA", name=name)
    monkeypatch.setenv("BN_STUDY_DATA", str(tmp_path))
    # not by chmod: the tests may run as root, who may read everything
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    refused(tmp_path, "BN_STUDY_DATA", name="mnist")


def test_unreadable_files(root):
    (root / "mnist.npz").mkdir()
    refused(root / "mnist.npz", "cannot be read", name="mnist")
    (root / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8bnot gzip")
    refused(root / "cifar-10-python.tar.gz", name="cifar10")


def test_data_root_has_a_default(monkeypatch):
    monkeypatch.delenv("BN_STUDY_DATA", raising=False)
    assert files.data_root() == Path.home() / ".cache" / "bn_study"


def test_keras_folders(monkeypatch):
    monkeypatch.setenv("KERAS_HOME", "/somewhere")
    assert files.keras_folders()[0] == Path("/somewhere/datasets")


def python2_batch(pixels, numbers):
    """A batch as CIFAR-10's were written: Python 2, protocol 2, strings of bytes, numpy of that time."""

    def number(value):
        return b"M" + struct.pack("<H", value)

    def text(value):
        return b"U" + bytes([len(value)]) + value

    raw = pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
        b"(" + number(1) + number(len(pixels)) + number(3072) + b"\x86"
        b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
        b"(" + number(3) + text(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + number(0) + b"tb"
        b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"
    )
    items = b"](" + b"".join(number(one) for one in numbers) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + items + b"u."


def tar(path, contents):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def md5s(contents):
    return [hashlib.md5(contents[name]).hexdigest() for name in cifar10.BATCHES]


@pytest.fixture
def batches():
    return {name: python2_batch(images(10, 3072, seed=i), range(10)) for i, name in enumerate(cifar10.BATCHES)}


def test_cifar10_from_archive_and_folder(root, batches):
    tar(root / "cifar-10-python.tar.gz", {"readme.html": b"hello", **batches})
    options = {"name": "cifar10", "validation": 10, "checksums": md5s(batches), "scaling": "raw"}
    packed = load(**options)
    assert packed.shape == (32, 32, 3) and packed.classes == 10
    assert [len(one) for one in (packed.train, packed.validation, packed.test)] == [40, 10, 10]
    # the pixel (row 2, column 3) of channel c is byte 1024 c + 32 * 2 + 3 of a row of the last batch
    stored = images(10, 3072, seed=5)
    for channel in range(3):
        assert np.array_equal(packed.test.inputs[:, 2, 3, channel], stored[:, 1024 * channel + 67])
    assert np.array_equal(packed.test.targets, np.arange(10))

    (root / "cifar-10-python.tar.gz").unlink()
    assert not list(root.iterdir())  # nothing was unpacked
    for folder in (root / "cifar-10-batches-py", root.parent / "keras/datasets/cifar-10-batches-py-target"):
        target = folder if folder.parent == root else folder / "cifar-10-batches-py"
        target.mkdir(parents=True)
        for name, content in batches.items():
            (target / name).write_bytes(content)
        assert same(load(**options), packed) and load(**options).fingerprint == packed.fingerprint
        if folder.parent == root:
            os.rename(folder, root.parent / "away")


def test_cifar10_is_verified_before_it_is_read(root, batches, monkeypatch):
    expected = md5s(batches)
    batches["data_batch_3"] = batches["data_batch_3"][:-40] + b"x" + batches["data_batch_3"][-39:]
    tar(root / "cifar-10-python.tar.gz", batches)
    monkeypatch.setattr(cifar10, "_decode", lambda *ignored: pytest.fail("read before it was verified"))
    refused("data_batch_3", root, "MD5", name="cifar10", validation=10, checksums=expected)
    refused("dataset.checksums", "2 entries", name="cifar10", validation=10, checksums=expected[:2])


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_malicious_batch_is_refused_even_if_its_checksum_is_expected(root, batches):
    for content in (Malicious(root / "touched"), {b"data": os.system, b"labels": eval}):
        batches["data_batch_1"] = pickle.dumps(content)
        tar(root / "cifar-10-python.tar.gz", batches)
        for checksums in (md5s(batches), None):
            refused("data_batch_1", "it asks for", name="cifar10", validation=10, checksums=checksums)
    assert not (root / "touched").exists()


def test_cifar10_damaged(root, batches):
    path = root / "cifar-10-python.tar.gz"
    tar(path, batches)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, name="cifar10", validation=10, checksums=None)
    tar(path, {key: value for key, value in batches.items() if key != "data_batch_4"})
    refused(path, "lacks data_batch_4", name="cifar10", validation=10, checksums=None)
    tar(path, batches | {"test_batch": pickle.dumps({b"data": 1})})
    refused(path, "test_batch", name="cifar10", validation=10, checksums=None)


def test_cifar10_jpeg_of_another_decoder_is_a_warning(root):
    content = (images(30, 32, 32, 3), labels(30), images(20, 32, 32, 3), labels(20))
    np.savez(root / "cifar10_jpeg.npz", **dict(zip(files.Arrays._fields, content, strict=True)))
    data = load("cifar10_jpeg", validation=10)
    assert len(data.warnings) == 1 and data.fingerprint in data.warnings[0]
    assert load("cifar10_jpeg", validation=10, fingerprint=data.fingerprint).warnings == ()


# The curve


def test_toy_regression_has_its_closed_form():
    data = load("toy_regression", noise=0)
    for split in (data.train, data.validation, data.test):
        assert np.allclose(split.targets, split.inputs.astype(float) ** 2 - 5, atol=1e-4)
        assert split.inputs.dtype == split.targets.dtype == np.float32
    assert data.classes is None and data.shape == (1,) and data.train.targets.shape == (2000, 1)

    data = load("toy_regression", train=50_000)
    x, y = data.train.inputs.astype(float), data.train.targets
    assert -7 <= x.min() < -6.99 and 9.99 < x.max() <= 10
    assert abs(x.mean() - 1.5) < 5 * np.sqrt(17**2 / 12 / 50_000)
    residual = y - (x**2 - 5)
    assert abs(residual.mean()) < 5 * 2 / np.sqrt(50_000) and abs(residual.std() - 2) < 5 * 2 / np.sqrt(100_000)


def test_toy_regression_draws_and_scaling():
    data = load("toy_regression")
    assert np.array_equal(load("toy_regression", train=10).test.inputs, data.test.inputs)
    assert not np.array_equal(load("toy_regression", draw=1).test.inputs, data.test.inputs)
    assert not np.array_equal(data.validation.inputs, data.test.inputs)
    unit, standard = load("toy_regression", scaling="unit"), load("toy_regression", scaling="standard")
    assert np.allclose(unit.test.inputs, (data.test.inputs + 7) / 17, atol=1e-6)
    assert abs(standard.train.inputs.mean()) < 1e-5 and abs(standard.train.inputs.std() - 1) < 1e-5
    assert np.array_equal(unit.test.targets, data.test.targets)
    assert unit.fingerprint == data.fingerprint != load("toy_regression", noise=1).fingerprint
    refused("dataset.low=3", name="toy_regression", low=3, high=3)


# The linear map


def test_linear_target_is_one_linear_map_of_gaussian_inputs_in_every_split():
    data = load("linear_target", train=20_000, features=4)
    x, y = data.train.inputs.astype(float), data.train.targets.astype(float)
    matrix, *_ = np.linalg.lstsq(x, y, rcond=None)
    for split in (data.train, data.validation, data.test):
        assert np.allclose(split.inputs @ matrix, split.targets, atol=1e-5)
        assert split.inputs.dtype == split.targets.dtype == np.float32
    assert np.abs(x.mean(axis=0)).max() < 5 / np.sqrt(20_000) and np.abs(np.cov(x.T) - np.eye(4)).max() < 0.05
    assert data.classes is None and data.shape == (4,) and data.outputs == 4
    large = load("linear_target", train=200, features=100)
    matrix, *_ = np.linalg.lstsq(large.train.inputs, large.train.targets, rcond=None)
    assert abs(matrix.std() - 0.1) < 0.001


def test_linear_target_draws():
    data = load("linear_target")
    assert np.array_equal(load("linear_target", train=10).test.targets, data.test.targets)
    other = load("linear_target", draw=1)
    assert not np.array_equal(other.test.inputs, data.test.inputs) and other.fingerprint != data.fingerprint
    assert not np.array_equal(data.validation.inputs, data.test.inputs)


# The real files, where there are some


def real(name):
    root = os.environ.get("BN_STUDY_DATA")
    if not root or not Path(root, name).is_file():
        pytest.skip(f"BN_STUDY_DATA has no {name}")
    return Path(root, name)


def test_real_mnist(tmp_path, monkeypatch):
    path = real("mnist.npz")
    data = load("mnist")
    assert [len(one) for one in (data.train, data.validation, data.test)] == [55_000, 5_000, 10_000]
    assert np.bincount(data.test.targets)[[0, 1, 5]].tolist() == [980, 1135, 892]  # published counts
    assert data.train.inputs.min() == 0 and data.train.inputs.max() == 1

    changed = dict(np.load(path))
    changed["x_train"][0, 0, 0] ^= 1
    np.savez(tmp_path / "mnist.npz", **changed)
    monkeypatch.setenv("BN_STUDY_DATA", str(tmp_path))
    refused(tmp_path / "mnist.npz", "dataset=arrays", name="mnist")


def test_real_cifar10_jpeg():
    real("cifar10_jpeg.npz")
    data = load("cifar10_jpeg", subset=5000, pool=2)
    assert data.shape == (16, 16, 3) and len(data.train) == 5000
    assert np.bincount(data.test.targets).tolist() == [1000] * 10
