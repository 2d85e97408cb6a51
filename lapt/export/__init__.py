"""Networks for use without LAPT: as one Python file that needs torch alone, and as an ONNX model.

Importing this imports torch.
"""

import lapt.networks  # noqa: F401  (first: it names the extra where torch is missing)
from lapt.export.onnx import ExportError, onnx_model
from lapt.export.source import python_source

__all__ = ["ExportError", "onnx_model", "python_source"]
