"""The network as an ONNX graph for streaming, with weights of 32 or 8 bits, and ONNX Runtime as an engine."""
