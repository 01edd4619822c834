"""Whole models, each a short file to read, to train and to start from."""

from .cnn import CNN
from .guide import MLP, ChimeraClassifier, FixedHiddenMLP, MySequential, NestMLP, chimera
from .resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from .transformer import TransformerBlock, TransformerClassifier, TransformerStack

__all__ = [
    "CNN",
    "MLP",
    "BasicBlock",
    "Bottleneck",
    "ChimeraClassifier",
    "FixedHiddenMLP",
    "MySequential",
    "NestMLP",
    "ResNet",
    "TransformerBlock",
    "TransformerClassifier",
    "TransformerStack",
    "chimera",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
]
