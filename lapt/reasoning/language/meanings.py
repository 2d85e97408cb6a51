"""Tasks, in words that a prompt can use."""

from __future__ import annotations

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
