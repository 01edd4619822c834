"""The command line: trainings, comparisons, what they write, and one line for each kind of bad input."""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.cli import compare, main
from polymod.cli.compare import BOUND, Curve, label, verdict
from polymod.data import load_digits
from polymod.train import Epoch, evaluate, fit

MODELS = ["mlp", "cnn", "transformer", "chimera"]


@pytest.fixture
def here(engine: pm.Device) -> list[str]:
    """The options that name the engine and device under test."""
    return ["--backend", engine.backend.name, "--device", engine.backend.device_name(engine.native)]


def write_idx(path: Path, values: np.ndarray) -> None:
    header = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    data = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def fashion(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder with the files of Fashion-MNIST, with 40 and 10 random images of 28x28."""
    folder = tmp_path / "fashion"
    folder.mkdir()
    for part, count in (("train", 40), ("t10k", 10)):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", rng.integers(0, 10, count))
    return folder


# ----------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("model", MODELS)
def test_train_on_the_engine_under_test(
    model: str, here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "deep" / "run"
    options = ["--model", model, *here, "--epochs", "1", "--batch-size", "256", "--seed", "3", "--save", str(folder)]
    assert main(["train", *options]) == 0
    out, err = capsys.readouterr()
    assert "epoch 1/1  loss " in out and " images/s" in out
    assert "test accuracy " in out.splitlines()[-2]
    assert all(line.startswith("epoch 1/1  ") for line in err.splitlines())  # none, unless an epoch takes long

    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["model"] == model
    assert metrics["backend"] == here[1]
    assert metrics["device"] == str(pm.current_device())
    assert metrics["seed"] == 3 and metrics["epochs"] == 1 and metrics["batch_size"] == 256
    assert len(metrics["loss"]) == len(metrics["accuracy"]) == 1
    assert 0 < metrics["loss"][0] < 4
    assert 0 <= metrics["test_accuracy"] <= 1
    assert metrics["test_accuracy"] == metrics["accuracy"][-1]
    assert metrics["seconds"] > 0

    picture = (folder / "curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (1080, 480)
    assert sorted(p.name for p in folder.iterdir()) == ["curves.png", "metrics.json", "model.safetensors"]


def test_the_saved_model_has_the_reported_accuracy(here: list[str], tmp_path: Path) -> None:
    assert main(["train", "--model", "mlp", *here, "--epochs", "2", "--save", str(tmp_path)]) == 0
    model = pm.nn.Sequential(pm.nn.Flatten(), pm.models.MLP())
    model.load_state_dict(pm.load_file(tmp_path / "model.safetensors"))
    accuracy = evaluate(model, pm.data.DataLoader(load_digits().test, 100))
    assert accuracy == json.loads((tmp_path / "metrics.json").read_text())["test_accuracy"]
    assert accuracy > 0.85


def test_the_seed_decides_the_losses(here: list[str], tmp_path: Path) -> None:
    losses = {}
    for name, seed in (("a", "5"), ("again", "5"), ("b", "6")):
        folder = tmp_path / name
        options = ["--epochs", "1", "--batch-size", "128", "--seed", seed, "--save", str(folder)]
        assert main(["train", "--model", "mlp", *here, *options]) == 0
        losses[name] = json.loads((folder / "metrics.json").read_text())["loss"]
    assert losses["a"] == losses["again"]
    assert losses["a"] != losses["b"]


@pytest.mark.any_engine
@pytest.mark.parametrize("model, accuracy", [("mlp", 0.97), ("cnn", 0.97), ("transformer", 0.9), ("chimera", 0.9)])
def test_accuracy_at_the_defaults(model: str, accuracy: float, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "--model", model, "--backend", "numpy", "--save", str(tmp_path)]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test_accuracy"] >= accuracy
    if model == "mlp":
        assert metrics["seconds"] < 30
    assert f"{metrics['test_accuracy']:.2%}" in capsys.readouterr().out


@pytest.mark.parametrize("model", MODELS)
def test_train_on_fashion_mnist(model: str, fashion: Path, here: list[str], capsys: pytest.CaptureFixture) -> None:
    options = ["--data", "fashion-mnist", "--data-dir", str(fashion), "--epochs", "1"]
    assert main(["train", "--model", model, *here, *options]) == 0
    assert "fashion-mnist: 40 images to train on, 10 to test with" in capsys.readouterr().out


def test_a_save_replaces_an_earlier_one(here: list[str], tmp_path: Path) -> None:
    for epochs in ("1", "2"):
        options = ["--epochs", epochs, "--batch-size", "512", "--save", str(tmp_path)]
        assert main(["train", "--model", "mlp", *here, *options]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["epochs"] == 2


def test_lines_where_there_is_a_terminal_but_no_tqdm(
    here: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("polymod.cli.progress.LINE_SECONDS", 0.0)
    assert main(["train", "--model", "mlp", *here, "--epochs", "1", "--batch-size", "719"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [["epoch 1/1", "719/1438"], ["epoch 1/1", "1438/1438"]]
    assert all("loss " in line and "images/s" in line for line in lines)


@pytest.mark.any_engine
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_bar_where_there_is_a_terminal() -> None:
    import fcntl
    import pty
    import termios

    pytest.importorskip("tqdm")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [sys.executable, "-m", "polymod", "train", "--model", "chimera", "--backend", "numpy", "--epochs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    assert process.stdout is not None
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not piece:
            break
        shown += piece
    out = process.stdout.read().decode()
    assert process.wait(timeout=120) == 0
    os.close(ours)
    assert b"%|" in shown and b"images/s" in shown and b"loss " in shown
    assert out.count("test accuracy") == 3


# --------------------------------------------------------------------------------------------------- comparison


def test_compare_finds_the_engine_under_test_equal_to_numpy(engine: pm.Device, capsys: pytest.CaptureFixture) -> None:
    other = label(engine) if engine.backend.name != "numpy" else "strict"
    if other == "strict":
        pytest.importorskip("array_api_strict")
    options = ["--epochs", "1", "--batch-size", "128", "--bound", "1e-5"]
    assert main(["compare", "--backends", f"numpy,{other}", "--model", "mlp", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("numpy:cpu ")
    assert lines[3].startswith(other)
    assert lines[-1].startswith("largest difference of the loss curves: ")
    assert lines[-1].endswith("within the bound 1e-05")


def curve(losses: list[float]) -> Curve:
    values = np.array(losses)
    return Curve(pm.device("numpy"), values, [Epoch(values, 0.0, 0.5, 1, 1.0)], 1.0)


@pytest.mark.any_engine
def test_compare_fails_beyond_the_bound(capsys: pytest.CaptureFixture) -> None:
    curves = [curve([2.0, 1.0, 0.5]), curve([2.0, 1.0 + 3e-4, 0.5]), curve([2.0, 1.0 - 1e-4, 0.5])]
    assert verdict(curves[:1] * 2, BOUND) == 0
    assert verdict(curves, BOUND) == 1
    assert verdict(curves, 5e-4) == 0
    beyond = capsys.readouterr().out.splitlines()[1]
    assert beyond == "largest difference of the loss curves: 4.0e-04, at step 2 of 3; BEYOND the bound 0.0001"


@pytest.mark.any_engine
def test_compare_exits_with_1_where_an_engine_gives_other_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("array_api_strict")
    honest = compare.prepare

    def dishonest(*args: Any) -> Any:
        job = honest(*args)
        if pm.current_device().backend.name == "strict":
            next(job.model.parameters()).array *= 1.01
        return job

    monkeypatch.setattr(compare, "prepare", dishonest)
    options = ["--epochs", "1", "--batch-size", "512"]
    assert main(["compare", "--backends", "numpy,strict", "--model", "mlp", *options]) == 1
    assert "BEYOND the bound" in capsys.readouterr().out


@pytest.mark.any_engine
def test_compare_reports_engines_that_can_not_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("array_api_strict")
    entries = {e: EntryPoint(e, f"polymod_{e}:backend", "polymod.backends") for e in ("numpy", "strict")}
    entries["broken"] = EntryPoint("broken", "no_such_package:backend", "polymod.backends")
    monkeypatch.setattr("polymod.backend._entries", lambda: entries)
    options = ["--epochs", "1", "--batch-size", "512"]
    assert main(["compare", "--backends", "numpy,broken,strict", *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("broken: left out: backend 'broken' needs the package 'no_such_package'")
    assert "pip install" in out.splitlines()[0]
    assert main(["compare", "--backends", "numpy,broken", *options]) == 2
    assert "compare needs two engines that can be used, found numpy:cpu" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- bad input

BAD = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "unknown command": (["trian"], "invalid choice: 'trian'"),
    "unknown option": (["train", "--epoch-count", "3"], "unrecognized arguments: --epoch-count"),
    "unknown model": (["train", "--model", "rnn"], "invalid choice: 'rnn'"),
    "unknown backend": (["train", "--backend", "nunpy"], "unknown device or backend 'nunpy'; backends: "),
    "unknown device": (["train", "--backend", "numpy", "--device", "cpu:9"], "backend 'numpy' has no device 'cpu:9'"),
    "no epochs": (["train", "--epochs", "0"], "--epochs: expected a whole number of at least 1, received '0'"),
    "negative epochs": (["train", "--epochs", "-1"], "--epochs: expected a whole number of at least 1"),
    "half an epoch": (["train", "--epochs", "0.5"], "--epochs: expected a whole number of at least 1"),
    "no batch": (["train", "--batch-size", "0"], "--batch-size: expected a whole number of at least 1"),
    "no rate": (["train", "--lr", "0"], "--lr: expected a number above 0, received '0'"),
    "rate nan": (["train", "--lr", "nan"], "--lr: expected a number above 0, received 'nan'"),
    "negative seed": (["train", "--seed", "-1"], "--seed: expected a whole number in [0, 2**64), received '-1'"),
    "no threads": (["train", "--threads", "0"], "--threads: expected a whole number of at least 1"),
    "no data folder": (["train", "--data", "fashion-mnist"], "needs --data-dir DIR"),
    "needless data folder": (["train", "--data-dir", "."], "--data-dir is for --data fashion-mnist"),
    "missing data folder": (
        ["train", "--data", "fashion-mnist", "--data-dir", "no/such"],
        "no/such: no such folder; it should hold train-images-idx3-ubyte",
    ),
    "empty save": (["train", "--save", ""], "--save needs the name of a folder"),
    "diverges": (
        ["train", "--backend", "numpy", "--lr", "1e9"],
        "the loss is nan at step 4 of epoch 1; a lower learning rate may help",
    ),
    "compare unknown": (["compare", "--backends", "numpy,nunpy"], "unknown device or backend 'nunpy'"),
    "compare one": (["compare", "--backends", "numpy"], "needs two engines that can be used, found numpy:cpu"),
    "compare none": (["compare", "--backends", ","], "needs two engines that can be used, found none"),
    "compare bound": (["compare", "--bound", "-1"], "--bound: expected a number above 0"),
}


def one_line(capsys: pytest.CaptureFixture) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("polymod")
    return lines[0]


@pytest.mark.any_engine
@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_line_and_exit_code_2(case: str, capsys: pytest.CaptureFixture) -> None:
    arguments, text = BAD[case]
    assert main(arguments) == 2
    assert text in one_line(capsys)


@pytest.mark.any_engine
def test_a_missing_engine_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    entries = {"broken": EntryPoint("broken", "no_such_package:backend", "polymod.backends")}
    monkeypatch.setattr("polymod.backend._entries", lambda: entries)
    assert main(["train", "--backend", "broken"]) == 2
    line = one_line(capsys)
    assert "backend 'broken' needs the package 'no_such_package', which is not installed: pip install" in line


@pytest.mark.any_engine
def test_missing_matplotlib_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    assert main(["train", "--backend", "numpy", "--save", str(tmp_path / "run")]) == 2
    captured = capsys.readouterr()
    assert "pip install 'polymod[train]'" in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.any_engine
@pytest.mark.parametrize("inside", ["", "run"])
def test_a_folder_that_can_not_be_written(tmp_path: Path, inside: str, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "file"
    file.touch()
    assert main(["train", "--backend", "numpy", "--save", str(file / inside)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"--save {file / inside}: can't write there" in captured.err
    assert len(captured.err.splitlines()) == 1


def damage(folder: Path, how: str) -> str:
    """Spoil the data in one way; return what the error must say."""
    images, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
    if how == "missing":
        labels.unlink()
        return "missing train-labels-idx1-ubyte"
    if how == "not gzip":
        images.write_bytes(b"hello")
        return "train-images-idx3-ubyte.gz: can't be read"
    if how == "cut":
        images.write_bytes(images.read_bytes()[:200])
        return "train-images-idx3-ubyte.gz"
    if how == "magic":
        images.write_bytes(gzip.compress(b"PK\3\4 and so on"))
        return "not an idx file"
    if how == "counts":
        write_idx(labels, np.zeros(39))
        return "holds 40 images"
    if how == "labels":
        write_idx(labels, np.full(40, 12))
        return "holds the label 12"
    if how == "axes":
        write_idx(images, np.zeros((40, 784)))
        return "expected uint8 (n, h, w)"
    if how == "sizes":
        write_idx(images, np.zeros((40, 14, 14)))
        return "training images are (14, 14), test images (28, 28)"
    for part, count in (("train", 40), ("t10k", 10)):
        size = 3 if how == "too small" else 28
        count = 0 if how == "none" else count
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", np.zeros((count, size, size)))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.zeros(count))
    return "there are no images" if how == "none" else "the model cnn can't take images of 1x3x3: "


@pytest.mark.any_engine
@pytest.mark.parametrize(
    "how", ["missing", "not gzip", "cut", "magic", "counts", "labels", "axes", "sizes", "none", "too small"]
)
def test_damaged_data(how: str, fashion: Path, capsys: pytest.CaptureFixture) -> None:
    text = damage(fashion, how)
    options = ["--model", "cnn", "--data", "fashion-mnist", "--data-dir", str(fashion)]
    assert main(["train", "--backend", "numpy", *options]) == 2
    assert text in one_line(capsys)


# ------------------------------------------------------------------------------------------------- the process


def polymod(*arguments: str, **options: Any) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "polymod", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.any_engine
def test_python_dash_m() -> None:
    version = polymod("--version")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"polymod {pm.__version__}\n", "")
    unknown = polymod("train", "--backend", "nunpy")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.count("\n") == 1


@pytest.mark.any_engine
def test_backends_lists_the_default_engine() -> None:
    listed = polymod("backends")
    assert listed.returncode == 0
    assert any(line.split()[0] == "numpy" and "usable" in line for line in listed.stdout.splitlines())


@pytest.mark.any_engine
def test_the_environment_chooses_the_engine() -> None:
    bad = polymod("train", env={**os.environ, "POLYMOD_BACKEND": "nunpy"})
    assert bad.returncode == 2
    assert "POLYMOD_BACKEND=nunpy: unknown device or backend 'nunpy'" in bad.stderr


@pytest.mark.any_engine
def test_ctrl_c_is_quiet() -> None:
    code = (  # where the tests run in the background of a shell, their children ignore Ctrl-C
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import runpy; runpy.run_module('polymod', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, "train", "--backend", "numpy", "--epochs", "100000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == ""


@pytest.mark.any_engine
@pytest.mark.skipif(sys.platform == "win32", reason="SIGPIPE is POSIX")
def test_a_closed_pipe_is_quiet() -> None:
    command = [sys.executable, "-m", "polymod", "train", "--backend", "numpy", "--epochs", "100000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.any_engine
def test_importing_polymod_leaves_the_command_line_alone() -> None:
    code = "import sys, polymod; print([m for m in sys.argv[1:] if m in sys.modules])"
    names = ["argparse", "matplotlib", "tqdm", "polymod.cli", "polymod.models", "polymod.data", "polymod.train"]
    listed = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert listed.stdout == "[]\n"


# ------------------------------------------------------------------------------------------------ the loop


def small_training() -> tuple[Any, Any, Any]:
    pm.manual_seed(0)
    data = load_digits()
    model = pm.nn.Sequential(pm.nn.Flatten(), pm.nn.Linear(64, 10))
    optimizer = pm.optim.AdamW(model.parameters(), lr=0.01)
    return model, optimizer, pm.data.DataLoader(data.train, 500, shuffle=True, seed=0)


def test_fit_yields_what_each_epoch_gave() -> None:
    model, optimizer, batches = small_training()
    steps = []
    history = list(
        fit(model, optimizer, batches, 3, test_batches=batches, on_step=lambda loss, n: steps.append((float(loss), n)))
    )
    assert [len(e.losses) for e in history] == [3, 3, 3]
    np.testing.assert_allclose(np.concatenate([e.losses for e in history]), [loss for loss, _ in steps], rtol=1e-6)
    assert [n for _, n in steps[:3]] == [500, 500, 438]
    first = history[0]
    assert first.images == 1438
    assert first.loss == pytest.approx(float(first.losses @ [500, 500, 438]) / 1438)
    assert history[-1].loss < first.loss
    assert history[-1].accuracy == evaluate(model, batches)
    assert model.training is False  # the last thing was the test


def test_fit_is_lazy_and_can_be_left() -> None:
    model, optimizer, batches = small_training()
    before = pm.to_numpy(model[1].weight)
    epochs = fit(model, optimizer, batches, 5)
    np.testing.assert_array_equal(pm.to_numpy(model[1].weight), before)
    assert next(epochs).accuracy is None
    epochs.close()
    assert batches.epoch == 1
    assert (pm.to_numpy(model[1].weight) != before).any()


def test_evaluate_counts_right_answers() -> None:
    logits = pm.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    labels = pm.tensor([0, 1, 0])
    model = pm.nn.Lambda(lambda x: x)
    assert evaluate(model, [(logits, labels)]) == pytest.approx(2 / 3)
    assert evaluate(model, [(logits, labels), (logits[:1], labels[:1])]) == pytest.approx(3 / 4)
