"""The embedded pair: scikit-learn's digits, split by writer, and the small models trained on the first half of them.

split       which image belongs to which part; needs no torch
networks    one torch module for every kind of model, nearest centroid to convolutional network
recipes     what is trained: every model's method, size and number of training images
fitting     how a recipe becomes tensors
train       the script that made checkpoints/: python -m evalshift.testbed.digits.train
"""
