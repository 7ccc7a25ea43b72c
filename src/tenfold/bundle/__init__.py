"""The model as a folder that predicts anywhere: ``model.onnx``, ``manifest.json``, ``card.md``; and submissions.

Reading needs only ONNX Runtime, numpy and Pillow (``loaded``); writing needs torch and onnx (``export``).
"""
