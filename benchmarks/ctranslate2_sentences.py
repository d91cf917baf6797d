"""Greedy decoding by CTranslate2, each text as long as the model makes it; runs in the environment of `opennmt.py`.

python ctranslate2_sentences.py test.sp.en out.txt float32 32 80     (in the folder of the converted model, ct2)

Writes the tokens of each text and prints the sentences a second of three passes, after a first one.
"""

import sys
import time
from pathlib import Path

import ctranslate2

source, output, precision, batch, longest = sys.argv[1:]
texts = [line.split() for line in Path(source).read_text(encoding="utf-8").splitlines()]
translator = ctranslate2.Translator("ct2", device="cpu", compute_type=precision, inter_threads=1, intra_threads=2)
seconds = []
for _ in range(4):
    begin = time.perf_counter()
    found = translator.translate_batch(texts, beam_size=1, max_batch_size=int(batch), max_decoding_length=int(longest))
    seconds.append(time.perf_counter() - begin)
lines = [" ".join(one.hypotheses[0]) for one in found]
Path(output).write_text("\n".join(lines) + "\n", encoding="utf-8")
print(3 * len(texts) / sum(seconds[1:]))
