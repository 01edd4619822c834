"""Make src/polymod/data/digits.npz from scikit-learn's copy of the UCI optical digits.

python tools/make_digits.py
"""

import hashlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).parents[1] / "src/polymod/data/digits.npz"


def main() -> None:
    source = load_digits()
    images, labels = source.images.astype(np.uint8), source.target.astype(np.uint8)
    if not (np.array_equal(images, source.images) and np.array_equal(labels, source.target)):
        raise SystemExit("the values don't fit uint8: scikit-learn's copy has changed")
    np.savez_compressed(TARGET, images=images, labels=labels)
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
