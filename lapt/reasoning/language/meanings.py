"""Descriptions of operators and tasks in words, for prompts."""

from __future__ import annotations

OPERATORS: dict[str, str] = {
    "none": "zero: the edge does not exist",
    "skip_connect": "identity, no parameters (with stride 2: a learned factorised reduction)",
    "nor_conv_1x1": "ReLU, 1x1 convolution, batch normalisation: mixes channels, sees one position",
    "nor_conv_3x3": "ReLU, 3x3 convolution, batch normalisation: mixes channels, sees 3x3 positions; most parameters",
    "avg_pool_3x3": "3x3 average pooling, stride 1: smooths, no parameters",
    "max_pool_3x3": "3x3 max pooling: keeps the strongest response, no parameters",
    "sep_conv_3x3": "twice ReLU, depthwise 3x3 convolution, 1x1 convolution, batch normalisation: sees 5x5 positions",
    "sep_conv_5x5": "as sep_conv_3x3 with 5x5 kernels: sees 9x9 positions; most parameters",
    "dil_conv_3x3": "ReLU, depthwise 3x3 convolution with dilation 2, 1x1 convolution, batch normalisation: sees 5x5 "
    "positions, half the parameters of sep_conv_3x3",
    "dil_conv_5x5": "as dil_conv_3x3 with 5x5 kernels: sees 9x9 positions",
}
"""Operator -> description of its computation. Other operators have none."""

TASKS: dict[str, str] = {
    "cifar10": "classification of 32x32 images into 10 classes (CIFAR-10)",
    "cifar100": "classification of 32x32 images into 100 classes (CIFAR-100)",
    "imagenet": "classification of 224x224 images into 1,000 classes (ImageNet)",
    "imagenet16_120": "classification of 16x16 images into 120 classes (ImageNet16-120)",
    "class_object": "classification of the objects in indoor scenes, 75 classes",
    "class_scene": "classification of indoor scenes, 47 classes",
    "room_layout": "regression of a room's layout from an image (camera pose and box)",
    "jigsaw": "self-supervised: which permutation of its patches an image was shuffled by",
    "rotation": "self-supervised: which multiple of 90 degrees an image was turned by",
    "autoencoder": "reconstruction of the image (encoder, decoder)",
    "autoencoding": "reconstruction of the image (encoder, decoder)",
    "normal": "dense regression: the surface normal at every pixel",
    "surface_normal": "dense regression: the surface normal at every pixel",
    "segmentsemantic": "semantic segmentation: the class of every pixel",
    "segmentation": "semantic segmentation: the class of every pixel",
    "classification": "image classification",
}
"""Task -> description of its goal. A user's own task has only its name."""
