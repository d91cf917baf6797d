"""The models, one file each: its options and its graph. A new file here is a new model; nothing else lists it."""
