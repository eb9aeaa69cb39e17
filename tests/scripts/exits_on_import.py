import sys

sys.exit("usage: model.py CONFIG")
