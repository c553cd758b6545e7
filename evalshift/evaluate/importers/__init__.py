"""What others have predicted or counted → the results folder: checked, in the order of the dataset, with its source.

files.py           one file of any format -> its columns by name
headings.py        what a column is by its heading
columns.py         which columns hold the predictions, and which the labels beside them
images_of_rows.py  which column names the images
matching.py        names in a file against the ids of a dataset
values.py          class numbers, names, logits or probabilities -> the best classes
checks.py          what stands beside the predictions, held against the dataset
label_files.py     a file of labels
labels.py          the dataset that predictions are compared with
predictions.py     all of these, one after the other -> stored Predictions
released.py        the per-image predictions that came with a paper
tables.py          accuracies or counts, one row per model
"""
