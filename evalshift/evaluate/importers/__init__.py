"""What others have predicted or counted, brought into the results folder: checked, put into order, with its source.

files.py         one file -> answers, and the images' names where it has them
labels.py        the dataset that answers are held against
predictions.py   answers -> checked Predictions
released.py      the per-image predictions that came with a paper
tables.py        accuracies or counts, a row a model
"""
