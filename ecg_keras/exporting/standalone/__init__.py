"""Programs that run an exported model, each a file to copy.

None imports this package, and none Keras:

    python saved_model.py MODEL_DIR IMAGES.npz ANSWERS.npz
    python onnx_file.py MODEL.onnx IMAGES.npz ANSWERS.npz
    python litert.py MODEL.tflite IMAGES.npz ANSWERS.npz
    python reader.py NETWORKS_DIR IMAGES.npz ANSWERS.npz

IMAGES.npz holds one array (H, W, 3) RGB for each image, as `np.savez(path,
*images)` writes them: uint8 of any size for a SavedModel and the reader,
float32 of the model's size for the others. ANSWERS.npz holds each output of
the model by its name, the images along the first axis.
"""
