"""Token ids that mean the same in every vocabulary, and names that several rooms know."""

PAD = 0  # fills rows up to the width of the batch; never a word
UNK = 1  # stands for every word that is not in the vocabulary
BOS = 2  # what a generating model reads before its first token; classifiers have no such id
EOS = 3  # what it gives after its last one
FIRST_PIECE = 4  # of the vocabularies of generating models

PAD_TOKEN = ""  # no tokenizer yields an empty token, so PAD cannot be mistaken for a word
UNK_TOKEN = "[UNK]"

LINEAR, NETWORK = "linear", "network"  # kinds of parts of a model
UNFINISHED = ".unfinished"  # end of a model folder's name until the model is proven
MANIFEST = "manifest.json"  # of a model folder: lists its files, each with its SHA-256

MOST_ANNEALED = 2000  # steps in which the weight of an autoencoder's divergence rises, by default
LOWEST = -1e9  # log-probability of what cannot be
SCORED_TOKENS = 4096  # whose logits are in memory together
