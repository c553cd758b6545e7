"""Small models of MNIST that come with evalshift: baselines and convolutional networks, from 78 to 99 % correct.

`train` makes their checkpoints from MNIST's training set; QMNIST's lost digits are the new test set.
"""
