"""MTCNN, three small networks that find faces in turn (arXiv:1604.02878): `python mtcnn.py FOLDER IMAGE.npy`.

The networks run on any engine; the few boxes that pass between them are handled on the host, in NumPy. A box is
(left, top, right, bottom) in pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


class PNet(nn.Module):
    """Proposals: an image (n, 3, height, width) -> shifts (n, 4, ...) and probabilities (n, 2, ...) of faces in the
    windows of 12 x 12 pixels, at steps of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: pm.Tensor) -> tuple[pm.Tensor, pm.Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_2(x), F.softmax(self.conv4_1(x), dim=1)


class RNet(nn.Module):
    """Refinement: crops (n, 3, 24, 24) -> shifts (n, 4) and probabilities (n, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, 3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(28, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: pm.Tensor) -> tuple[pm.Tensor, pm.Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(x.permute(0, 3, 2, 1).flatten(1)))
        return self.dense5_2(x), F.softmax(self.dense5_1(x), dim=1)


class ONet(nn.Module):
    """Output: crops (n, 3, 48, 48) -> shifts (n, 4), five landmarks (n, 10) and probabilities (n, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: pm.Tensor) -> tuple[pm.Tensor, pm.Tensor, pm.Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(x.permute(0, 3, 2, 1).flatten(1)))
        return self.dense6_2(x), self.dense6_3(x), F.softmax(self.dense6_1(x), dim=1)


class MTCNN(nn.Module):
    """The three networks and the search with them.

    Args:
        smallest: the size in pixels of the smallest face.
        thresholds: the probabilities from which each network passes a box on.
        factor: the ratio between the sizes that the image is searched at.
    """

    def __init__(
        self,
        smallest: int = 20,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
    ) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()
        self.smallest, self.thresholds, self.factor = smallest, thresholds, factor

    def forward(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the faces of an image (height, width, 3) of bytes, the largest first.

        Returns:
            boxes (n, 4), probabilities (n,) and landmarks (n, 5, 2), all in float32.
        """
        with pm.no_grad():
            x = pm.tensor(np.ascontiguousarray(image.transpose(2, 0, 1)[None]), dtype=pm.float32)
            boxes = squared(self.propose(x))
            boxes, _, _ = self.refine(x, boxes, self.rnet, 24, self.thresholds[1])
            boxes, scores, points = self.refine(x, squared(boxes), self.onet, 48, self.thresholds[2])
        largest = np.argsort((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[::-1]
        return boxes[largest], scores[largest], points[largest]

    def propose(self, x: pm.Tensor) -> np.ndarray:
        """The boxes that the first network finds, searching at all sizes."""
        height, width = x.shape[2:]
        boxes, shifts, scores = (
            [np.zeros((0, 4), np.float32)],
            [np.zeros((0, 4), np.float32)],
            [np.zeros(0, np.float32)],
        )
        scale = 12 / self.smallest
        while min(height, width) * scale >= 12:
            small = normalized(F.interpolate(x, (int(height * scale + 1), int(width * scale + 1)), mode="area"))
            shift, probability = (pm.to_numpy(y)[0] for y in self.pnet(small))
            rows, columns = np.nonzero(probability[1] >= self.thresholds[0])
            corners = 2 * np.stack([columns, rows], axis=1).astype(np.float32)
            box = np.floor(np.concatenate([corners + 1, corners + 12], axis=1) / np.float32(scale))
            score = probability[1][rows, columns]
            kept = best(box, score, 0.5)
            boxes.append(box[kept])
            shifts.append(shift[:, rows, columns].T[kept])
            scores.append(score[kept])
            scale *= self.factor
        box, shift = np.concatenate(boxes), np.concatenate(shifts)
        kept = best(box, np.concatenate(scores), 0.7)
        return moved(box[kept], shift[kept], extra=0)

    def refine(
        self, x: pm.Tensor, boxes: np.ndarray, net: nn.Module, size: int, threshold: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The boxes that `net` takes for faces too, with their probabilities and landmarks (if it finds any)."""
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
        height, width = x.shape[2:]
        first = np.maximum(np.trunc(boxes[:, :2]).astype(int), 1) - 1
        last = np.minimum(np.trunc(boxes[:, 2:]).astype(int), (width, height))
        inside = np.all(last > first, axis=1)
        boxes = boxes[inside]
        crops = [
            F.interpolate(x[:, :, top:bottom, left:right], (size, size), mode="area")
            for (left, top), (right, bottom) in zip(first[inside], last[inside], strict=True)
        ]
        if not crops:
            return nothing
        shift, *points, probability = (pm.to_numpy(y) for y in net(normalized(pm.concat(crops))))
        score = probability[:, 1]
        passed = score > threshold
        boxes, score, shift = boxes[passed], score[passed], shift[passed]
        landmarks = np.zeros((len(boxes), 0, 2), np.float32)
        if points:
            fractions = points[0][passed].reshape(-1, 2, 5).transpose(0, 2, 1)
            landmarks = boxes[:, None, :2] - 1 + fractions * (boxes[:, None, 2:] - boxes[:, None, :2] + 1)
            boxes = moved(boxes, shift, extra=1)
            kept = best(boxes, score, 0.7, of_smaller=True)
            return boxes[kept], score[kept], landmarks[kept]
        kept = best(boxes, score, 0.7)
        return moved(boxes[kept], shift[kept], extra=1), score[kept], landmarks[kept]


def normalized(x: pm.Tensor) -> pm.Tensor:
    return (x - 127.5) * 0.0078125


def moved(boxes: np.ndarray, shifts: np.ndarray, extra: int) -> np.ndarray:
    """Boxes whose edges are shifted by fractions of the sizes, which count `extra` pixels more."""
    sizes = np.tile(boxes[:, 2:] - boxes[:, :2] + extra, 2)
    return boxes + shifts * sizes


def squared(boxes: np.ndarray) -> np.ndarray:
    """Squares around the boxes' centres, with their longer side."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    side = sizes.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sizes * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([corner, corner + side], axis=1)


def best(boxes: np.ndarray, scores: np.ndarray, limit: float, of_smaller: bool = False) -> list[int]:
    """Which boxes remain, the likeliest first, when those that overlap a likelier one by more than `limit` go.

    The overlap is a part of both boxes' union, or of the smaller box (sizes then count both edges' pixels).
    """
    edge = 1 if of_smaller else 0
    area = (boxes[:, 2] - boxes[:, 0] + edge) * (boxes[:, 3] - boxes[:, 1] + edge)
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        low, high = np.maximum(boxes[first, :2], boxes[order, :2]), np.minimum(boxes[first, 2:], boxes[order, 2:])
        common = np.prod(np.maximum(high - low + edge, 0), axis=1)
        whole = np.minimum(area[first], area[order]) if of_smaller else area[first] + area[order] - common
        order = order[common / whole <= limit]
    return kept


def load(folder: str | Path) -> MTCNN:
    model = MTCNN().eval()
    model.load_state_dict(pm.load_file(Path(folder) / "mtcnn.safetensors"))
    return model


def main(folder: str, image: str) -> None:
    for box, score, points in zip(*load(folder)(np.load(image)), strict=True):
        print(f"{score:.4f} at {box.round(1).tolist()}, eyes, nose and mouth at {points.round(1).tolist()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
