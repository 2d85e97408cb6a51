"""Stages of inverted residual blocks, as in MobileNetV3 and EfficientNet."""
