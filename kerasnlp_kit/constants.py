"""Token ids that mean the same in every vocabulary."""

PAD = 0  # fills rows up to the width of the batch; never a word
UNK = 1  # stands for every word that is not in the vocabulary

PAD_TOKEN = ""  # no tokenizer yields an empty token, so PAD cannot be mistaken for a word
UNK_TOKEN = "[UNK]"
