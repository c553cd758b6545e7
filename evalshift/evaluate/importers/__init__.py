"""Import of predictions and counts into the results folder: checked, in dataset order, with their source.

files.py           one file of any format -> its columns by name
headings.py        what a column is by its heading
columns.py         which columns hold the predictions, and which the labels beside them
images_of_rows.py  which column names the images
matching.py        names in a file against the ids of a dataset
values.py          class numbers, names, logits or probabilities -> the best classes
checks.py          compares columns next to the predictions with the dataset
label_files.py     a file of labels
labels.py          the dataset that predictions are compared with
predictions.py     all of these, one after the other -> stored Predictions
released.py        the per-image predictions that came with a paper
tables.py          accuracies or counts, one row per model
"""
