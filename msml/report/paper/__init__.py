"""The paper's figures from the runs of a sweep, each as a picture and as a table of numbers."""
